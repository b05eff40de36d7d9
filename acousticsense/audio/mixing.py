"""Channels to one waveform: silent channels are left out, and one whose phase is inverted is turned round."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.track import Samples

Matrix = NDArray[np.float64]

#: A channel this far below the loudest (-50 dB) is silent: of codecs only their noise is left there.
_SILENT_SHARE: Final = 1e-5
#: A channel whose correlation with those before it is lower than this is inverted. Bass, where most of the power lies,
#: is nearly the same on all channels of a recording, so that real stereo stays above.
_INVERTED_CORRELATION: Final = -0.5
#: Seconds after which a stream's past counts for less than half.
_MEMORY_S: Final = 10.0


def covariance(channels: Samples) -> Matrix:
    """Sums of products of the channels (n_channels, n), each without its mean."""
    means = channels.mean(axis=1, dtype=np.float64)
    products: Matrix = (channels @ channels.T).astype(np.float64)
    products -= channels.shape[1] * np.outer(means, means)
    return products


def mix_weights(products: Matrix) -> NDArray[np.float32]:
    """Weights (n_channels,) of a mono mix, from the sums of products that `covariance` gives.

    All sounding channels have the same weight; it is negative for one that would cancel those before it.
    """
    n_channels = len(products)
    powers = products.diagonal()
    sounding = [i for i in range(n_channels) if powers[i] > _SILENT_SHARE * powers.max()]
    if not sounding:
        return np.full(n_channels, 1 / n_channels, np.float32)
    signs = np.zeros(n_channels)
    for i in sorted(sounding, key=lambda i: (-round(10 * math.log10(powers[i])), i)):
        others_power = float(signs @ products @ signs)
        with_others = float(signs @ products[i])
        inverted = with_others < _INVERTED_CORRELATION * np.sqrt(max(0.0, others_power) * powers[i])
        signs[i] = -1.0 if inverted and others_power > 0 else 1.0
    if np.count_nonzero(signs < 0) > np.count_nonzero(signs > 0):
        signs = -signs
    return (signs / len(sounding)).astype(np.float32)


def mix(channels: Samples, weights: NDArray[np.float32]) -> Samples:
    """The weighted sum (n,) of channels (n_channels, n)."""
    if (weights == weights[0]).all():
        return np.asarray(channels.mean(axis=0, dtype=np.float32))
    return np.asarray(weights @ channels, np.float32)


class Mixer:
    """Mixes a stream block by block, by what was heard so far; its past fades, so that it follows a change.

    Attributes:
        lost_db: what a plain mean would have lost where a channel had to be turned round; None where none had.
    """

    def __init__(self, n_channels: int, sample_rate_hz: int) -> None:
        self._products = np.zeros((n_channels, n_channels))
        self._rate_hz = sample_rate_hz
        self.lost_db: float | None = None

    def learn(self, channels: Samples) -> None:
        """Listens to (n_channels, n) that come next."""
        self._products *= 0.5 ** (channels.shape[1] / self._rate_hz / _MEMORY_S)
        self._products += covariance(channels)

    def mix(self, channels: Samples) -> Samples:
        """The mono waveform (n,) of (n_channels, n), by what was learned."""
        weights = mix_weights(self._products)
        if (weights < 0).any():
            mean_power = float(self._products.mean())
            self.lost_db = 10 * math.log10(float(self._products.diagonal().max()) / max(mean_power, 1e-12))
        return mix(channels, weights)
