"""Labelled audio: how good a model is, and what its probabilities mean."""
