"""What a network's numbers mean, from answers whose truth is known: a temperature and the confidence levels.

A level is a promise about errors. Its threshold is the lowest one at which both the mean confidence and the lower bound
of the share of right answers meet the target; where there is none, the level is never said, and the reason is given.

A label that dominates a collection must not make the others look surer than they are: the temperature is fitted with
each label counting the same, and "confident" must meet its target that way, too, with answers of half of the labels
at least. "Plausible" and "mixed" promise less, and only for music like that which was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from acousticsense.evaluation.levels import FEWEST, Outcomes, Targets, level_threshold, not_music_threshold
from acousticsense.evaluation.statistics import class_balanced_weights
from acousticsense.inference.confidence import verdict_of
from acousticsense.models.spec import Calibration

#: Temperatures are sought between these.
_COOLEST: Final = math.exp(-3.0)
_WARMEST: Final = math.exp(3.0)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a network said about windows of labelled clips that it was not trained on.

    Attributes:
        logits: (n_windows, n_labels), or one column more with the not-music output last.
        labels: (n_clips,) index of the true label; -1 for what is not music.
        n_labels: number of labels.
        clips: (n_windows,) the clip of each window, 0..n_clips - 1; None when each clip has one window, in order.
        sources: (n_clips,) the recording that each clip was cut from. Clips of one recording are right or wrong
            together, and prove as much as one. None when each has its own.
    """

    logits: NDArray[np.floating]
    labels: NDArray[np.integer]
    n_labels: int
    clips: NDArray[np.integer] | None = None
    sources: NDArray[np.integer] | None = None

    def genres(self, temperature: float) -> NDArray[np.float64]:
        """Probability of each label (n_clips, n_labels), as `GenreClassifier` computes it with the mean vote."""
        return self._mean(softmax(self.logits[:, : self.n_labels].astype(np.float64) / temperature, axis=1))

    def not_music(self) -> NDArray[np.float64] | None:
        """Probability of not being music (n_clips,); None when there is no such output."""
        if self.logits.shape[1] == self.n_labels:
            return None
        return self._mean(softmax(self.logits.astype(np.float64), axis=1)[:, -1])

    def _mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.clips is None:
            return values
        sums = np.zeros((len(self.labels), *values.shape[1:]))
        np.add.at(sums, self.clips, values)
        counts = np.bincount(self.clips, minlength=len(self.labels))
        return np.asarray(sums / counts.reshape(-1, *(1 for _ in values.shape[1:])))


@dataclass(frozen=True)
class CalibrationFit:
    """A calibration, and in words the criteria that the answers do not meet."""

    calibration: Calibration
    unmet_criteria: tuple[str, ...]


def fit_calibration(answers: Answers, *, measured_on: str, targets: Targets | None = None) -> CalibrationFit:
    """Temperature by maximum likelihood (Guo et al., arXiv 1706.04599), then thresholds on the scaled probabilities.

    Args:
        answers: for clips that the network was not trained on, music and, if there is any, what is not.
        measured_on: what the clips are, in words; not empty, or the calibration counts as never measured.
        targets: what the levels promise; the defaults of `Targets` when None.
    """
    targets = targets or Targets()
    is_music = answers.labels >= 0
    labels = answers.labels[is_music]
    temperature = round(_temperature(answers), 4)
    probabilities = answers.genres(temperature)[is_music]
    sources = np.arange(len(answers.labels)) if answers.sources is None else answers.sources
    (confident_at, plausible_at, mixed_at), unmet = _level_thresholds(probabilities, labels, sources[is_music], targets)
    not_music_at, not_music = None, answers.not_music()
    if not_music is not None:
        not_music_at, notes = not_music_threshold(not_music, is_music, targets)
        unmet += notes
    if not _COOLEST * 1.01 < temperature < _WARMEST / 1.01:
        unmet.append(f"temperature: {temperature} is as far as it is sought; these answers cannot tell how sure to be.")
    calibration = Calibration(
        temperature=temperature,
        confident_at=confident_at,
        plausible_at=plausible_at,
        mixed_at=mixed_at,
        not_music_at=not_music_at,
        measured_on=measured_on,
    )
    return CalibrationFit(with_counts(calibration, level_counts(probabilities, labels, calibration)), tuple(unmet))


def _level_thresholds(
    probabilities: NDArray[np.float64], labels: NDArray[np.integer], sources: NDArray[np.integer], targets: Targets
) -> tuple[tuple[float, float, float], list[str]]:
    """Thresholds of confident, plausible and mixed, and the criteria that are not met."""
    best, ranks = probabilities.max(1), (-probabilities).argsort(1, kind="stable")
    top = Outcomes(
        scores=best,
        right=ranks[:, 0] == labels,
        sources=sources,
        labels=labels,
        weights=class_balanced_weights(labels),
        below_previous=np.ones(len(labels), bool),
    )
    confident_at, confident_unmet = level_threshold("confident", top, targets.confident, balanced=True)
    lower = replace(top, below_previous=best < targets.confident).only(best < confident_at)
    plausible_at, plausible_unmet = level_threshold("plausible", lower, targets.plausible)
    plausible_at = min(confident_at, plausible_at)
    two = replace(
        top,
        scores=np.sort(probabilities, 1)[:, -2:].sum(1),
        right=(ranks[:, :2] == labels[:, None]).any(1),
        below_previous=best < targets.plausible,
    )
    mixed_at, mixed_unmet = level_threshold("mixed", two.only(best < plausible_at), targets.mixed)
    return (confident_at, plausible_at, mixed_at), [
        words for words in (confident_unmet, plausible_unmet, mixed_unmet) if words
    ]


def level_counts(
    probabilities: NDArray[np.float64], labels: NDArray[np.integer], calibration: Calibration
) -> dict[str, tuple[int, int]]:
    """Verdict -> (right answers, all answers). A mix is right about either of its two.

    Args:
        probabilities: (n, n_labels), calibrated.
        labels: (n,) indices of the true ones.
        calibration: the thresholds.
    """
    counts: dict[str, tuple[int, int]] = {}
    for row, label in zip(probabilities, labels, strict=True):
        verdict = verdict_of({str(index): float(value) for index, value in enumerate(row)}, None, calibration)
        named = np.argsort(-row, kind="stable")[: 2 if verdict == "mixed" else 1]
        right, n = counts.get(verdict, (0, 0))
        counts[verdict] = right + int(label in named), n + 1
    return counts


def with_counts(calibration: Calibration, counts: dict[str, tuple[int, int]]) -> Calibration:
    """The calibration with how often each verdict was right (verdict -> (right, all)); `FEWEST` answers are the least.

    What it held of that before is replaced.
    """
    enough = {verdict: (right, n) for verdict, (right, n) in counts.items() if n >= FEWEST}
    accuracy = {verdict: round(right / n, 3) for verdict, (right, n) in enough.items()}
    return replace(calibration, level_accuracy=accuracy, level_counts=enough)


def _temperature(answers: Answers) -> float:
    """The temperature under which the true labels of the music are likeliest, after the vote."""
    from scipy.optimize import minimize_scalar  # takes a third of a second, which a server need not spend

    clips = np.flatnonzero(answers.labels >= 0)
    labels = answers.labels[clips]
    weights = class_balanced_weights(labels)

    def loss(log_temperature: float) -> float:
        chosen = answers.genres(math.exp(log_temperature))[clips, labels]
        return float(-np.average(np.log(np.maximum(chosen, 1e-300)), weights=weights))

    bounds = math.log(_COOLEST), math.log(_WARMEST)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
