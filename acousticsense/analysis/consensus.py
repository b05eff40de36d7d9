"""What several members say together: their mean, how far they agree, where they split. Numbers in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.analysis.results import Consensus
from acousticsense.inference.confidence import advise, earned, stands_clear, verdict_of
from acousticsense.inference.prediction import Prediction
from acousticsense.models.spec import Calibration

Vector = NDArray[np.float64]

#: Where the members' mean is called not music when nothing was measured for them together.
_MEAN_NOT_MUSIC_AT: Final = 0.5

#: Probabilities below are taken for this one before their logarithm.
_SMALLEST: Final = 1e-12


def largest_group(predictions: Sequence[Prediction | None]) -> tuple[int, ...]:
    """Positions of the answers that share the commonest set of labels; of equally common ones, the first."""
    label_sets = [frozenset(prediction.probabilities) if prediction else None for prediction in predictions]
    counted = Counter(labels for labels in label_sets if labels is not None)
    if not counted:
        return ()
    (commonest, _), *_ = counted.most_common(1)
    return tuple(index for index, labels in enumerate(label_sets) if labels == commonest)


def build_consensus(
    predictions: Sequence[Prediction | None],
    calibration: Calibration | None = None,
    *,
    weights: Sequence[float] = (),
    own: Sequence[Calibration] = (),
    tested: Collection[str] | None = None,
) -> Consensus | None:
    """What the largest group of answers with the same labels says together; None when there is no answer.

    The mean is that of probabilities which each member has calibrated for itself. Where something was measured for
    these very members, the answer is their weighted geometric mean (`log_pool`) instead, at a temperature of its own,
    applied after pooling (Rahaman & Thiery 2021, "Uncertainty quantification and deep ensembles", NeurIPS).

    Args:
        predictions: of all members; None where a member failed.
        calibration: temperature and verdict thresholds that were measured for these very members; None when they
            were not. Without them, each threshold is the highest of the members' own.
        weights: how much each averaged member counts in the geometric mean; none is equally much.
        own: the averaged members' own calibrations; without them, and without `calibration`, no verdict is above
            unsure.
        tested: labels that the shares of `calibration` were measured on; None when that is not known.
    """
    group = largest_group(predictions)
    answers = [prediction for index in group if (prediction := predictions[index]) is not None]
    if not answers:
        return None
    labels = tuple(answers[0].probabilities)
    table = np.array([[answer.probabilities[label] for label in labels] for answer in answers])
    mean = _named(labels, table.mean(axis=0))
    pooled = log_pool(table, np.array(weights or [1.0] * len(table)))
    calibrated = _named(labels, _tempered(pooled, calibration.temperature)) if calibration else None
    scores = [answer.not_music for answer in answers if answer.not_music is not None]
    not_music = float(np.mean(scores)) if scores else None
    shown = calibrated or mean
    clip = answers[0].clip
    verdict = verdict_of(shown, not_music, calibration or _highest_thresholds(own), duration_s=clip.duration_s)
    votes = Counter(labels[index] for index in table.argmax(axis=1))
    return Consensus(
        probabilities=mean,
        calibrated=calibrated,
        not_music=not_music,
        verdict=verdict,
        advice=advise(verdict, shown, answers[0].health, calibration or Calibration(), clip=clip, tested=tested),
        agreement=agreement(votes.values()) if len(answers) > 1 else None,
        votes=dict(sorted(votes.items(), key=lambda vote: (-vote[1], -mean[vote[0]]))),
        border=None if stands_clear(shown, verdict) else _best_two(shown),
        pair=_pair(table, group),
        members=group,
    )


def log_pool(table: Vector, weights: Vector) -> Vector:
    """The weighted geometric mean of opinions, a logarithmic opinion pool (Genest & Zidek 1986, "Combining probability
    distributions", Statistical Science 1): what two members think possible for reasons of their own gains by both.

    Args:
        table: (..., members, labels) probabilities.
        weights: (members,) of which one at least is above 0.

    Returns:
        (..., labels) probabilities that sum to 1.
    """
    logs = weights / weights.sum() @ logarithms(table)
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def logarithms(probabilities: Vector) -> Vector:
    """Natural logarithms; a probability of 0 is taken for a very small one."""
    return np.asarray(np.log(np.maximum(probabilities, _SMALLEST)))


def _highest_thresholds(own: Sequence[Calibration]) -> Calibration:
    """Element-wise maximum of the members' thresholds, for a mean of which nothing was measured.

    A member that was never measured has none below 1 (`earned`), and without members there are none either.
    """
    thresholds = [earned(each) for each in own or [Calibration()]]
    return Calibration(
        confident_at=max(each.confident_at for each in thresholds),
        plausible_at=max(each.plausible_at for each in thresholds),
        mixed_at=max(each.mixed_at for each in thresholds),
        not_music_at=_MEAN_NOT_MUSIC_AT,
        measured_on="each member by itself",
    )


def agreement(votes: Collection[int]) -> float:
    """How often two different members, picked at random, put the same label first: 0 to 1.

    The extent of agreement on one subject of Fleiss 1971, "Measuring nominal scale agreement among many raters",
    Psychological Bulletin 76, without its correction for chance, which needs many subjects.

    Args:
        votes: members for each label; two or more altogether.
    """
    total = sum(votes)
    return sum(count * (count - 1) for count in votes) / (total * (total - 1))


def _divergence(table: Vector) -> float:
    """Generalised Jensen-Shannon divergence of rows, in nats: entropy of the mean less the mean entropy.

    Lin 1991, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37.
    """
    return float(_entropy(table.mean(axis=0)) - np.mean([_entropy(row) for row in table]))


def _entropy(row: Vector) -> float:
    positive = row[row > 0]
    return float(-(positive * np.log(positive)).sum())


def _tempered(mean: Vector, temperature: float) -> Vector:
    """softmax(log(mean) / temperature)."""
    powered = (mean / mean.max()) ** (1 / temperature)
    return np.asarray(powered / powered.sum())


def _named(labels: Sequence[str], values: Vector) -> dict[str, float]:
    return dict(zip(labels, (values / values.sum()).tolist(), strict=True))


def _best_two(probabilities: Mapping[str, float]) -> tuple[str, str] | None:
    best = sorted(probabilities, key=lambda label: -probabilities[label])[:2]
    return (best[0], best[1]) if len(best) == 2 else None


def _pair(table: Vector, group: Sequence[int]) -> tuple[int, int] | None:
    """The two members that differ most, before all among those that name different labels."""
    if len(group) < 2:
        return None
    best = table.argmax(axis=1)
    one, other = max(
        combinations(range(len(group)), 2),
        key=lambda pair: (best[pair[0]] != best[pair[1]], _divergence(table[[*pair]])),
    )
    return group[one], group[other]
