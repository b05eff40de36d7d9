"""An ID3 tag in front of a file against what follows it.

One that claims too much hides the beginning of an mp3's sound; one in front of another kind of file hides what that is.
"""

from __future__ import annotations

import re
from typing import Final

from acousticsense.audio.source import Slice

_HEADER_BYTES: Final = 10
#: A tag is looked into as far as this; cover images make it long.
_MOST_TAG_BYTES: Final = 1 << 24
#: Frames in a row that make bytes in a tag sound: a cover image holds single marks.
_FRAMES: Final = 4
#: How files begin that are no mp3 and that taggers put an ID3 tag in front of, all the same.
_OTHER_KINDS: Final = (
    *(b"fLaC", b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"OggS", b"caff", b".snd"),
    *(b"\x1aE\xdf\xa3", b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"DSD ", b"\x30\x26\xb2\x75"),
)
_MP4_MARK: Final = b"ftyp"
_SYNC: Final = re.compile(rb"\xff[\xe2-\xff]")
_RATES_HZ: Final = (44_100, 48_000, 32_000)
_KBITS_1: Final = {
    3: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_KBITS_2: Final = {
    3: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    1: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def behind_tags(file: Slice) -> Slice:
    """The file without the ID3 tag in front of it, where what follows is known to be no mp3; else the file itself."""
    file.seek(0)
    end = _tag_end(file.read(_HEADER_BYTES))
    if not end:
        return file
    file.seek(end)
    following = file.read(8)
    return Slice(file, end) if following.startswith(_OTHER_KINDS) or following[4:] == _MP4_MARK else file


def hidden_start(file: Slice) -> int | None:
    """Where MPEG frames begin inside what the tag claims for itself; None when nothing is hidden in it."""
    file.seek(0)
    end = _tag_end(file.read(_HEADER_BYTES))
    if not end:
        return None
    file.seek(end)
    following = file.read(1 << 13)
    if following.startswith((b"ID3", b"ADIF")) or _is_sound(following.lstrip(b"\0"), 0):
        return None
    file.seek(0)
    content = file.read(min(end, _MOST_TAG_BYTES) + (1 << 13))
    starts = (match.start() for match in _SYNC.finditer(content, _HEADER_BYTES, end))
    return next((start for start in starts if _is_sound(content, start)), None)


def _tag_end(head: bytes) -> int:
    """Where the tag says that it ends; 0 when there is none."""
    if not head.startswith(b"ID3") or len(head) < _HEADER_BYTES:
        return 0
    return _HEADER_BYTES + sum((octet & 0x7F) << shift for octet, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _is_sound(content: bytes, at: int) -> bool:
    """Whether frames follow each other from a place on, or up to the end."""
    for _ in range(_FRAMES):
        size = _frame_bytes(content[at : at + 4])
        if not size:
            return False
        at += size
    return True


def _frame_bytes(header: bytes) -> int:
    """Length of the frame that a header begins, 0 when it is none (ISO 11172-3, 2.4.2.3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_code, bits_code = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer == 0 or rate_code == 3 or not 0 < bits_code < 15:
        return 0
    rate_hz = _RATES_HZ[rate_code] >> (3 - version if version else 2)
    bits_per_s = 1000 * (_KBITS_1 if version == 3 else _KBITS_2)[layer][bits_code - 1]
    padding = header[2] >> 1 & 1
    if layer == 3:
        return (12 * bits_per_s // rate_hz + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * bits_per_s // rate_hz + padding
