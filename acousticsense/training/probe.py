"""A probe on the teachers' features: logistic regression under labels that we know, whose answers teach the student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from acousticsense.training.bank import N_OUTPUTS, Item, Windows, windows_of

__all__ = ["Probe", "fit_probe", "soft_targets"]

#: How far a known label is believed, the rest being the probe's opinion: rendered music sounds like its genre only in
#: part, and labels of recordings are more or less sure.
_BELIEF: Final = {"rendered": 0.75, "not_music": 1.0, "sure": 0.8, "unsure": 0.4}

#: Weight of a window of a labelled recording, a rendered one weighing 1.
_REAL_WEIGHT: Final = 2.0


@dataclass(frozen=True)
class Probe:
    """Standardisation and regression, fitted together."""

    scaler: StandardScaler
    regression: LogisticRegression

    def standardise(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (n, D) with mean 0 and deviation 1 over the training set, outliers clipped."""
        return np.asarray(np.clip(self.scaler.transform(features), -4.0, 4.0), np.float32)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (n, 17) of features (n, D)."""
        known = self.regression.predict_proba(self.standardise(features))
        full = np.zeros((len(features), N_OUTPUTS), np.float32)
        full[:, self.regression.classes_] = known
        return full


def fit_probe(items: list[Item], *, c: float) -> Probe:
    """Fits on the windows of every item whose label is known and not a network's guess.

    Args:
        items: of the training split.
        c: inverse strength of the L2 penalty.
    """
    windows = windows_of(items)
    trusted = np.array([item.label is not None and item.track.labelled_by_people for item in items])[windows.item]
    labels = np.array([-1 if item.label is None else item.label for item in items])[windows.item][trusted]
    weights = np.array([_REAL_WEIGHT if item.track.kind == "real" else 1.0 for item in items])[windows.item][trusted]
    scaler = StandardScaler().fit(windows.features)
    regression = LogisticRegression(C=c, class_weight="balanced", max_iter=500)
    probe = Probe(scaler, regression)
    regression.fit(probe.standardise(windows.features[trusted]), labels, sample_weight=weights)
    return probe


def soft_targets(items: list[Item], windows: Windows, probe: Probe) -> NDArray[np.float32]:
    """What the student should answer for each window: (W, 17), rows summing to 1.

    The probe's opinion of a window is averaged with its opinion of the whole track, then mixed with the known label.
    """
    opinion: NDArray[np.float32] = probe.probabilities(windows.features)
    sums = np.zeros((len(items), N_OUTPUTS), np.float32)
    np.add.at(sums, windows.item, opinion)
    means = (sums / np.bincount(windows.item, minlength=len(items))[:, None]).astype(np.float32)
    opinion = ((opinion + means[windows.item]) / 2).astype(np.float32)
    for index, item in enumerate(items):
        if item.label is not None:
            mine = windows.item == index
            belief = _belief(item)
            opinion[mine] *= 1 - belief
            opinion[mine, item.label] += belief
    return np.asarray(opinion / opinion.sum(1, keepdims=True), np.float32)


def _belief(item: Item) -> float:
    if item.track.kind != "real":
        return _BELIEF[item.track.kind]
    return _BELIEF["sure" if item.track.is_measurable else "unsure"]
