"""tfconv.models."""
