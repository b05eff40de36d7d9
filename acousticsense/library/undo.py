"""The record that takes written tags back: one JSON line a file, written to disk before the file is replaced.

A line holds no copy of the file but what turns the new bytes into the old ones: both are lined up at their beginning
or at their end, whichever leaves less, and the difference (exclusive or) is compressed. A tag that moved megabytes of
sound costs some hundred bytes that way.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal

import numpy as np

from acousticsense.errors import LibraryError, TagError
from acousticsense.files import replace_file, sha256_of, sync_folder
from acousticsense.library.tags import like_original

__all__ = ["UndoRecord", "Undone", "undo"]

_BLOCK: Final = 1 << 20
Alignment = Literal["start", "end"]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One line of the record.

    Attributes:
        path: the file, bytes that are no UTF-8 as surrogates.
        old_size: its size before.
        old_sha256: its hash before.
        old_mtime_ns: its modification time before.
        new_sha256: its hash after.
        alignment: where both were lined up.
        patch: the compressed difference in base64.
    """

    path: str
    old_size: int
    old_sha256: str
    old_mtime_ns: int
    new_sha256: str
    alignment: Alignment
    patch: str


@dataclass(frozen=True)
class Undone:
    """What became of one file: "restored", "untouched" (it is the original already) or "failed", and why."""

    path: str
    outcome: Literal["restored", "untouched", "failed"]
    reason: str = ""


class UndoRecord:
    """A record being written; an existing one is added to.

    Args:
        path: the file; made when there is something to note.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> UndoRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, old: Path, new: Path) -> None:
        """Notes how to make `old`, which still stands in its place, out of `new`; on disk when this returns.

        Raises:
            OSError: the record cannot be written.
        """
        status = old.stat()
        patch, alignment = min(((_difference(old, new, where), where) for where in ("start", "end")), key=_length)
        entry = _Entry(
            path=str(old),
            old_size=status.st_size,
            old_sha256=sha256_of(old),
            old_mtime_ns=status.st_mtime_ns,
            new_sha256=sha256_of(new),
            alignment="start" if alignment == "start" else "end",
            patch=base64.b64encode(patch).decode(),
        )
        file = self._opened()
        file.write(json.dumps(asdict(entry)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._path.open("ab")
            sync_folder(self._path.parent)
        return self._file


def undo(record: Path) -> Iterator[Undone]:
    """Takes back what a record says, the latest first; a file that was changed since is left alone.

    Raises:
        LibraryError: the record cannot be read.
    """
    try:
        lines = record.read_bytes().splitlines()
    except OSError as error:
        raise LibraryError(f"The undo record {record} cannot be read ({error.strerror}).") from error
    for number, line in reversed(list(enumerate(lines, start=1))):
        try:
            entry = _Entry(**json.loads(line))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                continue  # the run was killed while it wrote this line: the file was not replaced yet
            raise LibraryError(f"Line {number} of {record} is damaged: {error}.") from error
        yield _undo_entry(entry)


def _undo_entry(entry: _Entry) -> Undone:
    path = Path(entry.path)
    try:
        found = sha256_of(path)
        if found == entry.old_sha256:
            return Undone(entry.path, "untouched")
        if found != entry.new_sha256:
            return Undone(entry.path, "failed", "it was changed since")
        _restore(entry, path)
    except (OSError, zlib.error, TagError) as error:
        return Undone(entry.path, "failed", str(error))
    return Undone(entry.path, "restored")


def _restore(entry: _Entry, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".acousticsense-") as folder:
        copy = Path(folder, path.name)
        with path.open("rb") as new, copy.open("wb") as old:
            _apply(entry, new, old)
        if sha256_of(copy) != entry.old_sha256:
            raise TagError("The record does not lead back to the original.")
        like_original(path, copy, keep_mtime=True)
        os.utime(copy, ns=(entry.old_mtime_ns, entry.old_mtime_ns))
        replace_file(copy, path)


def _difference(old: Path, new: Path, alignment: Alignment) -> bytes:
    """What `_apply` needs to make `old` out of `new`: old exclusive-or new, zeros where new has nothing."""
    compressor = zlib.compressobj(1)
    parts = []
    shift = new.stat().st_size - old.stat().st_size if alignment == "end" else 0
    with old.open("rb") as original, new.open("rb") as changed:
        position = 0
        while block := original.read(_BLOCK):
            parts.append(compressor.compress(_xor(block, _read_at(changed, position + shift, len(block)))))
            position += len(block)
    return b"".join([*parts, compressor.flush()])


def _apply(entry: _Entry, new: BinaryIO, old: BinaryIO) -> None:
    decompressor = zlib.decompressobj()
    difference = base64.b64decode(entry.patch)
    shift = new.seek(0, os.SEEK_END) - entry.old_size if entry.alignment == "end" else 0
    position = 0
    while position < entry.old_size and (block := decompressor.decompress(difference, _BLOCK)):
        difference = decompressor.unconsumed_tail
        old.write(_xor(block, _read_at(new, position + shift, len(block))))
        position += len(block)


def _read_at(file: BinaryIO, position: int, length: int) -> bytes:
    """Exactly `length` bytes from `position` on, which may lie before the beginning; zeros where there is nothing."""
    before = min(length, max(0, -position))
    file.seek(max(0, position))
    return (bytes(before) + file.read(length - before)).ljust(length, b"\0")


def _xor(one: bytes, other: bytes) -> bytes:
    return np.bitwise_xor(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)).tobytes()


def _length(found: tuple[bytes, str]) -> int:
    return len(found[0])
