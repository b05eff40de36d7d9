"""One process that decodes strangers' files, and what it does there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.errors import AcousticSenseError, AudioTooLargeError
from acousticsense.inference.decoding import DecodedClip, Recipe, decode, open_excerpt
from acousticsense.library.processes import ChildProcess, begin_decoder
from acousticsense.library.tag_task import TagTask, carry_out
from acousticsense.library.tags import TagPlan
from acousticsense.serving.mailbox import Mailbox, Parcel

#: What a decoder may take beyond what it takes when it is idle: FFmpeg's buffers and copies while mixing.
_SPARE_BYTES: Final = 2**30
#: Decoded samples are held a few times over: as they come, joined, mixed and resampled.
_COPIES: Final = 4


@dataclass(frozen=True)
class Task:
    """What is to be decoded.

    Attributes:
        kind: "clip" is answered with a `DecodedClip`; "stream" with the seconds that are expected (or None), the blocks
            one after the other, and an `End`. An error takes the place of any answer and is the last.
        source: path of the file, or its bytes (n,) as an array, which a mailbox can carry.
    """

    kind: Literal["clip", "stream"]
    source: str | Path | NDArray[np.uint8]
    recipe: Recipe


@dataclass(frozen=True)
class End:
    """What is known of a stream when it is over."""

    info: ClipInfo
    notes: tuple[HealthNote, ...]


class DecoderProcess(ChildProcess):
    """The process, and the connection to it.

    Attributes:
        is_free: whether the last answer of its last task was taken, so that it can be given another.
    """

    def __init__(self) -> None:
        self.is_free = True
        self._path = path = Mailbox.create()
        self._mailbox = Mailbox(path) if path else None
        super().__init__(_serve, path, if_late="Send a shorter excerpt, or convert the file.")

    def send(self, task: Task | TagTask) -> None:
        """Begins a task."""
        self.is_free = False
        super().send((self._mailbox and self._mailbox.put(task)) or task)

    def receive(self, timeout_s: float) -> Any:
        """The next answer; raises what decoding raised, too."""
        answer = super().receive(timeout_s)
        if isinstance(answer, Parcel) and self._mailbox:
            answer = self._mailbox.take(answer)
        self.is_free = isinstance(answer, (AcousticSenseError, DecodedClip, End, TagPlan))
        if isinstance(answer, AcousticSenseError):
            raise answer
        return answer

    def end(self) -> None:
        """Kills it and forgets it."""
        super().end()
        if self._path:
            self._path.unlink(missing_ok=True)  # where it ended before it began


def _serve(connection: Connection, path: Path | None) -> None:
    """A process's life: does each task until nobody asks.

    Args:
        connection: to the owner.
        path: of the file for arrays, which is removed as soon as both have it.
    """
    begin_decoder(niceness=0, has_network=False)
    mailbox = Mailbox(path) if path else None
    if path:
        path.unlink()
    try:
        while True:
            task = connection.recv()
            if isinstance(task, Parcel) and mailbox:
                task = mailbox.take(task)
            for answer in _answers(task):
                # Blocks of a stream are small, and the next may come before the last was taken.
                is_clip = isinstance(answer, DecodedClip)
                connection.send((mailbox.put(answer) if mailbox and is_clip else None) or answer)
    except (EOFError, OSError):
        return


def _answers(task: Task | TagTask) -> Iterator[object]:
    """What a task is answered with, within the memory that its limits need."""
    try:
        if isinstance(task, TagTask):
            with memory_limit(_SPARE_BYTES):
                yield carry_out(task)
            return
        source = task.source if isinstance(task.source, (str, Path)) else task.source.tobytes()
        with memory_limit(_COPIES * task.recipe.limits.max_pcm_bytes + _SPARE_BYTES):
            if task.kind == "clip":
                yield _contiguous(decode(source, task.recipe))
            else:
                yield from _streamed(source, task.recipe)
    except AcousticSenseError as error:
        yield error
    except MemoryError:
        yield AudioTooLargeError("Decoding it takes more memory than is allowed.", hint="Send a shorter excerpt.")


def _contiguous(clip: DecodedClip) -> DecodedClip:
    """The clip with arrays in one piece: others are pickled number by number into the words of a parcel."""
    return replace(clip, audio=replace(clip.audio, channels=np.ascontiguousarray(clip.audio.channels)))


def _streamed(source: str | Path | bytes, recipe: Recipe) -> Iterator[object]:
    with open_excerpt(source, recipe) as stream:
        yield stream.expected_s
        yield from stream.blocks()
        yield End(stream.info, stream.notes)


@contextlib.contextmanager
def memory_limit(n_bytes: int) -> Iterator[None]:
    """Lets this process allocate so many bytes more; only Linux counts them so."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except (ImportError, OSError):
        yield
        return
    used = 1024 * int(status.split("VmData:")[1].split()[0])
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + n_bytes if before[1] == resource.RLIM_INFINITY else min(used + n_bytes, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
