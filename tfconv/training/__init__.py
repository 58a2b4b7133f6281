"""tfconv.training."""
