"""What the network's numbers mean, measured on real validation music: a temperature and the verdict bands."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from acousticsense.config import Calibration
from acousticsense.genres import GENRES
from acousticsense.training.bank import NOT_MUSIC_INDEX
from acousticsense.verdict import judge

__all__ = ["calibrate"]

#: Share of right answers that a band promises; thresholds are the lowest that keep it on validation music.
_CONFIDENT: Final = 0.9
_PLAUSIBLE: Final = 0.6
_MIXED: Final = 0.7

#: Fewest clips on which such a share means anything.
_FEWEST: Final = 8

#: Share of real music that may be refused as "not music".
_REFUSED: Final = 0.03

_GRID: Final = np.round(np.arange(0.2, 1.0, 0.01), 2)

#: Thresholds that no answer reaches: nothing earned the band.
_NEVER: Final = 1.0


def calibrate(logits: NDArray[np.float32], labels: NDArray[np.int64], *, measured_on: str) -> Calibration:
    """Temperature by maximum likelihood (Guo et al., arXiv 1706.04599), then the bands on the scaled probabilities.

    Args:
        logits: (n, 17) of real validation clips.
        labels: (n,) genre indices.
        measured_on: what the clips are, in words.
    """
    temperature = _temperature(logits[:, :NOT_MUSIC_INDEX], labels)
    probabilities = softmax(logits[:, :NOT_MUSIC_INDEX].astype(np.float64) / temperature, axis=1)
    ranks = (-probabilities).argsort(1)
    best = probabilities.max(1)
    right = ranks[:, 0] == labels
    confident_at = _lowest(best, right, _CONFIDENT)
    below = best < confident_at
    plausible_at = min(confident_at, _lowest(best[below], right[below], _PLAUSIBLE))
    rest = best < plausible_at
    among_two = (ranks[rest, :2] == labels[rest, None]).any(1)
    not_music = softmax(logits.astype(np.float64), axis=1)[:, NOT_MUSIC_INDEX]
    calibration = Calibration(
        temperature=round(temperature, 4),
        confident_at=confident_at,
        plausible_at=plausible_at,
        mixed_at=_lowest(np.sort(probabilities[rest], 1)[:, -2:].sum(1), among_two, _MIXED),
        not_music_at=round(float(max(0.5, np.quantile(not_music, 1 - _REFUSED) + 0.02)), 3),
        measured_on=measured_on,
    )
    return replace(calibration, band_accuracy=_band_accuracy(probabilities, right, calibration))


def _temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-scaled[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def _lowest(values: NDArray[np.float64], right: NDArray[np.bool_], promise: float) -> float:
    """The lowest threshold at and above which at least `promise` is right, on no fewer than `_FEWEST` clips."""
    for threshold in _GRID:
        chosen = right[values >= threshold]
        if len(chosen) >= _FEWEST and chosen.mean() >= promise:
            return float(threshold)
    return _NEVER


def _band_accuracy(
    probabilities: NDArray[np.float64], right: NDArray[np.bool_], calibration: Calibration
) -> dict[str, float]:
    """Verdict -> share of right answers, for verdicts given to enough clips."""
    bands: dict[str, list[bool]] = {}
    for row, is_right in zip(probabilities, right, strict=True):
        verdict = judge(dict(zip(GENRES, map(float, row), strict=True)), None, calibration)
        bands.setdefault(verdict, []).append(bool(is_right))
    return {verdict: round(float(np.mean(hits)), 3) for verdict, hits in bands.items() if len(hits) >= _FEWEST}
