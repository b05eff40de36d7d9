"""Work that pages wait for: each page for one piece at a time, and what nobody waits for any more ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from acousticsense.serving.jobs import TrackJob

#: How often a page is told how far the work is.
_TELL_EVERY_S: Final = 0.5
#: Before this much work is done, nothing can be said about the rest.
_GUESS_AFTER_S: Final = 2.0

T = TypeVar("T")


class Told(NamedTuple):
    """How far work on a track is: seconds that are analysed, of all (None: unknown), until the end, and its place in
    the queue (0: it has begun)."""

    done_s: float
    expected_s: float | None
    left_s: float | None
    place: int


@dataclass(eq=False)
class Run(Generic[T]):
    """Work that a page waits for.

    Attributes:
        is_left: whether the page waits for something else by now, and is not to be told of this run.
    """

    path: Path
    job: TrackJob[T]
    is_left: bool = False

    def __post_init__(self) -> None:
        self._decided = asyncio.wrap_future(self.job.decided)

    def leave(self) -> None:
        """Ends the work; the page is not told."""
        self.is_left = True
        self.job.cancel()

    async def wait(self, timeout_s: float) -> None:
        """Returns when the work is finished or given up, at the latest after `timeout_s`."""
        await asyncio.wait([self._decided], timeout=timeout_s)

    async def progress(self) -> AsyncIterator[Told]:
        """How far it is, until it is finished or given up; the rest is guessed from the pace so far."""
        job, started = self.job, None
        while not self._decided.done():
            now = time.monotonic()
            if job.expected_s is not None and started is None:  # reading the file does not count
                started = now
            worked_s = now - started if started is not None else 0.0
            left_s = None
            if job.expected_s and job.done_s and worked_s > _GUESS_AFTER_S:
                left_s = worked_s * max(0.0, job.expected_s / job.done_s - 1)
            yield Told(job.done_s, job.expected_s, left_s, job.place)
            await self.wait(_TELL_EVERY_S)


class PageRuns(Generic[T]):
    """What each page waits for; pages go by their session."""

    def __init__(self) -> None:
        self._runs: dict[str | None, Run[T]] = {}

    @contextmanager
    def running(self, page: str | None, path: Path, start: Callable[[], TrackJob[T]]) -> Iterator[Run[T]]:
        """Begins work on a file for a page, which ends the one before. At the end of the block nobody waits any more.

        Raises:
            OverloadError: too many wait.
        """
        self.leave(page)
        run = Run(path, start())
        self._runs[page] = run
        try:
            yield run
        finally:
            run.job.cancel()
            if self._runs.get(page) is run:
                del self._runs[page]

    def is_for(self, page: str | None, path: Path | None) -> bool:
        """Whether a page waits for work on this very file."""
        run = self._runs.get(page)
        return run is not None and run.path == path

    def stop(self, page: str | None) -> None:
        """Gives a page's work up; whoever tells of it says so."""
        if run := self._runs.get(page):
            run.job.cancel()

    def leave(self, page: str | None) -> None:
        """Ends what a page waits for without a word."""
        if run := self._runs.pop(page, None):
            run.leave()
