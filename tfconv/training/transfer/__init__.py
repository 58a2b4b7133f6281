"""Training on from the weights of another model."""
