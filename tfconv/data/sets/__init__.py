"""Public and synthetic data sets."""
