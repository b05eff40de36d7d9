"""How right the soft labels are: what they say of clips whose artist taught the probe nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acousticsense.evaluation.markdown import table
from acousticsense.models.genres import GENRES
from acousticsense.training.clips import NOT_MUSIC_INDEX, Clip
from acousticsense.training.recordings import GTZAN
from acousticsense.training.targets import Targets

__all__ = ["labels_table"]

_HIP_HOP, _RAP = GENRES.index("Hip-Hop"), GENRES.index("Rap")


def labels_table(parts: Sequence[tuple[str, Sequence[Clip], Targets]]) -> str:
    """A table in Markdown of several sets of clips, each whole and of GTZAN's songs alone."""
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


def _row(name: str, said: NDArray[np.float32], labels: NDArray[np.int64]) -> list[str]:
    best = said.argmax(1)
    right = best == labels
    as_one = np.where(best == _RAP, _HIP_HOP, best) == np.where(labels == _RAP, _HIP_HOP, labels)
    top3 = (np.argsort(-said, 1)[:, :3] == labels[:, None]).any(1)
    macro = np.mean([right[labels == label].mean() for label in np.unique(labels)])
    return [name, str(len(labels)), *(f"{value:.3f}" for value in (right.mean(), as_one.mean(), top3.mean(), macro))]
