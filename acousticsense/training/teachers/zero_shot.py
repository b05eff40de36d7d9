"""What the teachers answer without any training of ours: the peers to beat, on the same clips.

Each genre's score is the best of the teacher's own classes that name it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.models.genres import GENRES
from acousticsense.training.teachers.teachers import SCORE_WIDTHS, columns

__all__ = ["ClassLists", "mn04_zero_shot", "yamnet_zero_shot", "zero_shot_posterior"]

#: Inverse temperature of the scores, and what is added to each probability so that none is 0.
_SHARPNESS: Final = 0.7
_SMOOTHING: Final = 1e-3

#: AudioSet display names that name each genre.
_AUDIOSET: Final = {
    "Blues": ("Blues",),
    "Classical": ("Classical music", "Opera", "Orchestra", "String section"),
    "Country": ("Country", "Bluegrass"),
    "Disco": ("Disco", "Funk"),
    "Electronic": (
        *("Electronic music", "House music", "Techno", "Dubstep", "Drum and bass", "Electronica"),
        *("Electronic dance music", "Ambient music", "Trance music"),
    ),
    "Folk": ("Folk music", "Traditional music"),
    "Hip-Hop": ("Hip hop music", "Beatboxing"),
    "Jazz": ("Jazz", "Swing music"),
    "Latin": ("Music of Latin America", "Salsa music", "Flamenco"),
    "Metal": ("Heavy metal",),
    "Pop": ("Pop music",),
    "R&B": ("Rhythm and blues", "Soul music"),
    "Rap": ("Rapping",),
    "Reggae": ("Reggae", "Ska"),
    "Rock": ("Rock music", "Punk rock", "Grunge", "Progressive rock", "Rock and roll", "Psychedelic rock"),
    "World": (
        *("Middle Eastern music", "Music of Africa", "Afrobeat", "Music of Asia", "Carnatic music"),
        "Music of Bollywood",
    ),
}


@dataclass(frozen=True)
class ClassLists:
    """The public lists of what the outputs of mn04 and YAMNet are called.

    Attributes:
        mn04: AudioSet's `class_labels_indices.csv`.
        yamnet: YAMNet's `yamnet_class_map.csv`.
    """

    mn04: Path
    yamnet: Path

    @classmethod
    def beside(cls, folder: Path) -> ClassLists:
        """Both lists in the folder of the teachers' weights."""
        return cls(folder / "class_labels_indices.csv", folder / "yamnet_class_map.csv")


def mn04_zero_shot(scores: NDArray[np.float32], lists: ClassLists) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the teachers's scores (n, S)."""
    return _named(scores[:, columns(SCORE_WIDTHS, "mn04")], lists.mn04)


def yamnet_zero_shot(scores: NDArray[np.float32], lists: ClassLists) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the teachers's scores (n, S)."""
    return _named(scores[:, columns(SCORE_WIDTHS, "yamnet")], lists.yamnet)


def _named(logits: NDArray[np.float32], class_list: Path) -> NDArray[np.float32]:
    """The best logit among the classes that name each genre: (n, 16)."""
    with class_list.open(encoding="utf-8", newline="") as file:
        index = {row["display_name"]: int(row["index"]) for row in csv.DictReader(file)}
    return np.stack([logits[:, [index[name] for name in _AUDIOSET[genre]]].max(1) for genre in GENRES], 1)


def zero_shot_posterior(
    scores: NDArray[np.float32], background: NDArray[np.float32], lists: ClassLists
) -> NDArray[np.float32]:
    """What mn04 and YAMNet say: genre probabilities (n, 16), the geometric mean of both.

    Logits over AudioSet are taken relative to other music, so that a class named often (Electronic) needs more.

    Args:
        scores: the teachers' logits side by side, (n, S).
        background: the same for other music, (m, S).
        lists: what the outputs are called.
    """
    relative = [
        answer(scores, lists) - answer(background, lists).mean(0) for answer in (mn04_zero_shot, yamnet_zero_shot)
    ]
    shares = np.stack([np.exp(_SHARPNESS * logits) for logits in relative])
    shares /= shares.sum(2, keepdims=True)
    mean = np.exp(np.log(shares + _SMOOTHING).mean(0))
    return np.asarray(mean / mean.sum(1, keepdims=True), np.float32)
