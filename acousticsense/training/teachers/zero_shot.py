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
from acousticsense.training.teachers.musicnn import tags
from acousticsense.training.teachers.panel import SCORE_WIDTHS, columns

__all__ = ["ClassLists", "mn04_zero_shot", "musicnn_zero_shot", "yamnet_zero_shot", "zero_shot_opinions"]

#: How sharply scores become opinions: chosen on validation music.
_AUDIOSET_SHARPNESS: Final = 0.7
_MUSICNN_SHARPNESS: Final = 1.5
_LEAST_TAG: Final = 1e-3

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

#: musicnn tags that name each genre, of both networks; none does for Latin and Reggae.
_TAGS: Final = {
    "Blues": ("blues",),
    "Classical": ("classical", "classic", "opera", "violin", "cello", "harpsichord", "strings", "choral"),
    "Country": ("country",),
    "Disco": ("dance", "70s", "funk", "party"),
    "Electronic": ("electronic", "electronica", "electro", "House", "techno", "synth"),
    "Folk": ("folk", "acoustic"),
    "Hip-Hop": ("Hip-Hop",),
    "Jazz": ("jazz",),
    "Latin": (),
    "Metal": ("metal", "heavy metal"),
    "Pop": ("pop", "indie pop", "catchy"),
    "R&B": ("rnb", "soul"),
    "Rap": ("Hip-Hop",),
    "Reggae": (),
    "Rock": ("rock", "alternative rock", "indie rock", "classic rock", "hard rock", "punk", "Progressive rock"),
    "World": ("indian", "sitar"),
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
    """Genre scores (n, 16) from the panel's scores (n, S)."""
    return _named(scores[:, columns(SCORE_WIDTHS, "mn04")], lists.mn04)


def yamnet_zero_shot(scores: NDArray[np.float32], lists: ClassLists) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the panel's scores (n, S)."""
    return _named(scores[:, columns(SCORE_WIDTHS, "yamnet")], lists.yamnet)


def _named(logits: NDArray[np.float32], class_list: Path) -> NDArray[np.float32]:
    """The best logit among the classes that name each genre: (n, 16)."""
    with class_list.open(encoding="utf-8", newline="") as file:
        index = {row["display_name"]: int(row["index"]) for row in csv.DictReader(file)}
    return np.stack([logits[:, [index[name] for name in _AUDIOSET[genre]]].max(1) for genre in GENRES], 1)


def musicnn_zero_shot(scores: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the panel's scores (n, S); rare tags count for more, by 1 / sqrt(their mean).

    Args:
        scores: the teachers' logits side by side.
        usual: the same for other music (m, S), from which each tag's mean probability is taken.
    """
    names = (*tags("MSD_musicnn"), *tags("MTT_musicnn"))
    first, last = columns(SCORE_WIDTHS, "MSD_musicnn").start, columns(SCORE_WIDTHS, "MTT_musicnn").stop
    probabilities, means = (1 / (1 + np.exp(-values[:, first:last])) for values in (scores, usual))
    lifted = probabilities / np.sqrt(means.mean(0))
    answers = np.full((len(scores), len(GENRES)), -1.0, np.float32)
    for genre, wanted in _TAGS.items():
        named = [column for column, name in enumerate(names) if name in wanted]
        if named:
            answers[:, GENRES.index(genre)] = lifted[:, named].max(1)
    answers[:, GENRES.index("Rap")] -= 1e-6  # Hip-Hop and Rap share a tag: a tie goes to Hip-Hop
    return answers


def zero_shot_opinions(
    scores: NDArray[np.float32], usual: NDArray[np.float32], lists: ClassLists
) -> dict[str, NDArray[np.float32]]:
    """What "mn04", "YAMNet" and "musicnn" believe, as tables of genre probabilities (n, 16).

    Logits over AudioSet are taken relative to other music, so that a class named often (Electronic) needs more.

    Args:
        scores: the teachers' logits side by side, (n, S).
        usual: the same for other music, (m, S).
        lists: what the outputs are called.
    """
    relative = (answer(scores, lists) - answer(usual, lists).mean(0) for answer in (mn04_zero_shot, yamnet_zero_shot))
    from_musicnn = np.maximum(musicnn_zero_shot(scores, usual), _LEAST_TAG) ** _MUSICNN_SHARPNESS
    tables = (*(np.exp(_AUDIOSET_SHARPNESS * logits) for logits in relative), from_musicnn)
    shares = ((table / table.sum(1, keepdims=True)).astype(np.float32) for table in tables)
    return dict(zip(("mn04", "YAMNet", "musicnn"), shares, strict=True))
