"""Decoding strangers' files in processes of their own: a file that crashes or hangs a decoder costs one answer."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.source import Source, opened
from acousticsense.audio.track import Samples
from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.inference.decoding import DecodedClip, Recipe
from acousticsense.library.tag_task import TagTask
from acousticsense.library.tags import TagPlan
from acousticsense.serving.decoder_process import DecoderProcess, End, Task

#: Processes that wait for work, of all servers in this process.
_IDLE: Final[queue.LifoQueue[DecoderProcess]] = queue.LifoQueue()


class DecoderProcesses:
    """Processes that decode one file at a time. Safe to share between threads; each starts when it is first needed.

    Args:
        timeout_s: seconds for one clip, or for one block of a stream, after which the process is replaced.
        idle: where processes wait for work; by default with those of all other servers in this process.
    """

    def __init__(self, *, timeout_s: float, idle: queue.LifoQueue[DecoderProcess] | None = None) -> None:
        self._timeout_s = timeout_s
        self._idle = _IDLE if idle is None else idle
        self._busy: set[DecoderProcess] = set()

    def decode(self, source: Source, recipe: Recipe) -> DecodedClip:
        """As `preprocess.decode`, which it raises like, in a process.

        Raises:
            DecoderCrashError: the process died.
            DecoderTimeoutError: it took too long.
        """
        task = Task("clip", _sendable(source, recipe), recipe)
        with self._at_work(task) as process:
            clip: DecodedClip = process.receive(self._timeout_s)
            return clip

    def tag(self, task: TagTask) -> TagPlan:
        """As `tag_task.carry_out`, in a process; raises like `decode`."""
        with self._at_work(task) as process:
            plan: TagPlan = process.receive(self._timeout_s)
            return plan

    @contextlib.contextmanager
    def stream(self, source: Source, recipe: Recipe) -> Iterator[RemoteStream]:
        """As `open_stream` with the excerpt of a recipe, in a process; raises like it and like `decode`."""
        task = Task("stream", _sendable(source, recipe), recipe)
        with self._at_work(task) as process:
            stream = RemoteStream(process, self._timeout_s)
            yield stream

    @contextlib.contextmanager
    def _at_work(self, task: Task | TagTask) -> Iterator[DecoderProcess]:
        """A process that does the task; it is kept for the next one only if all that it answers was taken."""
        process = self._idle_one()
        if process is None:
            process = DecoderProcess()
        self._busy.add(process)
        try:
            process.send(task)
            yield process
        finally:
            self._busy.discard(process)
            if process.is_free:
                self._idle.put(process)
            else:
                process.end()

    def _idle_one(self) -> DecoderProcess | None:
        """One that lives: the system may have ended it while it waited, which is no file's fault."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (process := self._idle.get_nowait()).is_alive:
                    return process
                process.end()
        return None

    def kill(self) -> None:
        """Ends the processes that are at work; whoever waits for them is told that they died."""
        for process in [*self._busy]:
            process.kill()

    def close(self) -> None:
        """Ends the idle processes."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().end()


class RemoteStream:
    """See `AudioStream`; `info` and `notes` are known at the end.

    Attributes:
        expected_s: seconds that will come, as far as the header tells; None when it does not.
    """

    def __init__(self, process: DecoderProcess, timeout_s: float) -> None:
        self._process, self._timeout_s = process, timeout_s
        self.expected_s: float | None = process.receive(timeout_s)

    def blocks(self) -> Iterator[Samples]:
        """Mono blocks (n,), one after the other, once."""
        while not isinstance(answer := self._process.receive(self._timeout_s), End):
            yield answer
        self.info: ClipInfo = answer.info
        self.notes: tuple[HealthNote, ...] = answer.notes


def _sendable(source: Source, recipe: Recipe) -> str | Path | NDArray[np.uint8]:
    """A path, or what the file holds if it is no larger than allowed."""
    if isinstance(source, (str, Path)):
        return source
    with opened(source, recipe.limits) as file:
        return np.frombuffer(file.read(), np.uint8)
