"""tfconv.interpret."""
