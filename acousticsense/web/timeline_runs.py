"""Timelines that pages wait for: each page for one at a time, and what nobody waits for any more ends its work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from acousticsense.serving.jobs import TimelineJob
from acousticsense.serving.requests import TimelineRequest
from acousticsense.serving.service import PredictionService

__all__ = ["Run", "TimelineRuns", "Told"]

#: How often a page is told how far the work is.
_TELL_EVERY_S: Final = 0.5
#: Before this much work is done, nothing can be said about the rest.
_GUESS_AFTER_S: Final = 2.0


class Told(NamedTuple):
    """How far work on a track is: seconds that are analysed, of all (None: unknown), until the end, and its place in
    the queue (0: it has begun)."""

    done_s: float
    expected_s: float | None
    left_s: float | None
    place: int


@dataclass(eq=False)
class Run:
    """A timeline that a page waits for.

    Attributes:
        path: of the file.
        job: the work.
        is_left: whether the page waits for something else by now, and is not to be told of this run.
    """

    path: Path
    job: TimelineJob
    is_left: bool = False

    def leave(self) -> None:
        """Ends the work; the page is not told."""
        self.is_left = True
        self.job.cancel()

    async def progress(self) -> AsyncIterator[Told]:
        """How far it is, until it is finished or given up; the rest is guessed from the pace so far."""
        job, started = self.job, None
        while not (job.finished or job.cancelled):
            now = time.monotonic()
            if job.started and started is None:
                started = now
            worked_s = now - started if started is not None else 0.0
            left_s = None
            if job.expected_s and job.done_s and worked_s > _GUESS_AFTER_S:
                left_s = worked_s * max(0.0, job.expected_s / job.done_s - 1)
            yield Told(job.done_s, job.expected_s, left_s, job.place)
            until = now + _TELL_EVERY_S
            while not (job.finished or job.cancelled) and time.monotonic() < until:
                await asyncio.sleep(_TELL_EVERY_S / 10)


class TimelineRuns:
    """What each page waits for; pages go by their session.

    Args:
        service: what computes.
        unasked: whether nobody asked for these timelines; see `PredictionService.start_timeline`.
    """

    def __init__(self, service: PredictionService, *, unasked: bool = False) -> None:
        self._service = service
        self._unasked = unasked
        self._runs: dict[str | None, Run] = {}

    @contextmanager
    def running(self, page: str | None, path: Path, wanted: TimelineRequest) -> Iterator[Run]:
        """Begins a timeline for a page, which ends the one before. At the end of the block nobody waits any more.

        Raises:
            OverloadError: too many wait.
        """
        self.leave(page)
        run = Run(path, self._service.start_timeline(path, wanted, unasked=self._unasked))
        self._runs[page] = run
        try:
            yield run
        finally:
            run.job.cancel()
            if self._runs.get(page) is run:
                del self._runs[page]

    def is_for(self, page: str | None, path: Path | None) -> bool:
        """Whether a page waits for the timeline of this very file."""
        run = self._runs.get(page)
        return run is not None and run.path == path

    def stop(self, page: str | None) -> None:
        """Gives a page's timeline up; whoever tells of it says so."""
        if run := self._runs.get(page):
            run.job.cancel()

    def leave(self, page: str | None) -> None:
        """Ends what a page waits for without a word."""
        if run := self._runs.pop(page, None):
            run.leave()
