"""How good a model is, and what its probabilities mean."""
