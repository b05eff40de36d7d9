"""The sixteen genres in a sentence each, with what they look like on a spectrogram, in English and Chinese."""

from __future__ import annotations

from typing import Final

__all__ = ["GLOSSARY"]

#: Label -> the sentence in English and in Chinese. It tells what is typical: no song has to look like that.
GLOSSARY: Final[dict[str, tuple[str, str]]] = {
    "Blues": (
        "Bent notes of guitar and singer over twelve bars; on the image, wavy lines above a slow, steady bass.",
        "十二小节上的吉他与人声，音高常滑动；图上可见弯曲的线条，下方是缓慢平稳的低音。",
    ),
    "Classical": (
        "Orchestra, piano or choir without a drum kit; on the image, thin level lines, few upright strokes, and large "
        "changes of brightness.",
        "管弦乐、钢琴或合唱，没有架子鼓；图上多为细长的横线，竖线少，明暗变化大。",
    ),
    "Country": (
        "Singing, steel guitar and strummed strings; on the image, clear sung lines over light, even strokes.",
        "人声配钢棒吉他和扫弦；图上人声线条清晰，下有轻而均匀的竖纹。",
    ),
    "Disco": (
        "A bass drum on every beat with strings and hi-hats; on the image, evenly spaced strokes at the bottom and "
        "others between them at the top.",
        "每拍都有底鼓，配弦乐和踩镲；图上底部竖纹间隔均匀，顶部的竖纹落在它们之间。",
    ),
    "Electronic": (
        "Synthesizers and drum machines; on the image, patterns that repeat exactly, and often a strong bass band.",
        "合成器与鼓机；图上的图案精确重复，底部常有很强的低频带。",
    ),
    "Folk": (
        "Singing with acoustic guitar, fiddle or flute; on the image, fine sung lines, soft plucks, and little at the "
        "bottom and the top.",
        "人声配木吉他、提琴或笛子；图上线条细，拨弦柔和，底部和顶部都较暗。",
    ),
    "Hip-Hop": (
        "A loop of heavy drums and bass, often with speech in rhythm; on the image, bright strokes at the bottom that "
        "repeat, with gaps.",
        "厚重鼓点和低音的循环，常配有节奏的念白；图上底部的亮纹反复出现，其间有空隙。",
    ),
    "Jazz": (
        "Improvised wind or piano lines over walking bass and cymbals; on the image, busy lines in the middle and a "
        "fine haze of cymbals on top.",
        "管乐或钢琴即兴，配行走低音和镲片；图上中部线条繁密，顶部是镲片的薄雾。",
    ),
    "Latin": (
        "Interlocking percussion, brass or guitar in dance rhythms; on the image, many short strokes close together "
        "at every height.",
        "交错的打击乐配铜管或吉他，舞曲节奏；图上各个高度都有密集的短竖纹。",
    ),
    "Metal": (
        "Distorted guitars and fast drums; on the image, a bright, dense wall from bottom to top.",
        "失真吉他和快速鼓点；图上从底到顶是一片明亮密实的墙。",
    ),
    "Pop": (
        "A sung melody in front, polished sound; on the image, strong sung lines, even beats, and quieter and louder "
        "parts for verse and chorus.",
        "突出演唱旋律，制作精致；图上人声线条鲜明，节拍均匀，主歌与副歌有强弱之分。",
    ),
    "R&B": (
        "Soft, ornamented singing over deep bass; on the image, sung lines with curls, and a smooth bright band below.",
        "柔和而多转音的演唱，配深沉低音；图上人声线条多曲折，底部有一条平滑的亮带。",
    ),
    "Rap": (
        "Fast rhythmic speech in front of a beat; on the image, short blurred strokes of syllables instead of long "
        "sung lines.",
        "节拍之上快速而有节奏的说唱；图上是一个个音节的短促模糊竖纹，没有长的人声线条。",
    ),
    "Reggae": (
        "Deep bass and short guitar chords off the beat; on the image, a strong bass band and thin strokes between "
        "the beats.",
        "低音深沉，吉他在弱拍上短促扫弦；图上低频带很强，拍与拍之间有细竖纹。",
    ),
    "Rock": (
        "Electric guitars, bass and a backbeat; on the image, a full middle and a stroke of the snare drum on every "
        "second beat.",
        "电吉他、贝斯和强劲的反拍；图上中部饱满，每隔一拍有一道军鼓的竖纹。",
    ),
    "World": (
        "Traditional music of many regions, from drone to drum circle; on the image, no one pattern: often level "
        "drones or dense hand drums.",
        "世界各地的传统音乐，从持续低音到鼓圈都有；图上没有统一的样子，常见平直的持续音或密集的手鼓。",
    ),
}
