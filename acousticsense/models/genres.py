"""Label sets, in index order, with their Chinese names."""

from __future__ import annotations

from typing import Final

# The order in these two is that of the networks' outputs: nothing may be moved.

_GENRES: Final = {
    "Blues": "蓝调",
    "Classical": "古典",
    "Country": "乡村",
    "Disco": "迪斯科",
    "Electronic": "电子",
    "Folk": "民谣",
    "Hip-Hop": "嘻哈",
    "Jazz": "爵士",
    "Latin": "拉丁",
    "Metal": "金属",
    "Pop": "流行",
    "R&B": "节奏布鲁斯",
    "Rap": "说唱",
    "Reggae": "雷鬼",
    "Rock": "摇滚",
    "World": "世界音乐",
}

_CCMUSIC: Final = {
    "Symphony": "交响乐",
    "Opera": "戏曲",
    "Solo": "独奏",
    "Chamber": "室内乐",
    "Pop_vocal_ballad": "芭乐",
    "Adult_contemporary": "成人时代",
    "Teen_pop": "青少年流行",
    "Contemporary_dance_pop": "当代流行舞曲",
    "Dance_pop": "流行舞曲",
    "Classic_indie_pop": "经典独立流行",
    "Chamber_cabaret_and_art_pop": "室内卡巴莱与艺术流行乐",
    "Soul_or_r_and_b": "灵魂乐或节奏布鲁斯",
    "Adult_alternative_rock": "成人另类摇滚",
    "Uplifting_anthemic_rock": "迷幻民族摇滚",
    "Soft_rock": "慢摇滚",
    "Acoustic_pop": "原声流行",
}

#: The sixteen genres of the default models, in the order of the network's outputs.
GENRES: Final = tuple(_GENRES)

#: The sixteen labels of the hub's ccmusic-database/music_genre, in the order of its checkpoints.
CCMUSIC_LABELS: Final = tuple(_CCMUSIC)

#: Where labelled clips are read: those that are not music. Also the verdict of that name.
NOT_MUSIC: Final = "not_music"

#: Label sets that can be named where labels are asked for (`import-checkpoint --labels`).
LABEL_SETS: Final[dict[str, tuple[str, ...]]] = {"acousticsense": GENRES, "ccmusic": CCMUSIC_LABELS}

_CHINESE: Final = _GENRES | _CCMUSIC


def display_name(label: str, language: str = "en") -> str:
    """The name of a label as a reader of `language` ("en" or "zh") expects it; unknown labels stay as they are."""
    if language == "zh":
        return _CHINESE.get(label, label)
    return label.replace("_", " ")
