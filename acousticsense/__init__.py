"""AcousticSense: a song in, sixteen genre probabilities out."""

__version__ = "0.1.0"
