"""Zip archives from strangers: what sounds in them, one entry at a time, under limits, and only where the caller says.

Names in an archive are shown and never used as paths, so none of them leads anywhere.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from acousticsense.audio.names import is_audio_name
from acousticsense.errors import AudioDecodeError, AudioTooLargeError

#: Bytes of a list of contents; it is read into memory whole, and an entry takes at least 46 of them.
_MAX_LISTING_BYTES: Final = 4 * 2**20
_CHUNK_BYTES: Final = 2**18
_ENCRYPTED: Final = 0x1
_UTF8: Final = 0x800
#: The methods that unpack in bounded steps; one step of bzip2 or LZMA may take gigabytes.
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Characters in daily use of which legacy names must mostly consist to be taken for Chinese ones.
_CHINESE_SHARE: Final = 0.8


@dataclass(frozen=True)
class Entry:
    """An audio file in an archive: its name as people write it, and where it is packed."""

    name: str
    packed: zipfile.ZipInfo

    @property
    def suffix(self) -> str:
        """Of its name: one of `names.AUDIO_SUFFIXES`."""
        return _suffix(self.name)


class Archive:
    """A zip archive.

    Attributes:
        entries: what is named like audio, in the archive's order; hidden files are left out.
        ignored: how many other files are in it.

    Raises:
        AudioDecodeError: it is no zip archive, or damaged.
        AudioTooLargeError: its list of contents is too long.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        self._closing = ExitStack()
        files = [packed for packed in self._opened().infolist() if not packed.is_dir()]
        named = [Entry(name, packed) for name, packed in zip(_names(files), files, strict=True)]
        self.entries = tuple(entry for entry in named if is_audio_name(PurePosixPath(entry.name)))
        self.ignored = len(named) - len(self.entries)
        self.close()

    def close(self) -> None:
        """Lets go of the file; the next `unpack` opens it again."""
        self._closing.close()
        self._zip = None

    def unpack(self, entry: Entry, target: Path, *, max_bytes: int) -> int:
        """Writes an entry to `target`, which must not exist, and returns its bytes.

        What the archive says of its sizes is not believed: bytes are counted as they come.

        Raises:
            AudioDecodeError: it is encrypted, packed by another method than deflate, or damaged.
            AudioTooLargeError: it has more bytes than that; the first ones are in `target` then.
        """
        if entry.packed.flag_bits & _ENCRYPTED:
            raise AudioDecodeError("This file is encrypted in its archive.", hint="Pack it without a password.")
        if entry.packed.compress_type not in _METHODS:
            raise AudioDecodeError(
                f"This file is packed by method {entry.packed.compress_type}, which is not unpacked.",
                hint="Pack it by deflate, as zip programs do by default.",
            )
        try:
            return self._copy(entry, target, max_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise AudioDecodeError(
                f"This file cannot be unpacked ({error}).", hint="The archive is probably damaged."
            ) from error

    def _copy(self, entry: Entry, target: Path, max_bytes: int) -> int:
        n_bytes = 0
        with self._opened().open(entry.packed) as packed, target.open("xb") as file:
            while chunk := packed.read(_CHUNK_BYTES):
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise AudioTooLargeError(
                        f"Unpacked, this file has more than {max_bytes / 2**20:.0f} MiB.",
                        hint="Use a compressed format, or send its archive in parts.",
                    )
                file.write(chunk)
        return n_bytes

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None:
            try:
                with ExitStack() as stack:
                    file = stack.enter_context(_Cautious(io.FileIO(self._path)))
                    self._zip = stack.enter_context(zipfile.ZipFile(file))
                    self._closing = stack.pop_all()
            except AudioTooLargeError:
                raise
            except Exception as error:  # a listing from outside fails in many ways, not all of them documented
                raise AudioDecodeError(
                    f"This is not a readable zip archive ({error}).",
                    hint="Pack it again, or choose the files themselves.",
                ) from error
        return self._zip


class _Cautious(io.BufferedReader):
    """A file that is not read in pieces so large that only a hostile archive asks for them."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_LISTING_BYTES:
            raise AudioTooLargeError(
                f"The archive's list of contents is longer than {_MAX_LISTING_BYTES >> 20} MiB.",
                hint="Pack fewer files into one archive.",
            )
        return super().read(size)


def is_archive_name(name: str) -> bool:
    """Whether a file is named like a zip archive."""
    return _suffix(name) == ".zip"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _names(files: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Names as people wrote them. Old programs say nothing of their encoding, but use one for the whole archive."""
    raw = [None if file.flag_bits & _UTF8 else file.orig_filename.encode("cp437") for file in files]
    encoding = _encoding(b"\n".join(name for name in raw if name is not None))
    decoded = [
        file.orig_filename if name is None else name.decode(encoding) for file, name in zip(files, raw, strict=True)
    ]
    return [tidied(name) for name in decoded]


def tidied(name: str) -> str:
    """A name without steps that lead nowhere or upwards."""
    steps = name.replace("\\", "/").replace("\0", "").split("/")
    return "/".join(step for step in steps if step not in ("", ".", ".."))


def _encoding(names: bytes) -> str:
    """UTF-8 if they are that; GB 18030 if they then consist of common Chinese characters; else the format's own."""
    for encoding in ("utf-8", "gb18030"):
        try:
            decoded = names.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _is_chinese(decoded):
            return encoding
    return "cp437"


def _is_chinese(text: str) -> bool:
    """Whether what is not ASCII is mostly in GB 2312, the set of simplified characters in daily use.

    Western names in cp437 that happen to be valid GB 18030 give rare characters outside of it.
    """
    special = [character for character in text if not character.isascii()]
    return len("".join(special).encode("gb2312", "ignore")) // 2 >= _CHINESE_SHARE * len(special)
