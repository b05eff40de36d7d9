"""MP4 and its relatives: `©gen`, `gnre` and a free-form GENRE in moov/udta/meta/ilst; 3GPP's and QuickTime's in udta.

ISO/IEC 14496-12 for atoms; Apple's QuickTime File Format for metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from mutagen.id3 import TCON
from numpy.typing import NDArray

from acousticsense.errors import TagError
from acousticsense.library.tagging.edits import Edit, read_at, size_of

_GENRE, _NUMBER, _FREE_FORM = b"\xa9gen", b"gnre", b"----"
_TEXT_KINDS: Final = {1: "utf-8", 2: "utf-16-be"}
_HANDLER: Final = bytes(8) + b"mdirappl" + bytes(9)
_TABLE: Final = ("moov", "trak", "mdia", "minf", "stbl")
_FIRST_ATOMS: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
#: Flag of a tfhd atom: it says where in the file its samples begin.
_BASE_OFFSET: Final = 1


@dataclass(frozen=True)
class _Atom:
    name: bytes
    start: int
    content: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def is_mp4(head: bytes) -> bool:
    """Whether a file that begins with these eight bytes is made of atoms."""
    return head[4:8] in _FIRST_ATOMS


def genres(file: BinaryIO) -> list[str]:
    """What all its genre atoms say."""
    return [genre for atom in _genre_atoms(file) for genre in _texts(file, atom)]


def edits(file: BinaryIO, genre: str) -> list[Edit]:
    """One `©gen` and no other genre; sizes and offsets that follow from it."""
    old = list(_genre_atoms(file))
    new = _atom(_GENRE, _atom(b"data", (1).to_bytes(4, "big") + bytes(4) + genre.encode()))
    ilst = _find(file, "moov", "udta", "meta", "ilst")
    inside = [atom for atom in old if ilst and ilst[-1].content <= atom.start < ilst[-1].end]
    made = [Edit(atom.start, atom.end, b"") for atom in old if atom not in inside[:1]]
    if inside:
        made.append(Edit(inside[0].start, inside[0].end, new))
    else:
        made.append(_added(file, new))
    return [*made, *_room(file, made)]


def _genre_atoms(file: BinaryIO) -> Iterator[_Atom]:
    for path in (("moov", "udta", "meta", "ilst"), ("moov", "udta")):
        found = _find(file, *path)
        for atom in _children(file, found[-1]) if found else ():
            if atom.name in (_GENRE, _NUMBER) or (atom.name == _FREE_FORM and _free_name(file, atom) == b"genre"):
                yield atom


def _texts(file: BinaryIO, atom: _Atom) -> list[str]:
    parts = [part for part in _children(file, atom, strict=False) if part.name == b"data"]
    if not parts:  # in udta itself, without a data atom
        content = read_at(file, atom.content, atom.end - atom.content)
        text = content[6:] if atom.name == _NUMBER else content[4:]
        return [text.split(b"\0")[0].decode("utf-8", "replace")] if text else []
    found = []
    for part in parts:
        content = read_at(file, part.content, part.end - part.content)
        kind, value = int.from_bytes(content[:4], "big") & 0xFFFFFF, content[8:]
        number = int.from_bytes(value, "big") - 1
        if atom.name == _NUMBER:
            found += [TCON.GENRES[number]] if 0 <= number < len(TCON.GENRES) else []
        elif value:
            found.append(value.decode(_TEXT_KINDS.get(kind, "utf-8"), "replace"))
    return found


def _free_name(file: BinaryIO, atom: _Atom) -> bytes:
    names = [part for part in _children(file, atom, strict=False) if part.name == b"name"]
    return read_at(file, names[0].content + 4, names[0].end - names[0].content - 4).lower() if names else b""


def _added(file: BinaryIO, item: bytes) -> Edit:
    """The item where there is none yet, with those of its parents that are missing."""
    if ilst := _find(file, "moov", "udta", "meta", "ilst"):
        return Edit(ilst[-1].end, ilst[-1].end, item)
    item = _atom(b"ilst", item)
    if meta := _find(file, "moov", "udta", "meta"):
        return Edit(meta[-1].end, meta[-1].end, item)
    item = _atom(b"meta", bytes(4) + _atom(b"hdlr", _HANDLER) + item)
    if udta := _find(file, "moov", "udta"):
        return Edit(udta[-1].content, udta[-1].content, item)  # QuickTime ends the list with a zero
    if moov := _find(file, "moov"):
        return Edit(moov[-1].end, moov[-1].end, _atom(b"udta", item))
    raise TagError("It has no index (moov).")


def _room(file: BinaryIO, made: Sequence[Edit]) -> list[Edit]:
    """Sizes of the atoms around the edits; the growth is taken from free atoms, or everything behind them moves."""
    moov = _find(file, "moov")[-1]
    growth = sum(edit.growth for edit in made)
    free = next((atom for atom in _top(file) if atom.start == moov.end and atom.name == b"free"), None)
    if free is not None and (free.size - growth >= 8 or free.size == growth):
        padding = [Edit(free.start, free.end, _atom(b"free", bytes(free.size - growth - 8)))]
        return [*_sizes(file, made), *(padding if free.size > growth else [Edit(free.start, free.end, b"")])]
    return [*_sizes(file, made), *_offsets(file, moov.end, growth)]


def _sizes(file: BinaryIO, made: Sequence[Edit]) -> Iterator[Edit]:
    """The sizes of the atoms that edits lie in."""
    path = _find(file, "moov", "udta", "meta", "ilst") or _find(file, "moov", "udta", "meta")
    for atom in path or _find(file, "moov", "udta") or _find(file, "moov"):
        growth = sum(edit.growth for edit in made if atom.content <= edit.start and edit.end <= atom.end)
        declared = int.from_bytes(read_at(file, atom.start, 4), "big")
        if declared == 1:
            yield Edit(atom.start + 8, atom.start + 16, (atom.size + growth).to_bytes(8, "big"))
        elif declared:  # zero: up to the end of the file
            yield Edit(atom.start, atom.start + 4, (atom.size + growth).to_bytes(4, "big"))


def _offsets(file: BinaryIO, place: int, growth: int) -> Iterator[Edit]:
    """Offsets of samples and fragments that lie behind `place`."""
    for trak in _all(file, _TABLE):
        for table in _children(file, trak):
            if table.name in (b"stco", b"co64"):
                kind = ">u4" if table.name == b"stco" else ">u8"
                raw = read_at(file, table.content + 8, table.end - table.content - 8)
                old = np.frombuffer(raw[: len(raw) // int(kind[2]) * int(kind[2])], kind).astype(np.int64)
                new = np.where(old >= place, old + growth, old)
                yield Edit(table.content + 8, table.content + 8 + old.size * int(kind[2]), _fitting(new, kind))
    for traf in _all(file, ("moof", "traf")):
        for head in _children(file, traf):
            if head.name == b"tfhd" and read_at(file, head.content + 3, 1)[0] & _BASE_OFFSET:
                base = int.from_bytes(read_at(file, head.content + 8, 8), "big")
                moved = base + growth if base >= place else base
                yield Edit(head.content + 8, head.content + 16, moved.to_bytes(8, "big"))
    for index in _all(file, ("mfra", "tfra")):
        yield from _fragments(file, index, place, growth)


def _fragments(file: BinaryIO, index: _Atom, place: int, growth: int) -> Iterator[Edit]:
    """Offsets of fragments behind `place` in an index of them: in each entry a time, the offset, and three numbers."""
    head = read_at(file, index.content, 16)
    kind = ">u8" if head[0] == 1 else ">u4"
    width = int(kind[2])
    step = 2 * width + sum((head[11] >> shift & 3) + 1 for shift in (0, 2, 4))
    for entry in range(int.from_bytes(head[12:16], "big")):
        start = index.content + 16 + entry * step + width
        if start + width > index.end:
            raise TagError(f"Its atom at byte {index.start} is damaged.")
        old = int.from_bytes(read_at(file, start, width), "big")
        if old >= place:
            yield Edit(start, start + width, _fitting(np.array([old + growth]), kind))


def _fitting(offsets: NDArray[np.int64], kind: str) -> bytes:
    if kind == ">u4" and offsets.size and offsets.max() >= 1 << 32:
        raise TagError("Its offsets would be longer than 4 GiB, which its tables cannot say.")
    return offsets.astype(kind).tobytes()


def _top(file: BinaryIO) -> list[_Atom]:
    return list(_atoms(file, 0, size_of(file), strict=False))


def _all(file: BinaryIO, path: Sequence[str]) -> Iterator[_Atom]:
    """Every atom at a path, in every branch."""
    level = _top(file)
    for depth, name in enumerate(path):
        level = [atom for atom in level if atom.name == name.encode()]
        if depth + 1 < len(path):
            level = [child for atom in level for child in _children(file, atom)]
    yield from level


def _find(file: BinaryIO, *path: str) -> list[_Atom]:
    """The first atom at a path, behind those it lies in; empty when there is none."""
    found: list[_Atom] = []
    for name in path:
        among = _children(file, found[-1]) if found else _top(file)
        atom = next((atom for atom in among if atom.name == name.encode()), None)
        if atom is None:
            return []
        found.append(atom)
    return found


def _children(file: BinaryIO, atom: _Atom, *, strict: bool = True) -> list[_Atom]:
    start = atom.content
    if atom.name == b"meta" and read_at(file, start + 4, 4) != b"hdlr":
        start += 4  # a version and flags, which QuickTime leaves out
    return list(_atoms(file, start, atom.end, strict=strict))


def _atoms(file: BinaryIO, start: int, end: int, *, strict: bool = True) -> Iterator[_Atom]:
    while start + 8 <= end:
        head = read_at(file, start, 16)
        size, content = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            if head[4:8] == bytes(4):  # the zero that ends a list of QuickTime's
                return
            size = end - start
        if size < content - start or start + size > end:
            if strict:
                raise TagError(f"Its atom at byte {start} is damaged.")
            return
        yield _Atom(head[4:8], start, content, start + size)
        start += size


def _atom(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content
