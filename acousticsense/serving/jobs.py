"""Work that takes longer than a request should wait: somebody watches it and may give it up."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from acousticsense.analysis.results import Timeline
from acousticsense.library.batch import Batch
from acousticsense.library.tags import TagPlan
from acousticsense.serving.limits import ConcurrencyLimiter
from acousticsense.serving.requests import ClipRequest

T = TypeVar("T")


class Job(Generic[T]):
    """Work that somebody watches and may give up.

    Attributes:
        started: False while others are before it.
        decided: done as soon as there is a result or somebody has given the work up, which may go on for a while then.
    """

    def __init__(self) -> None:
        self.started = False
        self.decided: Future[None] = Future()
        self._cancelled = threading.Event()
        self._future: Future[T] = Future()
        self._limiter: ConcurrencyLimiter | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return self._future.done()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has given it up."""
        return self._cancelled.is_set()

    @property
    def place(self) -> int:
        """Place in the queue, from 1; 0 when it has begun."""
        return self._limiter.place(self._future) if self._limiter else 0

    def result(self) -> T:
        """Waits for the result.

        Raises:
            AcousticSenseError: whatever the work raises.
            CancelledError: it was cancelled.
        """
        return self._future.result()

    async def outcome(self) -> T:
        """Waits for the result without a thread; gives the work up when nobody waits any more. Raises like `result`."""
        try:
            return await asyncio.wrap_future(self._future)
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Ends the work after the images in hand; a finished job stays as it is."""
        self._cancelled.set()
        self._future.cancel()
        _decide(self.decided)

    def run_in(self, limiter: ConcurrencyLimiter, work: Callable[[], T]) -> None:
        """Starts `work` when it is its turn; raises OverloadError when too many wait."""

        def begun() -> T:
            self.started = True
            return work()

        self._limiter, self._future = limiter, limiter.submit(begun)
        decided = self.decided  # of the job itself, the future would keep job and result alive
        self.when_over(lambda: _decide(decided))

    def when_over(self, do: Callable[[], None]) -> None:
        """Does something as soon as the job has ended in any way."""
        self._future.add_done_callback(lambda _: do())

    def stop_if_cancelled(self) -> None:
        """Raises CancelledError when nobody waits for the result any more."""
        if self.cancelled:
            raise CancelledError


def _decide(decided: Future[None]) -> None:
    with suppress(InvalidStateError):  # both ways at once
        decided.set_result(None)


class TrackJob(Job[T]):
    """Work on a track, which tells how far it is.

    Attributes:
        done_s: seconds of the track that are analysed.
        expected_s: seconds to predict in all; None when the file does not say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done_s = 0.0
        self.expected_s: float | None = None

    def progress(self, done_s: float, expected_s: float | None) -> None:
        """Notes how far the work is; raises CancelledError when nobody waits for it any more."""
        self.done_s, self.expected_s = done_s, expected_s
        self.stop_if_cancelled()


TimelineJob = TrackJob[Timeline]


class TagJob(Job[None]):
    """Genres that are planned for files, or written into copies of them.

    Attributes:
        writes: whether copies are made.
        plans: what is planned or was done, file by file.
        zip: the copies, when all are made.
    """

    def __init__(self, total: int, *, writes: bool) -> None:
        super().__init__()
        self.total = total
        self.writes = writes
        self.plans: list[TagPlan] = []
        self.zip: Path | None = None

    def discard(self) -> None:
        """Gives it up and removes what it made."""
        self.cancel()
        if self.zip:
            self.zip.unlink(missing_ok=True)


class FinetuneJob(Job[None]):
    """A model that is being made in a process of its own.

    Attributes:
        stage: "files" before the process runs, then one of `finetune.progress.Stage`.
        figures: `n` and `accuracy` of the finished model.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.stage = "files"
        self.done, self.total = 0, 1
        self.figures: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Ends a process when the job is given up."""
        self._process = process
        if self.cancelled:
            process.terminate()

    def cancel(self) -> None:
        """Ends the work."""
        super().cancel()
        if self._process:
            self._process.terminate()


class BatchJob(Job[None]):
    """Many files that are being predicted; whatever becomes of it, the rows so far are in `batch`.

    Attributes:
        tags: the last job that dealt with their genres.
        finetune: the last job that made a model out of corrections.
    """

    def __init__(self, batch: Batch, request: ClipRequest) -> None:
        super().__init__()
        self.batch = batch
        self.request = request
        self.finetune: FinetuneJob | None = None
        self.tags: TagJob | None = None
