"""What a network's numbers mean, from answers whose truth is known: a temperature and the verdict bands.

A band is a promise about errors. A threshold is chosen when the answers beyond it claim what is promised (the mean of
their calibrated probabilities) and keep it (the share of right ones, less one standard error); where no threshold does,
the band is never said, and the reason is given.

That a collection has much of what the network knows best must not make it bolder on the rest. So each label counts the
same for the temperature; and "confident" must keep its promise that way, too, with answers of half of the labels at
least. "Plausible" and "mixed" promise less, and only for music like that which was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from acousticsense.inference.confidence import verdict_of
from acousticsense.models.spec import NEVER, Calibration

__all__ = [
    "FEWEST",
    "NEVER",
    "Answers",
    "CalibrationFit",
    "Targets",
    "fit_calibration",
    "level_accuracy",
    "wilson_interval",
]

#: Fewest answers of which a share is told.
FEWEST: Final = 8

#: Temperatures are sought between these.
_COOLEST: Final = math.exp(-3.0)
_WARMEST: Final = math.exp(3.0)

_GRID: Final = np.round(np.arange(0.2, 1.0, 0.01), 2)

#: Where the not-music output is less than half, a genre is likelier: "not music" is said there only if it must be, to
#: catch what is to be caught.
_USUAL_NOT_MUSIC_AT: Final = 0.5

#: Probabilities beyond are rounding: their log-odds would outweigh everything.
_PROBABILITY_LIMITS: Final = (1e-4, 1 - 1e-4)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the bands promise; shares in 0..1.

    Attributes:
        confident: least share of right answers among those called confident.
        plausible: the same for plausible.
        mixed: least share of answers called a mix whose genre is one of the two named.
        caught: least share of sounds that are not music that are called so.
        refused: largest share of music that is called not music.
    """

    confident: float = 0.9
    plausible: float = 0.6
    mixed: float = 0.7
    caught: float = 0.95
    refused: float = 0.03


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
    """A calibration, and in words which bands the answers could not support."""

    calibration: Calibration
    shortfalls: tuple[str, ...]


def fit_calibration(answers: Answers, *, measured_on: str, targets: Targets | None = None) -> CalibrationFit:
    """Temperature by maximum likelihood (Guo et al., arXiv 1706.04599), then the bands on the scaled probabilities.

    `level_accuracy` is a plain count of the clips.

    Args:
        answers: for clips that the network was not trained on, music and, if there is any, what is not.
        measured_on: what the clips are, in words.
        targets: what the bands promise; the defaults of `Targets` when None.
    """
    targets = targets or Targets()
    is_music = answers.labels >= 0
    labels = answers.labels[is_music]
    temperature = round(_temperature(answers), 4)
    probabilities = answers.genres(temperature)[is_music]
    ranks = (-probabilities).argsort(1, kind="stable")
    best, right = probabilities.max(1), ranks[:, 0] == labels
    sources = np.arange(len(answers.labels)) if answers.sources is None else answers.sources
    weights, modest = _alike(labels), np.ones(len(labels), bool)
    heard = _Heard(best, right, sources[is_music], labels, weights, modest)

    confident_at, confident_note = _band("confident", heard, targets.confident, everywhere=True)
    lower = replace(heard, modest=best < targets.confident).only(best < confident_at)
    plausible_at, plausible_note = _band("plausible", lower, targets.plausible)
    plausible_at = min(confident_at, plausible_at)
    two = replace(
        heard,
        values=np.sort(probabilities, 1)[:, -2:].sum(1),
        right=(ranks[:, :2] == labels[:, None]).any(1),
        modest=best < targets.plausible,
    )
    mixed_at, mixed_note = _band("mixed", two.only(best < plausible_at), targets.mixed)
    not_music_at, not_music_notes = _not_music(answers.not_music(), is_music, targets)
    calibration = Calibration(
        temperature=temperature,
        confident_at=confident_at,
        plausible_at=plausible_at,
        mixed_at=mixed_at,
        not_music_at=not_music_at,
        measured_on=measured_on,
    )
    told = level_accuracy(probabilities, labels, calibration)
    notes = [note for note in (confident_note, plausible_note, mixed_note) if note] + not_music_notes
    if not _COOLEST * 1.01 < temperature < _WARMEST / 1.01:
        notes.append(f"temperature: {temperature} is as far as it is sought; these answers cannot tell how sure to be.")
    return CalibrationFit(replace(calibration, level_accuracy=told), tuple(notes))


def level_accuracy(
    probabilities: NDArray[np.float64], labels: NDArray[np.integer], calibration: Calibration
) -> dict[str, float]:
    """Verdict -> share of right answers, for verdicts given to enough clips. A mix is right about either of its two.

    Args:
        probabilities: (n, n_labels), calibrated.
        labels: (n,) indices of the true ones.
        calibration: the thresholds.
    """
    bands: dict[str, list[bool]] = {}
    for row, label in zip(probabilities, labels, strict=True):
        verdict = verdict_of({str(index): float(value) for index, value in enumerate(row)}, None, calibration)
        named = np.argsort(-row, kind="stable")[: 2 if verdict == "mixed" else 1]
        bands.setdefault(verdict, []).append(label in named)
    return {verdict: round(float(np.mean(hits)), 3) for verdict, hits in bands.items() if len(hits) >= FEWEST}


def wilson_interval(hits: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """Bounds of a share of `hits` out of `n` >= 1 (Wilson 1927); z = 1.96 is 95 %, z = 1 one standard error."""
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _temperature(answers: Answers) -> float:
    """The temperature under which the true labels of the music are likeliest, after the vote."""
    from scipy.optimize import minimize_scalar  # takes a third of a second, which a server need not spend

    clips = np.flatnonzero(answers.labels >= 0)
    labels = answers.labels[clips]
    weights = _alike(labels)

    def loss(log_temperature: float) -> float:
        chosen = answers.genres(math.exp(log_temperature))[clips, labels]
        return float(-np.average(np.log(np.maximum(chosen, 1e-300)), weights=weights))

    bounds = math.log(_COOLEST), math.log(_WARMEST)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def _alike(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights (n,) under which each label that occurs counts the same."""
    return np.asarray(1.0 / np.bincount(labels)[labels])


@dataclass(frozen=True)
class _Heard:
    """What a band is said by, and whether it was right; the recording, its label and what that counts; whether the
    answer claims less than the band above promises: (n,) each."""

    values: NDArray[np.float64]
    right: NDArray[np.bool_]
    sources: NDArray[np.integer]
    labels: NDArray[np.integer]
    weights: NDArray[np.float64]
    modest: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> _Heard:
        """Those of a mask."""
        return _Heard(*(values[chosen] for values in vars(self).values()))

    @property
    def n_sources(self) -> int:
        """How many recordings there are: what the answers prove."""
        return len(np.unique(self.sources))

    @property
    def n_labels(self) -> int:
        """How many labels occur."""
        return len(np.unique(self.labels))

    def claim(self) -> float:
        """The mean of what the band is said by."""
        return float(self.values.mean())

    def surely(self) -> float:
        """The share of right answers, less one standard error for so many recordings."""
        low, _ = wilson_interval(float(self.right.mean()) * self.n_sources, self.n_sources, z=1.0)
        return round(low, 9)  # nine of nine are 90 %, and not a rounding error less, like all shares here

    def alike(self) -> float:
        """The share of right answers when each label counts the same."""
        return round(float(np.average(self.right, weights=self.weights)), 9)


def _band(name: str, heard: _Heard, promise: float, *, everywhere: bool = False) -> tuple[float, str]:
    """The lowest threshold that keeps a promise, and why there is none when there is none.

    Modest answers must keep it by themselves, where there are enough: answers that missed the band above would flatter
    this one.

    Args:
        name: of the band.
        heard: what it is measured on.
        promise: share of right answers.
        everywhere: whether it must be kept by half of the labels or more, and with each counting the same.
    """
    if not len(heard.values):
        return NEVER, ""  # nothing is left to it: every answer is in the band above
    tried: list[_Heard] = []
    fewest_labels = (heard.n_labels + 1) // 2 if everywhere else 1

    def shown(chosen: _Heard) -> float:
        return min(chosen.claim(), chosen.surely(), chosen.alike() if everywhere else 1.0)

    for threshold in _GRID:
        chosen = heard.only(heard.values >= threshold)
        if chosen.n_sources < FEWEST:
            break
        parts = [part for part in (chosen, chosen.only(chosen.modest)) if part.n_sources >= FEWEST]
        worst = min(parts, key=shown)
        if chosen.n_labels >= fewest_labels and shown(worst) >= promise:
            measured_from = math.floor(100 * chosen.values.min()) / 100  # of less sure answers nothing is known
            return min(max(float(threshold), measured_from), float(_GRID[-1])), ""
        tried.append(worst)
    if not tried:
        n_left = heard.n_sources
        reason = f"only {n_left} clips of different recordings are left to measure it on, {FEWEST} are the least"
    else:
        top = max(tried, key=shown)
        missed = {
            "less one standard error that is {}%": top.surely(),
            "their probabilities claim {}%": top.claim(),
            "with each label counting the same it is {}%": top.alike() if everywhere else 1.0,
        }
        but = [words.format(math.floor(100 * share)) for words, share in missed.items() if share < promise]
        if top.n_labels < fewest_labels:
            but.append(f"answers of {fewest_labels} labels or more must be among them, not of {top.n_labels}")
        right = f"at best {top.right.sum()} of {len(top.right)} answers, from {top.n_sources} recordings, are right"
        reason = f"{right}, but {', and '.join(but)}"
    return NEVER, f"{name} is never said: {promise:.0%} right cannot be shown ({reason})."


def _not_music(
    scores: NDArray[np.float64] | None, is_music: NDArray[np.bool_], targets: Targets
) -> tuple[float | None, list[str]]:
    """The threshold of the not-music output: refusing little music comes first, then catching what is none."""
    if scores is None:
        return None, []
    music, others = np.sort(scores[is_music]), np.sort(scores[~is_music])
    # Just above the surest piece of music that must not be refused, and just at the least sure sound to be caught.
    lowest = float(music[len(music) - 1 - int(targets.refused * len(music))]) + 1e-3
    if not len(others):
        threshold = max(lowest, _USUAL_NOT_MUSIC_AT)
    else:
        highest = float(others[int((1 - targets.caught) * len(others))])
        # Anything between keeps both promises: the middle is farthest from breaking either.
        middle = float(expit(logit(np.clip([lowest, highest], *_PROBABILITY_LIMITS)).mean()))
        threshold = max(middle, min(_USUAL_NOT_MUSIC_AT, highest)) if lowest <= highest else lowest
    return threshold, _not_music_notes(threshold, music, others, targets)


def _not_music_notes(
    threshold: float, music: NDArray[np.float64], others: NDArray[np.float64], targets: Targets
) -> list[str]:
    notes = []
    if len(music) * targets.refused < 1:
        notes.append(f"not music: {len(music)} clips of music are too few to show {targets.refused:.0%} refused.")
    if not len(others):
        notes.append("not music: nothing that is no music was measured.")
    elif (caught := float(np.mean(others >= threshold))) < targets.caught:
        notes.append(
            f"not music: {caught:.0%} of {len(others)} sounds are caught, not {targets.caught:.0%}, "
            f"since no more than {targets.refused:.0%} of music may be refused."
        )
    elif len(others) < FEWEST:
        notes.append(f"not music: {len(others)} sounds are too few to show {targets.caught:.0%} caught.")
    return notes
