"""What the teachers answer without any training of ours: the peers to beat, on the same clips.

Each genre's score is the best of the teacher's own classes that name it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.models.genres import GENRES
from acousticsense.training.teachers.teachers import SCORE_WIDTHS, columns

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


#: The public lists of what a teacher's outputs are called, AudioSet's and YAMNet's, in the folder of their weights.
_CLASSES: Final = {"mn04": "class_labels_indices.csv", "yamnet": "yamnet_class_map.csv"}


def zero_shot_posterior(
    scores: NDArray[np.float32], background: NDArray[np.float32], teachers: Path
) -> NDArray[np.float32]:
    """What mn04 and YAMNet say: genre probabilities (n, 16), the geometric mean of both.

    Logits over AudioSet are taken relative to other music, so that a class named often (Electronic) needs more.

    Args:
        scores: the teachers' logits side by side, (n, S).
        background: the same for other music, (m, S).
        teachers: the folder of their weights and lists of classes.

    Raises:
        FileNotFoundError: a list is not there.
    """
    shares = []
    for teacher, file in _CLASSES.items():
        outputs = columns(SCORE_WIDTHS, teacher)
        index = _index_of_classes(teachers / file)
        usual = _named(background[:, outputs], index).mean(0)
        shares.append(np.exp(_SHARPNESS * (_named(scores[:, outputs], index) - usual)))
    posteriors = np.stack(shares)
    posteriors /= posteriors.sum(2, keepdims=True)
    mean = np.exp(np.log(posteriors + _SMOOTHING).mean(0))
    return np.asarray(mean / mean.sum(1, keepdims=True), np.float32)


def _index_of_classes(file: Path) -> dict[str, int]:
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["display_name"]: int(row["index"]) for row in csv.DictReader(rows)}


def _named(logits: NDArray[np.float32], index: Mapping[str, int]) -> NDArray[np.float32]:
    """The best logit among the classes that name each genre: (n, 16)."""
    return np.stack([logits[:, [index[name] for name in _AUDIOSET[genre]]].max(1) for genre in GENRES], 1)
