"""From a source to a clip: open, decode, mix, resample; its health and its loudness."""
