"""Small statistics that calibration and evaluation share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def wilson_interval(hits: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """Bounds of a share of `hits` out of `n` >= 1 (Wilson 1927); z = 1.96 is 95 %, z = 1 one standard error."""
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def class_balanced_weights(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights (n,) for labels (n,) of 0 or more, under which each label that occurs has a total weight of 1."""
    return np.asarray(1.0 / np.bincount(labels)[labels])
