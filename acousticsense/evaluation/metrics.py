"""Figures of a model on labelled audio: accuracy, calibration, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from acousticsense.errors import SettingsError
from acousticsense.evaluation.results import Bin, ClipResult, Evaluation, NotMusic
from acousticsense.evaluation.statistics import wilson_interval
from acousticsense.models.genres import NOT_MUSIC

#: Equal-width confidence bins of the reliability table and the calibration error.
_BINS: Final = 10

#: Draws of right and wrong answers from which the expected calibration error is averaged, and their seed.
_DRAWS: Final = 2000
_DRAWS_SEED: Final = 1


def measure(answers: Sequence[ClipResult], *, unreadable: Mapping[str, str] | None = None) -> Evaluation:
    """All figures from answers that were already given.

    Raises:
        SettingsError: there is no clip of music among them.
    """
    clips = [clip for clip in answers if clip.genre in clip.probabilities]
    if not clips:
        raise SettingsError("No clip of music could be analysed, so there is nothing to measure.")
    labels = tuple(clips[0].probabilities)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    for clip in clips:
        confusion[labels.index(clip.genre), labels.index(clip.ranking[0])] += 1
    support, found = confusion.sum(1), confusion.diagonal()
    present = np.flatnonzero(support)
    recall = found[present] / support[present]
    f1 = 2 * found[present] / (support[present] + confusion.sum(0)[present])
    reliability = _bins(clips)
    return Evaluation(
        labels=labels,
        n=len(clips),
        accuracy=float(found.sum() / len(clips)),
        accuracy_interval=wilson_interval(int(found.sum()), len(clips)),
        top3=float(np.mean([clip.genre in clip.ranking[:3] for clip in clips])),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        unmeasured=tuple(label for label, count in zip(labels, support, strict=True) if not count),
        recall={labels[index]: float(value) for index, value in zip(present, recall, strict=True)},
        recall_interval={labels[index]: wilson_interval(int(found[index]), int(support[index])) for index in present},
        support={labels[index]: int(support[index]) for index in present},
        ece=sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in reliability) / len(clips),
        expected_ece=_expected_ece(clips),
        reliability=reliability,
        verdicts=_verdicts(clips),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        not_music=_not_music(clips, [answer for answer in answers if answer.genre not in answer.probabilities]),
        clips=tuple(clips),
        unreadable=dict(unreadable or {}),
    )


def _not_music(music: Sequence[ClipResult], others: Sequence[ClipResult]) -> NotMusic | None:
    """How often "not music" was said of what is none, and of what is."""
    caught, refused = ([clip.verdict == NOT_MUSIC for clip in clips] for clips in (others, music))
    return NotMusic(n=len(others), caught=float(np.mean(caught)), refused=float(np.mean(refused))) if others else None


def _bin(confidence: float) -> int:
    return min(_BINS - 1, int(confidence * _BINS))


def _expected_ece(clips: Sequence[ClipResult]) -> float:
    """As consistency resampling (Broecker and Smith, Weather and Forecasting 22, 2007) draws answers that are right as
    often as their confidence says, the confidences being kept."""
    confidence = np.array([clip.confidence for clip in clips])
    bins = [_bin(value) for value in confidence]
    random = np.random.default_rng(_DRAWS_SEED)
    draws = ((random.random(len(clips)) < confidence) - confidence for _ in range(_DRAWS))
    return float(np.mean([np.abs(np.bincount(bins, weights=draw)).sum() for draw in draws]) / len(clips))


def _bins(clips: Sequence[ClipResult]) -> tuple[Bin, ...]:
    grouped: dict[int, list[ClipResult]] = {}
    for clip in clips:
        grouped.setdefault(_bin(clip.confidence), []).append(clip)
    return tuple(
        Bin(
            low=index / _BINS,
            high=(index + 1) / _BINS,
            count=len(group),
            confidence=float(np.mean([clip.confidence for clip in group])),
            accuracy=_share_right(group),
        )
        for index, group in sorted(grouped.items())
    )


def _verdicts(clips: Sequence[ClipResult]) -> dict[str, tuple[int, float]]:
    grouped: dict[str, list[ClipResult]] = {}
    for clip in clips:
        grouped.setdefault(clip.verdict, []).append(clip)
    return {
        verdict: (len(group), float(np.mean([clip.is_correct for clip in group]))) for verdict, group in grouped.items()
    }


def _share_right(clips: Sequence[ClipResult]) -> float:
    return float(np.mean([clip.is_right for clip in clips]))
