"""Label sets, in index order, with their Chinese names."""

from __future__ import annotations

from typing import Final

__all__ = ["CCMUSIC_LABELS", "GENRES", "LABEL_SETS", "display_name"]

#: The sixteen genres of the default models, in the order of the network's outputs.
GENRES: Final[tuple[str, ...]] = (
    "Blues",
    "Classical",
    "Country",
    "Disco",
    "Electronic",
    "Folk",
    "Hip-Hop",
    "Jazz",
    "Latin",
    "Metal",
    "Pop",
    "R&B",
    "Rap",
    "Reggae",
    "Rock",
    "World",
)

#: The sixteen labels of the hub's ccmusic-database/music_genre, in the order of its checkpoints.
CCMUSIC_LABELS: Final[tuple[str, ...]] = (
    "Symphony",
    "Opera",
    "Solo",
    "Chamber",
    "Pop_vocal_ballad",
    "Adult_contemporary",
    "Teen_pop",
    "Contemporary_dance_pop",
    "Dance_pop",
    "Classic_indie_pop",
    "Chamber_cabaret_and_art_pop",
    "Soul_or_r_and_b",
    "Adult_alternative_rock",
    "Uplifting_anthemic_rock",
    "Soft_rock",
    "Acoustic_pop",
)

#: Label sets that can be named where labels are asked for (`import-checkpoint --labels`).
LABEL_SETS: Final[dict[str, tuple[str, ...]]] = {"acousticsense": GENRES, "ccmusic": CCMUSIC_LABELS}

_CHINESE: Final[dict[str, str]] = dict(
    zip(
        GENRES + CCMUSIC_LABELS,
        (
            *"蓝调 古典 乡村 迪斯科 电子 民谣 嘻哈 爵士 拉丁 金属 流行 节奏布鲁斯 说唱 雷鬼 摇滚 世界音乐".split(),
            *"交响乐 戏曲 独奏 室内乐 芭乐 成人时代 青少年流行 当代流行舞曲 流行舞曲 经典独立流行".split(),
            *"室内卡巴莱与艺术流行乐 灵魂乐或节奏布鲁斯 成人另类摇滚 迷幻民族摇滚 慢摇滚 原声流行".split(),
        ),
        strict=True,
    )
)


def display_name(label: str, language: str = "en") -> str:
    """The name of a label as a reader of `language` ("en" or "zh") expects it; unknown labels stay as they are."""
    if language == "zh":
        return _CHINESE.get(label, label)
    return label.replace("_", " ")
