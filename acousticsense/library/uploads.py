"""Files that somebody sent together, and those in zip archives among them: one at a time, and under limits.

An archive's entry is unpacked when it is asked for, to where the caller says, who removes it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath

from acousticsense.errors import AudioEmptyError, AudioError, AudioTooLargeError, LibraryError, RequestError, printable
from acousticsense.library.archive import Archive, Entry, is_archive_name, tidied


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that somebody sent: where it lies, and what they call it."""

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Bounds on one batch.

    Attributes:
        max_files: files to predict, those in archives included.
        max_file_bytes: bytes of one file in an archive.
        max_unpacked_bytes: bytes of all files in archives together.
    """

    max_files: int
    max_file_bytes: int
    max_unpacked_bytes: int


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file to predict: one that was sent by itself, one that is packed, or why there is none."""

    name: str
    source: Path | tuple[Archive, Entry] | AudioError


class SentFiles:
    """The files, each of which has a place once `open` has looked into the archives.

    Args:
        uploads: what was sent; what is named `.zip` stands for the audio in it.
        limits: bounds on what they may unpack to.

    Attributes:
        total: how many files there are; None before `open`.
        ignored: other files in the archives.

    Raises:
        RequestError: there are more files than the limit.
    """

    def __init__(self, uploads: Sequence[Upload], limits: BatchLimits) -> None:
        self.total: int | None = None
        self.ignored = 0
        names = _distinct([tidied(upload.name) or upload.path.name for upload in uploads])
        self._uploads = tuple(replace(upload, name=name) for upload, name in zip(uploads, names, strict=True))
        self._limits = limits
        self._files: Sequence[_File] = ()
        self._unpacked_bytes: dict[int, int] = {}
        self._opened: Archive | None = None
        self._unpacking = threading.Lock()
        self._refuse_more(len(self._uploads))

    @property
    def paths(self) -> list[Path]:
        """Where what was sent lies."""
        return [upload.path for upload in self._uploads]

    def open(self) -> None:
        """Finds out what is in the archives; to be called once.

        Raises:
            RequestError: there are more files in them than the limit.
        """
        files: list[_File] = []
        for upload in self._uploads:
            files += self._files_of(upload)
            self._refuse_more(len(files))
        self._files = files
        self.total = len(files)

    def name(self, place: int) -> str:
        """What people call a file; never a path that leads upwards."""
        return printable(self._files[place].name)

    def sound(self, place: int) -> Path | None:
        """Where a file lies that was sent by itself; None for what is in an archive."""
        source = self._files[place].source if 0 <= place < len(self._files) else None
        return source if isinstance(source, Path) else None

    def fetch(self, place: int, target: Path, *, copy: bool = False) -> Path:
        """Where a file lies: where it was sent, or unpacked at `target`, as often as it is asked for.

        `close` follows the last one.

        Args:
            place: of the file.
            target: where to put what is in an archive; must not exist.
            copy: put the others there, too.

        Raises:
            AudioError: it cannot be unpacked, or the archives have more bytes than the limit.
            LibraryError: it is gone.
            OSError: it cannot be copied.
        """
        source = self._files[place].source
        if isinstance(source, AudioError):
            raise source
        if isinstance(source, tuple):
            self._unpack(place, *source, target)
            return target
        if not source.is_file():
            raise LibraryError("The server no longer has this file.", hint="Send it again.")
        if copy:
            shutil.copyfile(source, target)
        return target if copy else source

    def close(self) -> None:
        """Lets go of the archives."""
        with self._unpacking:
            self._switch_to(None)

    def _refuse_more(self, count: int) -> None:
        if count > self._limits.max_files:
            raise RequestError(
                f"These are {count:,} files, and {self._limits.max_files:,} are analysed at a time.",
                hint="Send them in parts, or use `acousticsense tag`.",
            )

    def _files_of(self, upload: Upload) -> Iterator[_File]:
        """What an upload stands for."""
        if not is_archive_name(upload.name):
            yield _File(name=upload.name, source=upload.path)
            return
        try:
            archive = Archive(upload.path)
        except AudioError as error:
            yield _File(name=upload.name, source=error)
            return
        self.ignored += archive.ignored
        names = _distinct([entry.name for entry in archive.entries])
        for name, entry in zip(names, archive.entries, strict=True):
            yield _File(name=f"{upload.name}/{name}", source=(archive, entry))
        if not archive.entries:
            yield _File(name=upload.name, source=AudioEmptyError("There is no audio file in this archive."))

    def _unpack(self, place: int, archive: Archive, entry: Entry, target: Path) -> None:
        """Unpacks within the limits; bytes count once for each place, whether or not they can be used."""
        with self._unpacking:
            others = sum(n_bytes for other, n_bytes in self._unpacked_bytes.items() if other != place)
            left = self._limits.max_unpacked_bytes - others
            if left <= 0:
                raise AudioTooLargeError(
                    f"The archives hold more than {self._limits.max_unpacked_bytes / 2**20:.0f} MiB.",
                    hint="Send the rest by itself.",
                )
            self._switch_to(archive)
            try:
                archive.unpack(entry, target, max_bytes=min(left, self._limits.max_file_bytes))
            finally:
                self._unpacked_bytes[place] = target.stat().st_size if target.exists() else 0

    def _switch_to(self, archive: Archive | None) -> None:
        """Has one archive open at a time, of however many."""
        if self._opened is not None and self._opened is not archive:
            self._opened.close()
        self._opened = archive


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before: a row is known by its name alone."""
    taken = set(names)
    seen: set[str] = set()
    distinct = []
    for name in names:
        new, path = name, PurePosixPath(name)
        for number in count(2):
            if new not in seen and (new == name or new not in taken):
                break
            new = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        seen.add(new)
        distinct.append(new)
    return distinct
