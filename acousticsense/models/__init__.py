"""What a model is, where models are found, and how checkpoints are read."""
