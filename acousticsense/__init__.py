"""AcousticSense: a song in, sixteen calibrated genre probabilities out."""

__version__ = "0.1.0"
