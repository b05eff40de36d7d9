"""From a waveform to the image a network sees."""
