"""Folders, globs and lists -> the paths of audio files, one by one, so that work starts before the walk ends."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from acousticsense.audio.names import AUDIO_SUFFIXES
from acousticsense.errors import LibraryError
from acousticsense.evaluation.places import locate
from acousticsense.library import storage
from acousticsense.library.identity import FileStamp
from acousticsense.library.playlist import is_address, listed, names_nothing
from acousticsense.library.rows import RowError

#: Ends of patterns that stand for all that is below folders: those are searched as if they were named.
_ALL_BELOW: Final = re.compile(r"({0}\*\*)+({0}\*)?$".format(re.escape(os.sep)))


@dataclass(frozen=True)
class Found:
    """An absolute path or an object's URL.

    Attributes:
        error: why it can't even be looked at, where that is so.
        stamp: of an object, as its store's listing has it.
    """

    path: str
    error: RowError | None = None
    stamp: FileStamp | None = None


class Walk:
    """Iterates over the files that arguments stand for; each argument may be

    - a file, taken whatever its name;
    - a folder, searched with all its subfolders for `names.AUDIO_SUFFIXES`; hidden files and folders are left out;
    - the URL of an object in a store, of a folder there, or of a pattern, see `storage`;
    - a pattern with `*`, `?` or `[...]`, in which `**` is any depth of folders;
    - `@LIST`: a playlist, a table with a column `path` or a text file with one of these on each line (`@-` is the
      standard input), relative to the list's folder, see `playlist`.

    Links are followed, but no folder is entered twice on one way down. What does not exist or must not be read comes
    out with its error: nothing is left out silently.

    Raises:
        LibraryError: a list cannot be read.

    Attributes:
        ignored: files in folders that are not named like audio, so far.
        n_missing: arguments that lead to nothing or cannot be read, so far.
    """

    def __init__(self, arguments: Iterable[str]) -> None:
        self.ignored = self.n_missing = 0
        self._entries = [
            entry
            for argument in arguments
            for entry in (listed(argument[1:]) if argument.startswith("@") else (argument,))
        ]

    def __iter__(self) -> Iterator[Found]:
        for entry in self._entries:
            yield from self._entry(entry)

    def _entry(self, entry: str) -> Iterator[Found]:
        if names_nothing(entry):
            yield self._missing(entry, "An empty path names no file.", "Name a file or a folder.")
            return
        is_url = entry[:5].lower() == "file:"
        path = storage.absolute(locate(entry, os.curdir) if is_url else entry)
        if storage.is_remote(path):
            yield from self._objects(path)
        elif is_address(entry):
            yield self._missing(entry, "Addresses are not fetched.", "Download the file, or name it by its path.")
        elif "\0" in path:
            yield self._missing(path.replace("\0", "\\x00"), "No name holds a zero byte.", "Check the list.")
        elif os.path.isdir(path):
            for found in self._folder(path, frozenset()):
                self.n_missing += found.path == path  # the folder itself comes out with its error alone
                yield found
        elif glob.has_magic(path) and not os.path.lexists(path):
            yield from self._pattern(path)
        else:
            self.n_missing += not os.path.exists(path)  # a link to nothing is no place either
            yield Found(path)

    def _missing(self, place: str, message: str, hint: str) -> Found:
        self.n_missing += 1
        return Found(place, RowError.of(LibraryError(message, hint=hint)))

    def _no_match(self, pattern: str) -> Found:
        return self._missing(pattern, "No file matches this pattern.", "Check the pattern.")

    def _objects(self, place: str) -> Iterator[Found]:
        seen = False
        try:
            for url, stamp in storage.objects(place):
                seen = True
                if url == place or _is_audio(url):
                    yield Found(url, stamp=stamp)
                else:
                    self.ignored += 1
        except LibraryError as error:
            self.n_missing += not seen
            yield Found(place, RowError.of(error))
            return
        if not seen and glob.has_magic(place):
            yield self._no_match(place)

    def _pattern(self, pattern: str) -> Iterator[Found]:
        matched = False
        above = _ALL_BELOW.sub("", pattern)
        for path in glob.iglob(above or os.sep, recursive=True):
            is_folder = os.path.isdir(path)
            if above != pattern and not is_folder:
                continue  # nothing is below a file
            matched = True
            if is_folder:
                yield from self._folder(path, frozenset())
            elif _is_audio(path):
                yield Found(path)
            else:
                self.ignored += 1
        if not matched:
            yield self._no_match(pattern)

    def _folder(self, folder: str, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
        try:
            status = os.stat(folder)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            fault = LibraryError(f"The folder cannot be read ({error.strerror}).", hint="Check its permissions.")
            yield Found(folder, RowError.of(fault))
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from self._folder(entry.path, above | {identity})
            elif _is_audio(entry.name):
                yield Found(entry.path)
            else:
                self.ignored += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle: reading it says so in its row
        return False


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES
