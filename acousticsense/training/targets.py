"""What a network should answer for each window: known labels, a probe on the teachers' features, their own scores.

The probe is a logistic regression on the features of networks that learned from much music, fitted on people's labels.
Its posterior times the teachers' zero-shot posterior (to a power), half of it replaced by the label where people know
it, is the soft label. Clips that have a label are never labelled by a probe that learned from their artist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from acousticsense.evaluation.markdown import table
from acousticsense.models.genres import GENRES
from acousticsense.training.clips import N_OUTPUTS, NOT_MUSIC_INDEX, Clip
from acousticsense.training.recordings import GTZAN, SOUNDS, Recording
from acousticsense.training.score import figures
from acousticsense.training.teachers.zero_shot import zero_shot_posterior

Floats = NDArray[np.float32]

#: Inverse strength of the probe's L2 penalty.
_PENALTY: Final = 0.003

#: Folds of artists, of which each is labelled by what the others taught.
_FOLDS: Final = 5

#: The power of the zero-shot posterior in the product.
_ZERO_SHOT_POWER: Final = 0.5

#: The share of a known label in a target, by how sure the label is.
_LABEL_WEIGHT: Final = {"high": 0.6, "medium": 0.5, "low": 0.3}

#: People file music with rapping voices under either name; as the data sets' own labels say Hip-Hop, that comes first.
_RAPPED: Final = {"Hip-Hop": 0.65, "Rap": 0.35}

#: Sources of Hip-Hop labels whose music is rapped, rather than beats alone.
_RAPPED_SOURCES: Final = (GTZAN, "Hip-Hop", "track level")


@dataclass(frozen=True)
class Targets:
    """What to answer for the windows of some clips.

    Attributes:
        soft: one (W, 17) per clip, rows summing to 1.
        unlabelled: the same before known labels were mixed in, by a probe that did not learn from the clip's artist.
    """

    soft: list[Floats]
    unlabelled: list[Floats]


def known_label(recording: Recording) -> Floats:
    """What people's label says (17,); zeros when there is none."""
    known = np.zeros(N_OUTPUTS, np.float32)
    if recording.package == SOUNDS:
        known[NOT_MUSIC_INDEX] = 1
    elif recording.is_labelled and recording.genre:
        is_rapped = recording.genre == "Hip-Hop" and recording.known_by in _RAPPED_SOURCES
        for genre, share in (_RAPPED if is_rapped else {recording.genre: 1.0}).items():
            known[GENRES.index(genre)] = share
    return known


def make_targets(train: Sequence[Clip], others: Sequence[Clip], teachers: Path) -> tuple[Targets, Targets]:
    """Targets of the training clips, and of other clips.

    Args:
        train: clips of the training split.
        others: clips that nothing is learned from; their labels are not used.
        teachers: the folder of their weights, with the lists of what their outputs are called.
    """
    scores = np.concatenate([clip.scores for clip in (*train, *others)])
    ends = np.cumsum([len(clip.scores) for clip in (*train, *others)])
    own = np.split(zero_shot_posterior(scores, scores[: ends[len(train) - 1]], teachers), ends[:-1])
    folds = _folds(train)
    posteriors: list[Floats] = [np.empty(0, np.float32)] * len(train)
    for fold in range(_FOLDS):
        probe = _Probe([clip for clip, of in zip(train, folds, strict=True) if of != fold])
        for index in np.flatnonzero(folds == fold).tolist():
            posteriors[index] = probe(train[index])
    whole = _Probe(list(train))
    for index, clip in enumerate(train):
        if clip.label is None:
            posteriors[index] = whole(clip)
    posteriors += [whole(clip) for clip in others]
    products = [_product(posterior, zero_shot) for posterior, zero_shot in zip(posteriors, own, strict=True)]
    mine, rest = products[: len(train)], products[len(train) :]
    soft = [_with_known_label(product, clip) for product, clip in zip(mine, train, strict=True)]
    return Targets(soft, mine), Targets(rest, rest)


def in_folds(train: Sequence[Clip], teachers: Path) -> Iterator[tuple[list[Clip], Targets, list[Clip]]]:
    """For each fold of artists the clips of all others, targets that know nothing of the fold, and the fold's clips."""
    folds = _folds(train)
    for fold in range(_FOLDS):
        rest = [clip for clip, of in zip(train, folds, strict=True) if of != fold]
        held_out = [clip for clip, of in zip(train, folds, strict=True) if of == fold]
        yield rest, make_targets(rest, [], teachers)[0], held_out


def _folds(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """The fold of each clip: artists stay together, classes are spread."""
    names = [clip.recording.artist or clip.recording.key for clip in clips]
    order = sorted(set(names), key=lambda name: (names.count(name), name))
    fold_of = {name: index % _FOLDS for index, name in enumerate(order)}
    return np.array([fold_of[name] for name in names])


class _Probe:
    """Class-balanced logistic regression on standardised features; a clip counts once, however many its windows."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        labelled = [clip for clip in clips if clip.label is not None]
        features = np.concatenate([clip.features for clip in labelled])
        labels = np.concatenate([np.full(len(clip.features), clip.label) for clip in labelled])
        weights = np.concatenate([np.full(len(clip.features), _weight(clip) / len(clip.features)) for clip in labelled])
        totals = np.bincount(labels, weights, N_OUTPUTS)
        weights *= (totals.sum() / np.maximum(totals, 1e-9) ** 0.75)[labels]
        self._scaler = StandardScaler().fit(np.concatenate([clip.features for clip in clips]))
        self._regression = LogisticRegression(C=_PENALTY, max_iter=300)
        self._regression.fit(self._scaled(features), labels, sample_weight=weights / weights.mean())

    def __call__(self, clip: Clip) -> Floats:
        """Posterior (W, 17): of each window, averaged with that of its whole clip."""
        answers = np.zeros((len(clip.features), N_OUTPUTS), np.float32)
        answers[:, self._regression.classes_] = self._regression.predict_proba(self._scaled(clip.features))
        return np.asarray((answers + answers.mean(0)) / 2, np.float32)

    def _scaled(self, features: Floats) -> Floats:
        return np.asarray(np.clip(self._scaler.transform(features), -4, 4), np.float32)


def _weight(clip: Clip) -> float:
    return _LABEL_WEIGHT.get(clip.recording.confidence, 0.5)


def _product(posterior: Floats, own: Floats) -> Floats:
    """The posterior's genres times the teachers' zero-shot posterior to a power; not music is the probe's alone."""
    genres = (posterior[:, :NOT_MUSIC_INDEX] + 1e-3) * own**_ZERO_SHOT_POWER
    not_music = posterior[:, NOT_MUSIC_INDEX:]
    return np.concatenate([(1 - not_music) * genres / genres.sum(1, keepdims=True), not_music], 1).astype(np.float32)


def _with_known_label(product: Floats, clip: Clip) -> Floats:
    """The product, of which a part is replaced by what people know."""
    known = known_label(clip.recording)
    if not known.any():
        return product
    label_weight = 1.0 if clip.recording.package == SOUNDS else _LABEL_WEIGHT.get(clip.recording.confidence, 0.3)
    return np.asarray((1 - label_weight) * product + label_weight * known, np.float32)


def labels_table(parts: Sequence[tuple[str, Sequence[Clip], Targets]]) -> str:
    """How right soft labels of artists that taught the probe nothing are: a table in Markdown.

    Args:
        parts: names and sets of clips; of each there is a row, and one of GTZAN's songs alone.
    """
    rows = []
    for name, clips, targets in parts:
        said = np.array([posterior.mean(0)[:NOT_MUSIC_INDEX] for posterior in targets.unlabelled])
        measured = np.array([clip.recording.is_measurable for clip in clips])
        songs = measured & np.array([clip.recording.known_by == GTZAN for clip in clips])
        labels = np.array([-1 if clip.label is None else clip.label for clip in clips])
        rows.append(_row(name, said[measured], labels[measured]))
        if songs.any():
            rows.append(_row(f"{name}, songs", said[songs], labels[songs]))
    return table(("clips", "number", "Top-1", "Rap as Hip-Hop", "Top-3", "macro recall"), rows)


def _row(name: str, said: Floats, labels: NDArray[np.int64]) -> list[str]:
    right = figures(said, labels)
    rap, hip_hop = GENRES.index("Rap"), GENRES.index("Hip-Hop")
    best, known = (np.where(classes == rap, hip_hop, classes) for classes in (said.argmax(1), labels))
    shares = (right["top1"], (best == known).mean(), right["top3"], right["macro_recall"])
    return [name, str(len(labels)), *(f"{share:.3f}" for share in shares)]
