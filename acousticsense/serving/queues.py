"""The queues of a server: who waits for whom, how long, and what is counted of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from acousticsense.errors import AcousticSenseError
from acousticsense.serving.jobs import Job
from acousticsense.serving.limits import ConcurrencyLimiter
from acousticsense.serving.metrics import Metrics
from acousticsense.serving.temporary import FilesInUse
from acousticsense.settings import Settings

#: Seconds for which a timeline or a batch gives way to predictions before it does one more pass.
_PATIENCE_S: Final = 2.0

T = TypeVar("T")


class Queues:
    """Does work when it is its turn, counts refusals and measures how long answers took.

    Attributes:
        predictions: requests that somebody waits for.
        timelines: tracks that somebody watches.
        songs: timelines that nobody asked for; they take no place among those that were asked for.
        batches: many files at once, and their tags.
        finetuning: models that are made out of corrections, one at a time.
    """

    def __init__(self, settings: Settings, metrics: Metrics, files_in_use: FilesInUse) -> None:
        self._metrics, self._files_in_use = metrics, files_in_use
        self.predictions = ConcurrencyLimiter(
            concurrency=settings.concurrency, queue_size=settings.queue_size, name="predict"
        )
        self.timelines = ConcurrencyLimiter(
            concurrency=settings.timeline_concurrency, queue_size=settings.timeline_queue_size, name="timeline"
        )
        self.songs = ConcurrencyLimiter(concurrency=1, queue_size=settings.queue_size, name="song")
        self.batches = ConcurrencyLimiter(
            concurrency=settings.batch_concurrency, queue_size=settings.batch_queue_size, name="batch"
        )
        self.finetuning = ConcurrencyLimiter(concurrency=1, queue_size=0, name="finetune")

    def close(self) -> None:
        """Refuses everything that comes or still waits."""
        for limiter in (self.predictions, self.timelines, self.songs, self.batches, self.finetuning):
            limiter.close()

    def submit(self, work: Callable[[], T], *, is_answer: bool = True) -> Future[T]:
        """Does what a prediction needs, in turn.

        Args:
            is_answer: whether it is measured as an answer.

        Raises:
            OverloadError: too many wait.
        """
        timed = self.timed(work) if is_answer else work
        return self.counted(lambda: self.predictions.submit(lambda: self.counted(timed)))

    def timed(self, work: Callable[[], T]) -> Callable[[], T]:
        """The work that gives an answer, with its time in the queue and in all measured from now on."""
        submitted = time.perf_counter()

        def run() -> T:
            self._metrics.stage("queue", time.perf_counter() - submitted)
            answer = work()
            self._metrics.answered(time.perf_counter() - submitted)
            return answer

        return run

    def start(self, job: Job[T], limiter: ConcurrencyLimiter, work: Callable[[], T], paths: Sequence[Path]) -> None:
        """Begins a job that needs files until it is over.

        Raises:
            OverloadError: too many wait.
        """
        self._files_in_use.add(paths)
        try:
            self.counted(lambda: job.run_in(limiter, lambda: self.counted(work)))
        except BaseException:
            self._files_in_use.release(paths)
            raise
        job.when_over(lambda: self._files_in_use.release(paths))

    def counted(self, work: Callable[[], T]) -> T:
        """Does some work; a refusal is counted."""
        try:
            return work()
        except AcousticSenseError as error:
            self._metrics.failed(error.code)
            raise


def give_way(job: Job[Any], ahead: Sequence[ConcurrencyLimiter]) -> None:
    """Before one more pass of a long job: ends it if nobody waits for it, and lets other queues go first for a while.

    Raises:
        CancelledError: the job was given up.
        OverloadError: the server stops.
    """
    job.stop_if_cancelled()
    for limiter in ahead:
        limiter.refuse_if_closed()
        limiter.wait_until_empty(_PATIENCE_S)
