"""From a clip to a prediction."""
