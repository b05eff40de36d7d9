"""Work that somebody waits for in the event loop and may give up."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from acousticsense.errors import AudioEmptyError
from acousticsense.serving.jobs import Job
from acousticsense.serving.limits import ConcurrencyLimiter
from tests.conftest import run_alone


@pytest.fixture
def may_end() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def started(work: object, may_end: threading.Event) -> Job[object]:
    """A job whose work goes on until it may end, then gives `work` back or raises it."""
    begun = threading.Event()

    def run() -> object:
        begun.set()
        assert may_end.wait(60)
        if isinstance(work, Exception):
            raise work
        return work

    job: Job[object] = Job()
    job.run_in(ConcurrencyLimiter(concurrency=1, queue_size=1, name="test"), run)
    assert begun.wait(60)
    return job


def test_the_outcome_is_the_result(may_end: threading.Event) -> None:
    job = started("done", may_end)
    assert not job.decided.done()
    may_end.set()
    assert run_alone(job.outcome()) == "done"
    assert job.decided.done()


def test_the_outcome_raises_what_the_work_raises(may_end: threading.Event) -> None:
    job = started(AudioEmptyError("nothing in it"), may_end)
    may_end.set()
    with pytest.raises(AudioEmptyError, match="nothing in it"):
        run_alone(job.outcome())


def test_work_that_nobody_waits_for_any_more_is_given_up(may_end: threading.Event) -> None:
    job = started("done", may_end)

    async def leave() -> None:
        waiting = asyncio.create_task(job.outcome())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_alone(leave())
    assert job.cancelled


def test_a_job_is_decided_when_it_is_given_up_though_its_work_goes_on(may_end: threading.Event) -> None:
    job = started("done", may_end)
    job.cancel()
    assert job.decided.done()
    assert not job.finished
    may_end.set()
    assert job.result() == "done"


def test_a_job_that_is_over_is_forgotten_with_its_result(may_end: threading.Event) -> None:
    """Without waiting for the collector of cycles: a result may be hundreds of MB."""
    may_end.set()
    job = started("done", may_end)
    assert job.result() == "done"
    job.decided.result(60)
    is_gone = weakref.ref(job)
    gc.disable()
    try:
        del job
        assert is_gone() is None
    finally:
        gc.enable()
