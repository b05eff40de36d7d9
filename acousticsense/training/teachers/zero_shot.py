"""What the teachers answer without any training of ours: the peers to beat, on the same clips.

Each genre's score is the best of the teacher's own classes that name it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.genres import GENRES
from acousticsense.training.teachers.musicnn import tags
from acousticsense.training.teachers.panel import SCORE_WIDTHS

__all__ = ["mn04_zero_shot", "musicnn_zero_shot", "zero_shot_opinions"]

#: How sharply scores become opinions: chosen on validation music.
_MN04_SHARPNESS: Final = 0.7
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


def mn04_zero_shot(scores: NDArray[np.float32], class_list: Path) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the panel's scores (n, S).

    Args:
        scores: the teachers' logits side by side.
        class_list: AudioSet's `class_labels_indices.csv`.
    """
    with class_list.open(encoding="utf-8", newline="") as file:
        index = {row["display_name"]: int(row["index"]) for row in csv.DictReader(file)}
    logits = scores[:, : SCORE_WIDTHS["mn04"]]
    return np.stack([logits[:, [index[name] for name in _AUDIOSET[genre]]].max(1) for genre in GENRES], 1)


def musicnn_zero_shot(scores: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Genre scores (n, 16) from the panel's scores (n, S); rare tags count for more, by 1 / sqrt(their mean).

    Args:
        scores: the teachers' logits side by side.
        usual: the same for other music (m, S), from which each tag's mean probability is taken.
    """
    names = (*tags("MSD_musicnn"), *tags("MTT_musicnn"))
    first = SCORE_WIDTHS["mn04"]
    probabilities, means = (1 / (1 + np.exp(-values[:, first:])) for values in (scores, usual))
    lifted = probabilities / np.sqrt(means.mean(0))
    answers = np.full((len(scores), len(GENRES)), -1.0, np.float32)
    for genre, wanted in _TAGS.items():
        columns = [column for column, name in enumerate(names) if name in wanted]
        if columns:
            answers[:, GENRES.index(genre)] = lifted[:, columns].max(1)
    answers[:, GENRES.index("Rap")] -= 1e-6  # Hip-Hop and Rap share a tag: a tie goes to Hip-Hop
    return answers


def zero_shot_opinions(
    scores: NDArray[np.float32], usual: NDArray[np.float32], class_list: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What mn04 and musicnn believe, as two tables of genre probabilities (n, 16).

    mn04's logits are taken relative to other music, so that a class it names often (Electronic) needs more.

    Args:
        scores: the teachers' logits side by side, (n, S).
        usual: the same for other music, (m, S).
        class_list: AudioSet's `class_labels_indices.csv`.
    """
    above = mn04_zero_shot(scores, class_list) - mn04_zero_shot(usual, class_list).mean(0)
    from_mn04 = np.exp(_MN04_SHARPNESS * above)
    from_musicnn = np.maximum(musicnn_zero_shot(scores, usual), _LEAST_TAG) ** _MUSICNN_SHARPNESS
    first, second = (table / table.sum(1, keepdims=True) for table in (from_mn04, from_musicnn))
    return first.astype(np.float32), second.astype(np.float32)
