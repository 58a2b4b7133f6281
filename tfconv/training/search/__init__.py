"""Trials before a training, and several trainings: learning rate, batch size, one batch, folds."""
