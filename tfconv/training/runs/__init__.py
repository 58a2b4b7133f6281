"""The run directory: model, checkpoints, logs, results."""
