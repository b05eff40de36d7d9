"""Light variations of a waveform: other speed and pitch, equalisation, noise, and the treble that codecs drop."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def vary(waveform: Samples, sample_rate_hz: int, source: np.random.Generator) -> Samples:
    """A random variation of (n,): up to 4 % faster or slower, so not quite as long or a little longer.

    Args:
        source: of every choice.
    """
    speed = source.uniform(0.96, 1.04)
    varied = np.asarray(soxr.resample(waveform, 1000, 1000 / speed), np.float32)
    varied = _equalise(varied, sample_rate_hz, source)
    level = np.sqrt(np.mean(varied**2)) * 10 ** (-source.uniform(25, 60) / 20)
    return np.asarray(varied + level * source.standard_normal(len(varied), dtype=np.float32), np.float32)


def _equalise(waveform: Samples, sample_rate_hz: int, source: np.random.Generator) -> Samples:
    """A smooth gain of some dB per octave band; one time in four nothing above 4 to 10 kHz."""
    spectrum = np.fft.rfft(waveform)
    frequencies_hz = np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz)
    bands_hz = 62.5 * 2.0 ** np.arange(9)
    gain_db = np.interp(np.log2(frequencies_hz + 1), np.log2(bands_hz), source.normal(0, 3, len(bands_hz)))
    if source.random() < 0.25:
        gain_db[frequencies_hz > source.uniform(4_000, 10_000)] = -60
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(waveform)).astype(np.float32)
