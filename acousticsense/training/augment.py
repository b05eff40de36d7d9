"""What happens to music in the world, done to its log spectrogram: other keys, equalisers, noise, lost bands, gaps.

Tempo is changed where windows are cut, in `dataset`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def augment(values: Floats, source: np.random.Generator) -> Floats:
    """A random view of one window: (bins, frames) natural logarithms in and out."""
    view = _transposed(values, source)
    view = view + _equaliser(len(view), source)[:, None]
    if source.random() < 0.5:
        view = _noisy(view, source)
    if source.random() < 0.2:
        view = _band_limited(view, source)
    return _masked(view, source)


def _transposed(values: Floats, source: np.random.Generator) -> Floats:
    """Moved up or down by at most three bands; what moves in repeats the outermost band."""
    rows = np.arange(len(values)) + source.integers(-3, 4)
    return values[np.clip(rows, 0, len(values) - 1)]


def _equaliser(bins: int, source: np.random.Generator) -> Floats:
    """A smooth random gain for each band, 3 dB or so, and a tilt."""
    knots = source.normal(0, source.uniform(0, 0.8), 6)
    tilt = source.uniform(-0.8, 0.8)
    curve = np.interp(np.linspace(0, 5, bins), np.arange(6), knots) + tilt * np.linspace(-1, 1, bins)
    return curve.astype(np.float32)


def _noisy(view: Floats, source: np.random.Generator) -> Floats:
    """A noise floor, between 20 and 60 dB (of power) below the loudest point, falling towards high bands."""
    floor = view.max() - source.uniform(4.6, 14.0) + source.uniform(-2, 1) * np.linspace(0, 1, len(view))[:, None]
    rough = 0.4 * source.standard_normal(view.shape, np.float32)
    return np.asarray(np.logaddexp(view, floor.astype(np.float32) + rough), np.float32)


def _band_limited(view: Floats, source: np.random.Generator) -> Floats:
    """Codecs and small loudspeakers: nothing above or below some band."""
    lowest, bins = view.min(), len(view)
    view = view.copy()
    if source.random() < 0.7:
        view[int(bins * source.uniform(0.6, 1.0)) :] = lowest
    else:
        view[: int(bins * source.uniform(0.0, 0.1))] = lowest
    return view


def _masked(view: Floats, source: np.random.Generator) -> Floats:
    """SpecAugment (Park et al., arXiv 1904.08779): up to two gaps of each kind are set to the mean."""
    view, mean = view.copy(), view.mean()
    for _ in range(source.integers(0, 3)):
        width = int(source.uniform(0, 0.15) * view.shape[0])
        start = source.integers(0, view.shape[0] - width)
        view[start : start + width] = mean
    for _ in range(source.integers(0, 3)):
        width = int(source.uniform(0, 0.12) * view.shape[1])
        start = source.integers(0, view.shape[1] - width)
        view[:, start : start + width] = mean
    return view
