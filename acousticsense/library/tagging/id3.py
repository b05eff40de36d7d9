"""ID3: version 2.2 to 2.4 as a tag of bytes, and version 1, the last 128 bytes of a file (https://id3.org)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from mutagen import MutagenError
from mutagen.id3 import ID3, TCON

from acousticsense.errors import TagError

ID3V1_BYTES: Final = 128
ID3V1_PLUS_BYTES: Final = 227
_NO_GENRE: Final = 255
_GENRE_NAMES: Final = {2: b"TCO", 3: b"TCON", 4: b"TCON"}
_HEADER_BYTES: Final = 10
#: A zero stands behind each 0xFF, for decoders that cannot skip a tag. Frames of version 2.4 say it themselves; tags of
#: the others are written without, because FFmpeg loses the end of such frames.
_UNSYNCHRONISED: Final = 0x80
#: Of version 2.3 and 2.4; in 2.2 the same bit says that the tag is compressed, in a way that was never defined.
_EXTENDED: Final = 0x40
_FOOTER: Final = 0x10
#: Room that is left behind a tag that had to grow, so that the next change moves no sound.
_SPARE_BYTES: Final = 1024


@dataclass(frozen=True)
class _Tag:
    """A tag taken apart: its frames, each with its header, and what follows them that is not padding."""

    version: int
    flags: int
    frames: tuple[bytes, ...]
    rest: bytes


def id3v2_length(head: bytes) -> int:
    """Bytes of the tag that begins with these ten; 0 when none begins here."""
    if len(head) < _HEADER_BYTES or head[:3] != b"ID3" or head[3] not in _GENRE_NAMES or max(head[6:10]) > 0x7F:
        return 0
    return _HEADER_BYTES + _synchsafe(head[6:10]) + (_HEADER_BYTES if _has_footer(head) else 0)


def id3v2_genres(tag: bytes) -> list[str]:
    """What its genre frames say; numbers become the names that version 1 gave them."""
    taken = _taken_apart(tag)
    return [genre for frame in taken.frames if _is_genre(taken, frame) for genre in _frame_genres(taken, frame)]


def id3v2_with_genre(tag: bytes, genre: str) -> bytes:
    """The tag with this genre in one frame and all other frames as they are; if possible, as long as before."""
    taken = _taken_apart(tag)
    kept = [frame for frame in taken.frames if not _is_genre(taken, frame)]
    before = next((n for n, frame in enumerate(taken.frames) if _is_genre(taken, frame)), len(kept))
    kept.insert(before, _genre_frame(taken.version, genre))
    body = b"".join(kept) + taken.rest
    room = len(tag) - _HEADER_BYTES - len(body)
    body += bytes(room if room >= 0 else _SPARE_BYTES)
    flags = taken.flags & _UNSYNCHRONISED if taken.version == 4 else 0
    return tag[:5] + bytes([flags]) + _to_synchsafe(len(body)) + body


def new_id3v2(genre: str) -> bytes:
    """A tag with nothing else, of the version that every player reads: 2.3."""
    return id3v2_with_genre(b"ID3\x03\0\0" + bytes(4), genre)


def id3v1_genres(tag: bytes) -> list[str]:
    """What a tag of version 1 says: by number, and in words where it is of the enhanced kind (TAG+)."""
    if tag[:4] == b"TAG+":
        words = tag[185:215].split(b"\0")[0].decode("latin-1").strip()
        return [words] if words else []
    return [TCON.GENRES[tag[127]]] if tag[127] < len(TCON.GENRES) else []


def id3v1_with_genre(tag: bytes, genre: str) -> bytes:
    """The tag with the genre's number, of the enhanced kind, in words; without one where it cannot say it."""
    if tag[:4] == b"TAG+":
        words = genre.encode("latin-1", "ignore").decode("latin-1")
        fits = words == genre and len(words) <= 30
        return tag[:185] + (words.encode("latin-1") if fits else b"").ljust(30, b"\0") + tag[215:]
    numbers = {name.casefold(): number for number, name in enumerate(TCON.GENRES)}
    return tag[:127] + bytes([numbers.get(genre.casefold(), _NO_GENRE)])


def _taken_apart(tag: bytes) -> _Tag:
    version, flags = tag[3], tag[5]
    body = tag[_HEADER_BYTES : _HEADER_BYTES + _synchsafe(tag[6:10])]
    if version == 2 and flags & _EXTENDED:
        raise TagError("Its ID3 tag is compressed as version 2.2 never defined.")
    if version < 4 and flags & _UNSYNCHRONISED:
        body = body.replace(b"\xff\0", b"\xff")
    if version > 2 and flags & _EXTENDED:  # holds a checksum at most, which would be wrong afterwards
        length = _synchsafe(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4], "big")
        body = body[length:]
    frames = tuple(_frames(version, body, synchsafe=True))
    if version == 4 and _ends_badly(body, frames):  # iTunes wrote plain numbers
        plain = tuple(_frames(version, body, synchsafe=False))
        frames = frames if _ends_badly(body, plain) else plain
    rest = body[sum(map(len, frames)) :]
    return _Tag(version, flags, frames, rest.rstrip(b"\0") and rest)


def _frames(version: int, body: bytes, *, synchsafe: bool) -> Iterator[bytes]:
    head, n_name = (6, 3) if version == 2 else (10, 4)
    position = 0
    while re.fullmatch(rb"[A-Z0-9 ]+", body[position : position + n_name]):
        digits = body[position + n_name : position + 2 * n_name]
        size = _synchsafe(digits) if version == 4 and synchsafe else int.from_bytes(digits, "big")
        if position + head + size > len(body):
            return
        yield body[position : position + head + size]
        position += head + size


def _ends_badly(body: bytes, frames: tuple[bytes, ...]) -> bool:
    return bool(body[sum(map(len, frames)) :].strip(b"\0"))


def _is_genre(tag: _Tag, frame: bytes) -> bool:
    return frame.startswith(_GENRE_NAMES[tag.version])


def _frame_genres(tag: _Tag, frame: bytes) -> list[str]:
    """The text of one frame, as mutagen reads it."""
    flags = tag.flags & _UNSYNCHRONISED if tag.version == 4 else 0
    alone = b"ID3" + bytes([tag.version, 0, flags]) + _to_synchsafe(len(frame)) + frame
    try:
        frames = ID3(BytesIO(alone), translate=False).getall(_GENRE_NAMES[tag.version].decode())
    except MutagenError as error:
        raise TagError(f"Its ID3 genre cannot be read ({error}).") from error
    return [str(genre) for found in frames for genre in found.genres]


def _genre_frame(version: int, genre: str) -> bytes:
    if genre.isascii():
        text = b"\0" + genre.encode("ascii")
    else:
        text = b"\3" + genre.encode() if version == 4 else b"\1" + b"\xff\xfe" + genre.encode("utf-16-le")
    name = _GENRE_NAMES[version]
    if version == 2:
        return name + len(text).to_bytes(3, "big") + text
    return name + (_to_synchsafe(len(text)) if version == 4 else len(text).to_bytes(4, "big")) + bytes(2) + text


def _has_footer(head: bytes) -> bool:
    return head[3] == 4 and bool(head[5] & _FOOTER)


def _synchsafe(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value << 7 | digit & 0x7F
    return value


def _to_synchsafe(value: int) -> bytes:
    if value >= 1 << 28:
        raise TagError("Its ID3 tag would be longer than 256 MB.")
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))
