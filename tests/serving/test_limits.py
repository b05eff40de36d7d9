"""So much work at a time, so much that waits, and no thread for what waits."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future
from contextvars import ContextVar

import pytest

from acousticsense.errors import OverloadError
from acousticsense.serving.limits import ConcurrencyLimiter


@pytest.fixture
def limiter() -> ConcurrencyLimiter:
    return ConcurrencyLimiter(concurrency=2, queue_size=1, name="test")


def test_one_too_many_is_refused_at_once_and_there_is_room_again(limiter: ConcurrencyLimiter) -> None:
    done = threading.Event()
    work = [limiter.submit(lambda: done.wait(60)) for _ in range(3)]
    assert (limiter.full, limiter.inside) == (True, 3)
    with pytest.raises(OverloadError, match="queue is full"):
        limiter.submit(done.wait)
    done.set()
    assert [future.result() for future in work] == [True] * 3
    assert (limiter.full, limiter.inside) == (False, 0)


def test_what_waits_takes_no_thread() -> None:
    limiter = ConcurrencyLimiter(concurrency=1, queue_size=100, name="waiting")
    done = threading.Event()
    work = [limiter.submit(lambda: done.wait(60)) for _ in range(101)]
    assert sum(thread.name.startswith("waiting") for thread in threading.enumerate()) == 1
    done.set()
    assert all(future.result() for future in work)


def test_work_that_fails_or_is_cancelled_makes_room(limiter: ConcurrencyLimiter) -> None:
    done = threading.Event()
    working = [limiter.submit(lambda: done.wait(60)) for _ in range(2)]
    waiting: Future[float] = limiter.submit(lambda: 1 / 0)
    assert waiting.cancel()
    assert limiter.inside == 2
    failing: Future[float] = limiter.submit(lambda: 1 / 0)
    done.set()
    with pytest.raises(ZeroDivisionError):
        failing.result()
    assert all(future.result() for future in working)
    limiter.wait_until_empty(60)
    assert limiter.inside == 0


def test_what_is_cancelled_holds_nothing_while_others_work() -> None:
    limiter = ConcurrencyLimiter(concurrency=1, queue_size=5, name="holding")
    done = threading.Event()
    working = limiter.submit(lambda: done.wait(60))
    body = Body()
    is_gone = weakref.ref(body)
    waiting = limiter.submit(body.read)
    del body
    waiting.cancel()
    assert is_gone() is None
    done.set()
    assert working.result()


class Body:
    """What a request sent."""

    def read(self) -> str:
        return "sound"


def test_what_waits_is_refused_when_it_closes_and_what_runs_is_finished() -> None:
    limiter = ConcurrencyLimiter(concurrency=1, queue_size=5, name="closing")
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        may_end.wait(10)
        return "done"

    running, waiting = limiter.submit(work), limiter.submit(lambda: "never")
    begun.wait(10)
    limiter.close()
    with pytest.raises(OverloadError, match="stopping"):
        limiter.submit(lambda: "never")
    may_end.set()
    assert running.result(10) == "done"
    with pytest.raises(OverloadError, match="stopping"):
        waiting.result(10)


def test_what_waits_has_a_place_and_moves_up() -> None:
    limiter = ConcurrencyLimiter(concurrency=1, queue_size=2, name="places")
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(60)

    running = limiter.submit(work)
    first, second = limiter.submit(str), limiter.submit(str)
    assert begun.wait(60)
    assert [limiter.place(work) for work in (running, first, second)] == [0, 1, 2]
    first.cancel()
    assert limiter.place(second) == 1
    release.set()
    second.result(60)
    assert limiter.place(second) == 0


def test_work_sees_the_context_of_the_request(limiter: ConcurrencyLimiter) -> None:
    request_id: ContextVar[str] = ContextVar("request_id", default="")
    request_id.set("abc")
    assert limiter.submit(request_id.get).result(10) == "abc"


def test_it_tells_when_nobody_is_inside(limiter: ConcurrencyLimiter) -> None:
    done = threading.Event()
    limiter.submit(lambda: done.wait(60))
    limiter.wait_until_empty(0.01)
    assert limiter.inside == 1
    done.set()
    limiter.wait_until_empty(60)
    assert limiter.inside == 0
