"""What turns a file's new bytes into its old ones, when most of them are the same but may have moved."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

#: (place in the old file, how much further on the same is in the new one), each up to the next place.
Pieces = tuple[tuple[int, int], ...]

_BLOCK: Final = 1 << 20
#: Bytes that are lined up together, of which the last ones are looked for elsewhere, and how far away.
_UNIT: Final = 4096
_ANCHOR: Final = 64
_REACH: Final = 32 << 20


def lined_up(old: Path, new: Path) -> Iterator[tuple[int, int]]:
    """(place in `old`, shift), where from that place on `old[n]` is best compared with `new[n + shift]`."""
    yield 0, 0
    if not old.stat().st_size or not new.stat().st_size:
        return
    with (
        old.open("rb") as one,
        new.open("rb") as other,
        mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as original,
        mmap.mmap(other.fileno(), 0, access=mmap.ACCESS_READ) as changed,
    ):
        shift = 0
        for place in range(0, len(original), _UNIT):
            unit = original[place : place + _UNIT]
            here = max(0, place + shift)
            if place + shift == here and unit == changed[here : here + len(unit)]:
                continue
            end = place + len(unit)
            anchor = unit[-_ANCHOR:]
            found = changed.find(anchor, max(0, end + shift - _REACH), min(len(changed), end + shift + _REACH))
            elsewhere = found + len(anchor) - end if found >= 0 else shift
            if _n_unlike(unit, changed, place + elsewhere) < _n_unlike(unit, changed, place + shift):
                shift = elsewhere
                yield place, shift


def _n_unlike(unit: bytes, changed: mmap.mmap, place: int) -> int:
    """Bytes that would be left over."""
    there = (bytes(max(0, -place)) + changed[max(0, place) : max(0, place + len(unit))])[: len(unit)]
    return int(np.count_nonzero(np.frombuffer(_xor(unit, there.ljust(len(unit), b"\0")), np.uint8)))


def _blocks(pieces: Pieces, size: int) -> Iterator[tuple[int, int, int]]:
    """(from, to, shift) of each piece, a block at a time."""
    ends = [start for start, _ in pieces[1:]] + [size]
    for (start, shift), end in zip(pieces, ends, strict=True):
        for position in range(start, end, _BLOCK):
            yield position, min(end, position + _BLOCK), shift


def difference(old: Path, new: Path, pieces: Pieces) -> bytes:
    """What `restore` needs to make `old` out of `new`: old exclusive-or new, zeros where new has nothing."""
    compressor = zlib.compressobj(1)
    parts = []
    with old.open("rb") as original, new.open("rb") as changed:
        for start, end, shift in _blocks(pieces, old.stat().st_size):
            block = original.read(end - start)
            parts.append(compressor.compress(_xor(block, _read_at(changed, start + shift, len(block)))))
    return b"".join([*parts, compressor.flush()])


def restore(new: BinaryIO, old: BinaryIO, pieces: Pieces, size: int, patch: bytes) -> None:
    """Writes the old file of `size` bytes to `old`, out of the new one and what `difference` gave.

    Raises:
        zlib.error: the patch is damaged.
    """
    decompressor = zlib.decompressobj()
    for start, end, shift in _blocks(pieces, size):
        while (left := end - max(start, old.tell())) > 0 and (block := decompressor.decompress(patch, left)):
            patch = decompressor.unconsumed_tail
            old.write(_xor(block, _read_at(new, old.tell() + shift, len(block))))


def _read_at(file: BinaryIO, position: int, length: int) -> bytes:
    """Exactly `length` bytes from `position` on, which may lie before the beginning; zeros where there is nothing."""
    before = min(length, max(0, -position))
    file.seek(max(0, position))
    return (bytes(before) + file.read(length - before)).ljust(length, b"\0")


def _xor(one: bytes, other: bytes) -> bytes:
    return np.bitwise_xor(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)).tobytes()
