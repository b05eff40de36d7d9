"""The record that takes written tags back: one JSON line a file, written to disk before the file is replaced.

A line holds no copy of the file but what turns the new bytes into the old ones: which part of the new file lines up
with which of the old one, and the difference (exclusive or) between them, compressed. A tag that moved megabytes of
sound costs some hundred bytes that way.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from acousticsense.errors import LibraryError, TagError
from acousticsense.files import replace_file, sha256_of, sync_folder
from acousticsense.library.difference import Pieces, difference, lined_up, restore
from acousticsense.library.tags import like_original


def _path_text(value: object) -> str:
    """Any text, also with the surrogates that stand for bytes which are no UTF-8: pydantic's own str refuses those."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


#: Of each line.
_BEGINNING: Final = b'{"path": '


class _Entry(BaseModel):
    """One line of the record.

    Attributes:
        path: the file, bytes that are no UTF-8 as surrogates.
        pieces: (place in the old file, how much further on the same is in the new one), from each place to the next.
        alignment: what older records have in place of pieces: lined up at the beginning or at the end.
        patch: the compressed difference in base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, PlainValidator(_path_text)]
    old_size: int
    old_sha256: str
    old_mtime_ns: int
    new_sha256: str
    pieces: Pieces = ()
    alignment: Literal["start", "end"] = "start"
    patch: str


@dataclass(frozen=True)
class Undone:
    """What became of one file: "restored", "untouched" (it is the original already) or "failed", and why."""

    path: str
    outcome: Literal["restored", "untouched", "failed"]
    reason: str = ""


def check_record(path: Path) -> None:
    """Looks whether a record may be begun or gone on with at a path.

    Raises:
        LibraryError: there is a file that is no undo record, or cannot be read.
    """
    try:
        beginning = b""
        if path.is_file():
            with path.open("rb") as file:
                beginning = file.read(len(_BEGINNING))
    except OSError as error:
        raise LibraryError(f"The undo record {path} cannot be read ({error.strerror}).") from error
    if not _BEGINNING.startswith(beginning):
        raise LibraryError(f"{path} is no undo record.", hint="Name another file.")


def record_undo(record: Path, old: Path, new: Path, *, name: str = "") -> None:
    """Adds to a record, or begins one with, how to make `old`, which still stands in its place, out of `new`.

    It is on disk when this returns.

    Args:
        name: path under which the file is to be found by whoever undoes it; where `old` lies when empty.

    Raises:
        OSError: the record cannot be written.
        TagError: its last line is none of an undo record; see `check_record` for the first.
    """
    status = old.stat()
    pieces = tuple(lined_up(old, new))
    entry = _Entry(
        path=name or str(old),
        old_size=status.st_size,
        old_sha256=sha256_of(old),
        old_mtime_ns=status.st_mtime_ns,
        new_sha256=sha256_of(new),
        pieces=pieces,
        patch=base64.b64encode(difference(old, new, pieces)).decode(),
    )
    is_new = not record.exists()
    with record.open("a+b") as file:
        _end_last_line(file)
        file.write(json.dumps(entry.model_dump(exclude={"alignment"})).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(record.parent)


def _end_last_line(file: BinaryIO) -> None:
    """Makes sure that the next line does not join the last: one that a kill or a full disk cut short is dropped.

    Its file was not replaced.

    Raises:
        TagError: the last line is none of an undo record.
    """
    if not (size := file.seek(0, os.SEEK_END)):
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if _is_entry(last):
        file.write(b"\n")
    elif _BEGINNING.startswith(last[: len(_BEGINNING)]):
        file.truncate(size - len(last))
    else:
        raise TagError(f"{file.name} is no undo record.", hint="Name another file.")


def _is_entry(line: bytes) -> bool:
    try:
        _Entry.model_validate(json.loads(line))
    except ValueError:
        return False
    return True


def undo(record: Path) -> Iterator[Undone]:
    """Takes back what a record says, the latest first; a file that was changed since is left alone.

    Raises:
        LibraryError: the record cannot be read, is empty or is none; or, at the line in question, it is damaged.
    """
    check_record(record)
    try:
        content = record.read_bytes()
    except OSError as error:
        raise LibraryError(f"The undo record {record} cannot be read ({error.strerror}).") from error
    if not content:
        raise LibraryError(f"{record} is no undo record: it is empty.", hint="Name another file.")
    return _undo_lines(record, content)


def _undo_lines(record: Path, content: bytes) -> Iterator[Undone]:
    lines = content.splitlines()
    for number, line in reversed(list(enumerate(lines, start=1))):
        try:
            entry = _Entry.model_validate(json.loads(line))
        except ValueError as error:
            if number == len(lines) and not content.endswith(b"\n"):
                continue  # the run was killed while it wrote this line: the file was not replaced yet
            raise LibraryError(f"Line {number} of {record} is damaged: {_reason(error)}.") from error
        yield _undo_entry(entry)


def _reason(error: ValueError) -> str:
    """The first thing that is wrong with a line, in one clause."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


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
            shift = new.seek(0, os.SEEK_END) - entry.old_size if entry.alignment == "end" else 0
            restore(new, old, entry.pieces or ((0, shift),), entry.old_size, base64.b64decode(entry.patch))
        if sha256_of(copy) != entry.old_sha256:
            raise TagError("The record does not lead back to the original.")
        like_original(path, copy, keep_mtime=True)
        os.utime(copy, ns=(entry.old_mtime_ns, entry.old_mtime_ns))
        replace_file(copy, path)
