"""What audio is read from: a local file, bytes or a file object, as one seekable binary file."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AudioDecodeError, AudioEmptyError, AudioTooLargeError, RequestError

#: A str or Path is a local file, never a URL.
Source = str | Path | bytes | BinaryIO


class Slice(io.RawIOBase):
    """A part of a file as a file of its own: with a position of its own, some bytes replaced, and without a name.

    Libraries guess a format from a name. A name is what its owner liked, so they never see one.

    Attributes:
        failure: what reading last failed with; libsndfile cannot pass it on.
    """

    def __init__(
        self, file: BinaryIO | Slice, start: int = 0, end: int | None = None, *, patches: dict[int, bytes] | None = None
    ):
        super().__init__()
        self._file, self._start = file, start
        self._size = (file.seek(0, os.SEEK_END) or file.tell() if end is None else end) - start
        self._position = 0
        self._patches = patches or {}
        self.failure: OSError | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes from the start of the slice."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves within the slice, as far as its start; beyond its end there is nothing to read."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, all that is left when negative; an OSError is kept in `failure`, too."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        try:
            self._file.seek(self._start + self._position)
            content = self._file.read(wanted)
        except OSError as error:
            self.failure = error
            raise
        for at, octets in self._patches.items():
            content = _patched(content, at - self._position, octets)
        self._position += len(content)
        return content

    def readinto(self, buffer: Any, /) -> int:
        """The same into a buffer; returns how many bytes were read."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _patched(content: bytes, at: int, octets: bytes) -> bytes:
    """The content with `octets` in place of what stands at `at`, as far as that lies within it."""
    low, high = max(0, at), min(len(content), at + len(octets))
    return content if low >= high else content[:low] + octets[low - at : high - at] + content[high:]


@contextmanager
def opened(source: Source, limits: AudioLimits) -> Iterator[BinaryIO]:
    """The source as a seekable binary file whose size is within the limits.

    Raises:
        RequestError: it is no source, closed, or text.
        AudioDecodeError: there is no such file, or it cannot be read.
        AudioEmptyError: it has no bytes.
        AudioTooLargeError: it has too many.
    """
    with ExitStack() as kept_open:
        if isinstance(source, (str, os.PathLike)):
            file = kept_open.enter_context(_open_path(Path(source)))
        elif isinstance(source, (bytes, bytearray, memoryview)):
            file = io.BytesIO(source)
        elif hasattr(source, "read"):
            file = source
        else:
            raise RequestError(
                f"Audio was given as {type(source).__name__}.", hint="Give a path, bytes or a binary file object."
            )
        try:
            sized = _sized(_seekable(file, limits) if file is source else file, limits)
        except OSError as error:
            raise unreadable(error) from error
        yield sized


def _shown(path: Path) -> str:
    """The path as text that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _open_path(path: Path) -> BinaryIO:
    """Opens a regular file, unbuffered; devices, pipes and folders are refused before they can block."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioDecodeError(f"'{_shown(path)}' is not a file.", hint="Give the path of one audio file.")
        return path.open("rb", buffering=0)
    except (FileNotFoundError, ValueError) as error:
        raise AudioDecodeError(
            f"There is no file '{_shown(path)}'.", hint="Check the path; only local files are read, no web addresses."
        ) from error
    except OSError as error:
        raise AudioDecodeError(
            f"'{_shown(path)}' cannot be opened ({error.strerror}).", hint="Check that you may read it."
        ) from error


def _seekable(file: BinaryIO, limits: AudioLimits) -> BinaryIO:
    """The file itself, or a copy in memory when it is a pipe or the like."""
    try:
        file.seek(0)
    except ValueError as error:  # io.UnsupportedOperation is one too
        if getattr(file, "closed", False):
            raise RequestError("The audio file object is closed.", hint="Open it again.") from error
    except (AttributeError, OSError):
        pass
    else:
        probe: Any = file.read(0)
        if not isinstance(probe, str):
            return file
    content: Any = file.read(limits.max_file_bytes + 1)
    if isinstance(content, str):
        raise RequestError("The audio file object gives text.", hint='Open the file in binary mode ("rb").')
    return io.BytesIO(content)


def _sized(file: BinaryIO, limits: AudioLimits) -> BinaryIO:
    """The file, when its size is neither 0 nor over the limit."""
    size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(0)
    if size == 0:
        raise AudioEmptyError("The file is empty (0 bytes).", hint="Choose or upload it again.")
    if size > limits.max_file_bytes:
        raise AudioTooLargeError(
            f"The file has {size / 2**20:.0f} MiB or more; the limit is {limits.max_file_bytes / 2**20:.0f} MiB.",
            hint="Cut or compress it (10 seconds are enough), or raise the limit.",
        )
    return file


def unreadable(error: OSError) -> AudioDecodeError:
    """What a reader is told when the disk or the network below a file fails."""
    return AudioDecodeError(f"The file cannot be read ({error}).", hint="Check the disk and try again.")
