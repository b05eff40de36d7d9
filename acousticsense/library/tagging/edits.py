"""Replaced parts of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Edit:
    """The bytes from `start` to before `end` become `data`; with `start == end` it is inserted."""

    start: int
    end: int
    data: bytes

    @property
    def growth(self) -> int:
        """By how many bytes the file grows."""
        return len(self.data) - (self.end - self.start)


def apply_edits(old: BinaryIO, edits: Sequence[Edit], new: BinaryIO) -> None:
    """Writes `old` with its edits, which must not overlap, to `new`."""
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < position:
            raise ValueError(f"edits overlap at byte {edit.start}")
        _copy(old, new, position, edit.start)
        new.write(edit.data)
        position = edit.end
    _copy(old, new, position, size_of(old))


def _copy(old: BinaryIO, new: BinaryIO, start: int, end: int) -> None:
    old.seek(start)
    while start < end:
        block = old.read(min(_BLOCK_BYTES, end - start))
        if not block:
            raise EOFError(f"the file ends before byte {end}")
        new.write(block)
        start += len(block)


def read_at(file: BinaryIO, start: int, n_bytes: int) -> bytes:
    """Up to `n_bytes` from `start` on; fewer at the end of the file, none before its beginning."""
    if start < 0:
        return b""
    if n_bytes > _BLOCK_BYTES:  # room is made for all that is asked for, and a damaged file may ask for anything
        n_bytes = min(n_bytes, max(0, size_of(file) - start))
    file.seek(start)
    return file.read(n_bytes)


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return file.seek(0, 2)
