"""Tags before and behind the sound: ID3v2 and APE in front; APE, Lyrics3 and ID3v1 at the end, in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from acousticsense.library.tagging import ape, id3
from acousticsense.library.tagging.edits import Edit, read_at, size_of

TagKind = Literal["id3v2", "ape", "lyrics", "id3v1"]
_LYRICS_END: Final = b"LYRICS200"
_LYRICS_SIZE_DIGITS: Final = 6

_GENRES: Final[dict[TagKind, Callable[[bytes], list[str]]]] = {
    "id3v2": id3.id3v2_genres,
    "ape": ape.ape_genres,
    "lyrics": lambda _: [],
    "id3v1": id3.id3v1_genres,
}
_WITH_GENRE: Final[dict[TagKind, Callable[[bytes, str], bytes]]] = {
    "id3v2": id3.id3v2_with_genre,
    "ape": ape.ape_with_genre,
    "id3v1": id3.id3v1_with_genre,
}


@dataclass(frozen=True)
class _Tag:
    kind: TagKind
    start: int
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def genres(self) -> list[str]:
        return _GENRES[self.kind](self.data)

    def with_genre(self, genre: str) -> Edit:
        return Edit(self.start, self.end, _WITH_GENRE[self.kind](self.data, genre))


@dataclass(frozen=True)
class Ends:
    """What a file has around its content, which lies from `start` to before `end`."""

    front: tuple[_Tag, ...]
    back: tuple[_Tag, ...]
    start: int
    end: int

    @property
    def genres(self) -> list[str]:
        """What all these tags say."""
        return [genre for tag in (*self.front, *self.back) for genre in tag.genres]

    def edits(self, genre: str, main: TagKind | None = None) -> list[Edit]:
        """One genre in every tag that has one, and in the first one of kind `main`."""
        tags = (*self.front, *self.back)
        first = next((tag for tag in tags if tag.kind == main), None)
        return [tag.with_genre(genre) for tag in tags if tag.genres or tag is first]


def ends(file: BinaryIO) -> Ends:
    """The tags around a file's content."""
    front, start = _front(file)
    back, end = _back(file, start)
    return Ends(tuple(front), tuple(back), start, end)


def plain_genres(file: BinaryIO) -> list[str]:
    """Genres of a file whose only tags are those around its sound."""
    return ends(file).genres


def id3_edits(file: BinaryIO, genre: str) -> list[Edit]:
    """For mp3 and its like: in an ID3v2 tag, new at the beginning where there is none."""
    found = ends(file)
    new = [] if any(tag.kind == "id3v2" for tag in found.front) else [Edit(0, 0, id3.new_id3v2(genre))]
    return [*new, *found.edits(genre, "id3v2")]


def ape_edits(file: BinaryIO, genre: str) -> list[Edit]:
    """For WavPack and its like: in an APE tag, new behind the sound where there is none."""
    found = ends(file)
    has_ape = any(tag.kind == "ape" for tag in (*found.front, *found.back))
    return [*([] if has_ape else [Edit(found.end, found.end, ape.new_ape(genre))]), *found.edits(genre, "ape")]


def _front(file: BinaryIO) -> tuple[Sequence[_Tag], int]:
    tags: list[_Tag] = []
    position, size = 0, size_of(file)
    while True:
        head = read_at(file, position, ape.APE_FRAME_BYTES)
        kind: TagKind = "id3v2" if (length := id3.id3v2_length(head[:10])) else "ape"
        length = length or ape.ape_length(head)
        if not length or position + length > size:
            return tags, position
        tags.append(_Tag(kind, position, read_at(file, position, length)))
        position += length


def _back(file: BinaryIO, start: int) -> tuple[Sequence[_Tag], int]:
    tags: list[_Tag] = []
    end = size_of(file)
    while (tag := _last(file, end)) is not None and tag.start >= start:
        tags.insert(0, tag)
        end = tag.start
    return tags, end


def _last(file: BinaryIO, end: int) -> _Tag | None:
    """The tag that ends at `end`."""
    if read_at(file, end - id3.ID3V1_BYTES, 3) == b"TAG":
        return _tag_before(file, "id3v1", end, id3.ID3V1_BYTES)
    if read_at(file, end - id3.ID3V1_PLUS_BYTES, 4) == b"TAG+":
        return _tag_before(file, "id3v1", end, id3.ID3V1_PLUS_BYTES)
    if length := ape.ape_length(read_at(file, end - ape.APE_FRAME_BYTES, ape.APE_FRAME_BYTES)):
        return _tag_before(file, "ape", end, length)
    tail = read_at(file, end - len(_LYRICS_END) - _LYRICS_SIZE_DIGITS, len(_LYRICS_END) + _LYRICS_SIZE_DIGITS)
    digits = tail[:_LYRICS_SIZE_DIGITS]
    if tail.endswith(_LYRICS_END) and digits.isdigit():
        return _tag_before(file, "lyrics", end, int(digits) + len(tail))
    return None


def _tag_before(file: BinaryIO, kind: TagKind, end: int, length: int) -> _Tag | None:
    return _Tag(kind, end - length, read_at(file, end - length, length)) if length <= end else None
