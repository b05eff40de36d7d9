"""Chunks of wav (RIFF, RIFX, RF64) and aiff (FORM): a genre stands in an ID3 chunk and in a wav's LIST INFO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from acousticsense.errors import TagError
from acousticsense.library.tagging import id3
from acousticsense.library.tagging.edits import Edit, read_at, size_of

_WAV: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_LONG: Final = (b"RF64", b"BW64")
_HEADER_BYTES: Final = 12
_SOUND: Final = (b"data", b"SSND")
_IN_DS64: Final = 0xFFFFFFFF
#: Bytes of a chunk of tags that are read; what is longer is no tag.
_MAX_TAG_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    size: int

    @property
    def content(self) -> int:
        return self.start + 8

    @property
    def end(self) -> int:
        return self.content + self.size


class _Form:
    """A file of chunks: where they lie, and how numbers are written in it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = size_of(file)
        self.name = read_at(file, 0, 4)
        self.is_wav = self.name in _WAV
        self.order: Literal["little", "big"] = "big" if self.name in (b"FORM", b"RIFX") else "little"
        self.chunks = list(self._walk())

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, self.order)

    def chunk(self, name: bytes, content: bytes) -> bytes:
        return name + len(content).to_bytes(4, self.order) + content + bytes(len(content) % 2)

    def tags(self) -> Iterator[tuple[_Chunk, bytes]]:
        """Chunks that may hold a genre, and their content."""
        for chunk in self.chunks:
            is_info = self.is_wav and chunk.name == b"LIST" and read_at(self.file, chunk.content, 4) == b"INFO"
            if is_info or chunk.name.upper() == b"ID3 ":
                if chunk.size > _MAX_TAG_BYTES:
                    raise TagError(f"A chunk of its tags has {chunk.size >> 20} MiB, more than tags take.")
                yield chunk, read_at(self.file, chunk.content, chunk.size)

    def sound(self) -> _Chunk | None:
        return next((chunk for chunk in self.chunks if chunk.name in _SOUND), None)

    def _walk(self) -> Iterator[_Chunk]:
        position = _HEADER_BYTES
        while len(head := read_at(self.file, position, 8)) == 8 and position < self._end():
            size = self.number(head[4:])
            if self.name in _LONG and head[:4] == b"data" and size == _IN_DS64:
                size = self.number(read_at(self.file, 28, 8))
            known = 0 < size <= self.size - position - 8 or head[:4] not in _SOUND
            chunk = _Chunk(head[:4], position, min(size, self.size - position - 8))
            yield chunk if known else _Chunk(head[:4], position, self.size - position - 8)
            position = chunk.end + chunk.size % 2 if known else self.size

    def _end(self) -> int:
        """Where the form ends, as far as it says so: what stands behind it is not part of it."""
        declared = self.number(read_at(self.file, 4, 4))
        return self.size if declared in (0, _IN_DS64) else min(self.size, 8 + declared)

    def _declared(self, chunk: _Chunk) -> int:
        return self.number(read_at(self.file, chunk.start + 4, 4))

    @property
    def place_for_more(self) -> int:
        """Behind the last chunk; before the sound where nothing says where that ends."""
        sound = self.sound()
        if sound is not None and self.name not in _LONG and self._declared(sound) in (0, _IN_DS64):
            return sound.start
        last = self.chunks[-1]
        return min(self.size, last.end + last.size % 2)


def is_chunked(head: bytes) -> bool:
    """Whether a file that begins with these twelve bytes is a wav or aiff."""
    return (head[:4] in _WAV and head[8:12] == b"WAVE") or (head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"))


def genres(file: BinaryIO) -> list[str]:
    """What its ID3 chunks and its INFO say."""
    form = _Form(file)
    found: list[str] = []
    for chunk, content in form.tags():
        if chunk.name == b"LIST":
            found += [_text(value) for name, value in _fields(form, content) if name == b"IGNR" and _text(value)]
        elif id3.id3v2_length(content[:10]):
            found += id3.id3v2_genres(content)
    return found


def edits(file: BinaryIO, genre: str) -> list[Edit]:
    """One genre in an ID3 chunk, new where there is none, and in INFO where it has one."""
    form = _Form(file)
    if form.sound() is None:
        raise TagError("It has no chunk of sound.")
    made: list[Edit] = []
    has_id3 = False
    for chunk, content in form.tags():
        if chunk.name == b"LIST":
            new = _info_with_genre(form, content, genre)
        elif not id3.id3v2_length(content[:10]) or (has_id3 and not id3.id3v2_genres(content)):
            continue
        else:
            has_id3, new = True, id3.id3v2_with_genre(content, genre)
        end = min(form.size, chunk.end + chunk.size % 2)
        made.append(Edit(chunk.start, end, form.chunk(chunk.name, new)))
    if not has_id3:
        name = b"id3 " if form.is_wav else b"ID3 "
        place = form.place_for_more
        odd = bytes(form.chunks[-1].size % 2) if place == form.size == form.chunks[-1].end else b""
        made.append(Edit(place, place, odd + form.chunk(name, id3.new_id3v2(genre))))
    return [*made, *_sizes(form, sum(edit.growth for edit in made))]


def _sizes(form: _Form, growth: int) -> list[Edit]:
    """The form's own size, where it says one."""
    declared = form.number(read_at(form.file, 4, 4))
    if form.name in _LONG and declared == _IN_DS64:
        long = form.number(read_at(form.file, 20, 8)) + growth
        return [Edit(20, 28, long.to_bytes(8, form.order))]
    if declared in (0, _IN_DS64):
        return []
    if declared + growth >= _IN_DS64:
        raise TagError("It would be longer than 4 GiB, which its format cannot say.")
    return [Edit(4, 8, (declared + growth).to_bytes(4, form.order))]


def _fields(form: _Form, info: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and value of each field; what cannot be read at the end comes out under an empty name."""
    position = 4
    while position + 8 <= len(info):
        size = form.number(info[position + 4 : position + 8])
        if position + 8 + size > len(info):
            break
        yield info[position : position + 4], info[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    if position < len(info):
        yield b"", info[position:]


def _info_with_genre(form: _Form, info: bytes, genre: str) -> bytes:
    """The same fields with one genre, if there is one."""
    parts, said = [info[:4]], False
    for name, value in _fields(form, info):
        if name != b"IGNR":
            parts.append(form.chunk(name, value) if name else value)
        elif not said:
            said = True
            parts.append(form.chunk(name, genre.encode() + b"\0"))
    return b"".join(parts) if said else info


def _text(value: bytes) -> str:
    """In UTF-8, as most programs write it, or in the characters of western Windows."""
    raw = value.split(b"\0")[0].strip()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
