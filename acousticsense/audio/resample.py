"""From a file's sample rate to the one that is wanted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import soxr

from acousticsense.audio.track import Samples
from acousticsense.errors import AudioEmptyError


def resample(mono: Samples, rate_hz: int, wanted_hz: int, lead: int, n_frames: int) -> Samples:
    """The excerpt (n,) at `wanted_hz`, out of mono samples with `lead` frames before it and some after."""
    ratio = Fraction(wanted_hz, rate_hz)
    start, n_samples = round(lead * ratio), round(n_frames * ratio)
    waveform = at_rate(mono, rate_hz, wanted_hz)[start : start + n_samples]
    if len(waveform) == 0:
        raise AudioEmptyError(f"The file holds only {n_frames} samples.", hint="Export or record it again.")
    return np.ascontiguousarray(waveform, np.float32)


def at_rate(mono: Samples, rate_hz: float, wanted_hz: int) -> Samples:
    """All samples (n,) at `wanted_hz`."""
    # A file of the wanted rate gets zeros between its samples and goes through the same filter as all others: what that
    # filter leaves at the top of the band is the darkest part of most images, and their contrast follows from it.
    source, source_hz = (between_zeros(mono), 2 * rate_hz) if rate_hz == wanted_hz else (mono, rate_hz)
    return np.asarray(soxr.resample(source, source_hz, wanted_hz, quality="HQ"), np.float32)


def between_zeros(mono: Samples) -> Samples:
    """The same sound (n,) at twice the rate (2 n,), with its mirror image above the old Nyquist frequency."""
    doubled = np.zeros(2 * len(mono), np.float32)
    doubled[::2] = 2 * mono
    return doubled
