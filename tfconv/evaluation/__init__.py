"""tfconv.evaluation."""
