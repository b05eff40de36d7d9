"""A model answers: audio -> images -> network -> calibrated probabilities, verdict and advice."""
