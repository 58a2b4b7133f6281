"""tfconv.layers."""
