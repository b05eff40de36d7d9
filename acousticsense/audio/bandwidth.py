"""What a recording's spectrum tells: a rate that is too low or odd, treble that is missing, steady noise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.track import Samples
from acousticsense.audio.types import HealthNote, Severity

#: What digital zero is called, so that values stay finite.
_FLOOR_DB: Final = -120.0

#: The images reach 11 025 Hz, which takes twice that rate.
_NEEDED_RATE_HZ: Final = 22_050
#: Rates of real equipment. Another one often means a file that was played or labelled at a wrong speed.
_USUAL_RATES_HZ: Final = frozenset(
    {
        22_050,
        24_000,
        32_000,
        44_100,
        48_000,
        64_000,
        88_200,
        96_000,
        176_400,
        192_000,
        352_800,
        384_000,
        705_600,
        768_000,
    }
)

#: Spectrum: 4096 samples are 93 ms and 11 Hz at 44.1 kHz; 128 of them, spread evenly, describe any length.
_FFT_LENGTH: Final = 4096
_FFT_FRAMES: Final = 128
#: Width over which the spectrum is levelled, so that single tones do not count as edges.
_SMOOTH_HZ: Final = 300.0
#: A low-pass leaves a step this high within twice that width. Real recordings stay below 21 dB above 2 kHz.
_EDGE_DB: Final = 30.0
_EDGE_RANGE_HZ: Final = (2_000.0, 10_000.0)
#: A gentle low-pass leaves no step: treble this far below the middle is missing. The mellowest of the real recordings
#: loses less; an 8th-order low-pass at 3 kHz costs at least 57 dB.
_TREBLE_LOSS_DB: Final = 56.0
_MIDDLE_HZ: Final = (1_500.0, 2_500.0)
_TREBLE_HZ: Final = (5_000.0, 8_000.0)
#: Noise holds still, whatever its colour: over the clip, the level in an octave wanders by 1.2 dB at most (one standard
#: deviation; 23 bins a frame or more). In the steadiest of 72 excerpts of real recordings it wanders by 2.1 dB.
_NOISE_SPREAD_DB: Final = 1.5
_NOISE_OCTAVES_HZ: Final = (250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0)
#: Averaged over the frames, no line of noise stands this far above its band; a steady tone does.
_NOISE_TONE_DB: Final = 6.0
#: Fewer frames say little of a level's spread; at 44.1 kHz they are a second and a half.
_NOISE_FRAMES: Final = 16
#: Cut below half of the image's range is a warning, above it a remark.
_DULL_WARNING_HZ: Final = 5_500.0


def check_spectrum(mono: Samples, rate_hz: int) -> Iterator[HealthNote]:
    """Notes on noise and bandwidth of a waveform (n,) that is not silent."""
    frames = _spectra(mono)
    yield from _check_noise(frames, rate_hz)
    yield from _check_bandwidth(frames, rate_hz)


def decibels(power: float) -> float:
    """10 log10 of a power, not below `_FLOOR_DB`."""
    return max(_FLOOR_DB, 10.0 * float(np.log10(max(power, 1e-30))))


def _check_bandwidth(frames: NDArray[np.float32], rate_hz: int) -> Iterator[HealthNote]:
    """A rate that leaves too little treble or that nobody uses; treble that is missing although the rate allows it."""
    if rate_hz < _NEEDED_RATE_HZ:
        yield HealthNote(code="low_sample_rate", severity="warning", value=float(rate_hz))
        return
    if rate_hz not in _USUAL_RATES_HZ:
        yield HealthNote(code="odd_sample_rate", severity="info", value=float(rate_hz))
    cut_off_hz = _cut_off_hz(frames, rate_hz)
    if cut_off_hz is not None:
        severity: Severity = "warning" if cut_off_hz < _DULL_WARNING_HZ else "info"
        yield HealthNote(code="dull", severity=severity, value=cut_off_hz)


def _check_noise(frames: NDArray[np.float32], rate_hz: int) -> Iterator[HealthNote]:
    """Hiss of any colour: every band stays at its level, and no tone stands out of it."""
    edges = [round(hz * _FFT_LENGTH / rate_hz) for hz in _NOISE_OCTAVES_HZ]
    if len(frames) < _NOISE_FRAMES or edges[-1] >= frames.shape[1]:
        return
    octaves = [frames[:, low:high] for low, high in pairwise(edges)]
    spread_db = max(float((10 * np.log10(octave.mean(axis=1) + 1e-30)).std()) for octave in octaves)
    tone_db = max(decibels(float(octave.mean(axis=0).max() / (octave.mean() + 1e-30))) for octave in octaves)
    if spread_db < _NOISE_SPREAD_DB and tone_db < _NOISE_TONE_DB:
        yield HealthNote(code="noise", severity="warning", value=spread_db)


def _cut_off_hz(frames: NDArray[np.float32], rate_hz: int) -> float | None:
    """Where a low-pass ends the spectrum, None when it goes on up to the images' limit."""
    if len(frames) == 0:
        return None
    power = frames.mean(axis=0, dtype=np.float64)
    hz_per_bin = rate_hz / _FFT_LENGTH
    width = max(1, round(_SMOOTH_HZ / hz_per_bin))
    sums = np.concatenate(([0.0], np.cumsum(power)))
    level_db = 10.0 * np.log10((sums[width:] - sums[:-width]) / width + 1e-12 * float(power.max()) + 1e-30)
    return _edge_hz(level_db, width, hz_per_bin) or _fading_hz(level_db, power, hz_per_bin, width)


def _edge_hz(level_db: NDArray[np.float64], width: int, hz_per_bin: float) -> float | None:
    """The steepest step, when it is a low-pass: everything above stays below it.

    `level_db[i]` covers bins i to i + width.
    """
    low, high = (round(hz / hz_per_bin) for hz in _EDGE_RANGE_HZ)
    step = level_db[low - width : high - width] - level_db[low + width : high + width]
    if len(step) == 0:
        return None
    at = low + int(step.argmax())
    beyond = level_db[at + width :]
    if step.max() < _EDGE_DB or beyond.max() > level_db[at - width] - _EDGE_DB:
        return None
    return float((at + width / 2) * hz_per_bin)


def _fading_hz(
    level_db: NDArray[np.float64], power: NDArray[np.float64], hz_per_bin: float, width: int
) -> float | None:
    """Where the level has sunk for good by the amount that counts as missing, when the treble lies below that."""

    def band_db(band: tuple[float, float]) -> float:
        return 10.0 * float(np.log10(power[round(band[0] / hz_per_bin) : round(band[1] / hz_per_bin)].mean() + 1e-30))

    floor_db = band_db(_MIDDLE_HZ) - _TREBLE_LOSS_DB
    if band_db(_TREBLE_HZ) >= floor_db:
        return None
    return float((np.flatnonzero(level_db >= floor_db)[-1] + width / 2) * hz_per_bin)


def _spectra(mono: Samples) -> NDArray[np.float32]:
    """Power (frames, 2049) of Hann-windowed frames spread over the clip; none when it is shorter than one."""
    n_frames = min(_FFT_FRAMES, len(mono) // _FFT_LENGTH)
    starts = np.linspace(0, max(0, len(mono) - _FFT_LENGTH), n_frames).astype(np.int64)
    frames = mono[starts[:, None] + np.arange(_FFT_LENGTH)] * np.hanning(_FFT_LENGTH).astype(np.float32)
    spectrum = np.fft.rfft(frames, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
