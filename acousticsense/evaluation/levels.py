"""From which probability on a confidence level may be said: the lowest threshold whose criteria are all met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from acousticsense.evaluation.statistics import wilson_interval
from acousticsense.models.spec import NEVER

#: Fewest answers of which a share is told.
FEWEST: Final = 8

_GRID: Final = np.round(np.arange(0.2, 1.0, 0.01), 2)

#: Where the not-music output is less than half, a genre is likelier: "not music" is said there only if it must be, to
#: catch what is to be caught.
_DEFAULT_NOT_MUSIC_AT: Final = 0.5

#: Probabilities beyond are rounding: their log-odds would outweigh everything.
_PROBABILITY_LIMITS: Final = (1e-4, 1 - 1e-4)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the levels promise; shares in 0..1.

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


@dataclass(frozen=True)
class Outcomes:
    """Answers to clips of music whose label is known; all arrays are (n,).

    Attributes:
        scores: what is compared with the threshold, in 0..1.
        right: whether the answer was right.
        sources: the recording that each clip was cut from; clips of one recording count as one piece of evidence.
        labels: the true label.
        weights: what each counts in the class-balanced share.
        below_previous: whether the answer has less probability than the next higher level promises.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    sources: NDArray[np.integer]
    labels: NDArray[np.integer]
    weights: NDArray[np.float64]
    below_previous: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> Outcomes:
        """Those of a mask."""
        return Outcomes(*(values[chosen] for values in vars(self).values()))

    @property
    def n_sources(self) -> int:
        """How many recordings there are."""
        return len(np.unique(self.sources))

    @property
    def n_labels(self) -> int:
        """How many labels occur."""
        return len(np.unique(self.labels))

    def mean_confidence(self) -> float:
        """The mean of the scores."""
        return float(self.scores.mean())

    def lower_bound(self) -> float:
        """The share of right answers, less one standard error for so many recordings."""
        low, _ = wilson_interval(float(self.right.mean()) * self.n_sources, self.n_sources, z=1.0)
        return round(low, 9)  # nine of nine are 90 %, and not a rounding error less, like all shares here

    def class_balanced(self) -> float:
        """The share of right answers when each label counts the same."""
        return round(float(np.average(self.right, weights=self.weights)), 9)


def level_threshold(name: str, outcomes: Outcomes, target: float, *, balanced: bool = False) -> tuple[float, str]:
    """The lowest threshold whose answers meet the target, or `NEVER` with the criteria that are not met.

    The target must be met by the lower bound of the share of right answers and by the mean confidence. Where there are
    enough answers below the previous level, it must be met by these alone, too: those that only just missed the level
    above would raise the share of this one.

    Args:
        name: of the level, for the words.
        outcomes: answers that no higher level takes.
        target: least share of right answers.
        balanced: whether the class-balanced share must meet the target as well, with half of the labels or more.

    Returns:
        The threshold, and why there is none ("" when there is one, or when no answer is left).
    """
    if not len(outcomes.scores):
        return NEVER, ""
    fewest_labels = (outcomes.n_labels + 1) // 2 if balanced else 1
    tried: list[Outcomes] = []
    for threshold in _GRID:
        chosen = outcomes.only(outcomes.scores >= threshold)
        if chosen.n_sources < FEWEST:
            break
        parts = [part for part in (chosen, chosen.only(chosen.below_previous)) if part.n_sources >= FEWEST]
        weakest = min(parts, key=lambda part: _shown(part, balanced=balanced))
        if chosen.n_labels >= fewest_labels and _shown(weakest, balanced=balanced) >= target:
            measured_from = math.floor(100 * chosen.scores.min()) / 100  # of lower scores nothing is known
            return min(max(float(threshold), measured_from), float(_GRID[-1])), ""
        tried.append(weakest)
    reason = _unmet(tried, outcomes.n_sources, target, fewest_labels, balanced=balanced)
    return NEVER, f"{name} is never said: {target:.0%} right cannot be shown ({reason})."


def _shown(part: Outcomes, *, balanced: bool) -> float:
    """The share of right answers that a part can be said to have: the least of all that is measured of it."""
    return min(part.mean_confidence(), part.lower_bound(), part.class_balanced() if balanced else 1.0)


def _unmet(tried: list[Outcomes], n_sources: int, target: float, fewest_labels: int, *, balanced: bool) -> str:
    """Which criteria the best of what was tried does not meet, in words."""
    if not tried:
        return f"only {n_sources} clips of different recordings are left to measure it on, {FEWEST} are the least"
    best = max(tried, key=lambda part: _shown(part, balanced=balanced))
    shares = {
        "less one standard error that is {}%": best.lower_bound(),
        "their mean confidence is {}%": best.mean_confidence(),
        "with each label counting the same it is {}%": best.class_balanced() if balanced else 1.0,
    }
    unmet = [words.format(math.floor(100 * share)) for words, share in shares.items() if share < target]
    if best.n_labels < fewest_labels:
        unmet.append(f"answers of {fewest_labels} labels or more must be among them, not of {best.n_labels}")
    right = f"at best {best.right.sum()} of {len(best.right)} answers, from {best.n_sources} recordings, are right"
    return f"{right}, but {', and '.join(unmet)}"


def not_music_threshold(
    scores: NDArray[np.float64], is_music: NDArray[np.bool_], targets: Targets
) -> tuple[float, list[str]]:
    """From which probability on "not music" is said. Refusing little music comes first, then catching what is none.

    Args:
        scores: (n_clips,) probability of not being music.
        is_music: (n_clips,) the truth.
        targets: `refused` and `caught`.

    Returns:
        The threshold, and the criteria that are not met, in words.
    """
    music, others = np.sort(scores[is_music]), np.sort(scores[~is_music])
    # Just above the surest piece of music that must not be refused, and just at the least sure sound to be caught.
    lowest = float(music[len(music) - 1 - int(targets.refused * len(music))]) + 1e-3
    if not len(others):
        threshold = max(lowest, _DEFAULT_NOT_MUSIC_AT)
    else:
        highest = float(others[int((1 - targets.caught) * len(others))])
        # Anything between meets both targets: the middle is farthest from missing either.
        middle = float(expit(logit(np.clip([lowest, highest], *_PROBABILITY_LIMITS)).mean()))
        threshold = max(middle, min(_DEFAULT_NOT_MUSIC_AT, highest)) if lowest <= highest else lowest
    return threshold, _unmet_not_music(threshold, music, others, targets)


def _unmet_not_music(
    threshold: float, music: NDArray[np.float64], others: NDArray[np.float64], targets: Targets
) -> list[str]:
    unmet = []
    if len(music) * targets.refused < 1:
        unmet.append(f"not music: {len(music)} clips of music are too few to show {targets.refused:.0%} refused.")
    if not len(others):
        unmet.append("not music: nothing that is no music was measured.")
    elif (caught := float(np.mean(others >= threshold))) < targets.caught:
        unmet.append(
            f"not music: {caught:.0%} of {len(others)} sounds are caught, not {targets.caught:.0%}, "
            f"since no more than {targets.refused:.0%} of music may be refused."
        )
    elif len(others) < FEWEST:
        unmet.append(f"not music: {len(others)} sounds are too few to show {targets.caught:.0%} caught.")
    return unmet
