"""Objects full of arrays from one process to another: the arrays go through a file that both have in memory.

Ten seconds of stereo take ten milliseconds and more through a pipe, which holds 64 KiB at a time, and one this way.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

#: What is larger goes through the pipe: 10 s of stereo at 96 kHz are 8 MB, most songs less.
MAILBOX_BYTES: Final = 16 * 2**20


@dataclass(frozen=True)
class Parcel:
    """What goes through the pipe: the object without its arrays, and their sizes in bytes as they lie in the file."""

    words: bytes
    sizes: tuple[int, ...]


class Mailbox:
    """Holds the arrays of one object at a time: it must be taken before the next is put.

    Args:
        path: a file that `create` made; it may be removed once both sides have it open.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), MAILBOX_BYTES)

    @staticmethod
    def create() -> Path | None:
        """A new file, with its room on the disk taken: a full disk must not end a process that writes to memory.

        None where there is no room, or no way to take it.
        """
        descriptor, name = tempfile.mkstemp(prefix="acousticsense-mailbox-")
        try:
            os.posix_fallocate(descriptor, 0, MAILBOX_BYTES)
        except (OSError, AttributeError):
            Path(name).unlink()
            return None
        finally:
            os.close(descriptor)
        return Path(name)

    def put(self, value: object) -> Parcel | None:
        """Leaves the arrays of a value; None when they are too large."""
        buffers: list[pickle.PickleBuffer] = []
        words = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
        raws = [buffer.raw() for buffer in buffers]
        if sum(raw.nbytes for raw in raws) > MAILBOX_BYTES:
            return None
        self._memory.seek(0)
        for raw in raws:
            self._memory.write(raw)
        return Parcel(words, tuple(raw.nbytes for raw in raws))

    def take(self, parcel: Parcel) -> Any:
        """The value, with arrays of its own."""
        ends = [*accumulate(parcel.sizes)]
        with memoryview(self._memory) as memory:
            places = zip([0, *ends], ends, strict=False)
            return pickle.loads(parcel.words, buffers=[bytearray(memory[start:end]) for start, end in places])
