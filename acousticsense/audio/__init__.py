"""From a source to a clip: open, decode, health, loudness."""
