"""tfconv.data."""
