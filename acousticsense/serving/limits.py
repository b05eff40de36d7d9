"""How much work is done at the same time, and how much may wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from acousticsense.errors import OverloadError

T = TypeVar("T")


class ConcurrencyLimiter:
    """Does `concurrency` pieces of work at a time, lets `queue_size` wait, and refuses one more at once.

    Work that waits takes no thread. The threads that do it are always the same few: PyTorch and the allocator keep
    memory for every thread that they ever saw.
    """

    def __init__(self, *, concurrency: int, queue_size: int, name: str) -> None:
        self._limit = concurrency + queue_size
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix=name)
        self._inside = 0
        self._submitted: list[Future[Any]] = []  # in their order; what is over goes
        self._is_closed = False
        self._changed = threading.Condition()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Does `work` as soon as a thread is free. Cancelling what still waits makes room at once.

        Raises:
            OverloadError: the queue is full.
        """

        held = [work]  # what is cancelled waits for a thread like all else, without holding what it would have needed

        def run() -> T:
            try:
                self.refuse_if_closed()
                return held.pop()()
            finally:
                self._leave()

        def over(future: Future[T]) -> None:
            held.clear()
            self._submitted.remove(future)
            if future.cancelled():
                self._leave()

        with self._changed:
            self.refuse_if_full()
            self._inside += 1
        try:
            future = self._workers.submit(copy_context().run, run)  # what it logs belongs to the request
        except RuntimeError:  # the interpreter shuts down
            self._leave()
            raise
        self._submitted.append(future)
        future.add_done_callback(over)
        return future

    def place(self, future: Future[Any]) -> int:
        """Place of some work among what waits, from 1; 0 when it has begun or is over."""
        waiting = [other for other in tuple(self._submitted) if not (other.running() or other.done())]
        return waiting.index(future) + 1 if future in waiting else 0

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> None:
        """Returns when nothing is done or waits, at the latest after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._inside, timeout_s)

    def refuse_if_full(self) -> None:
        """Raises OverloadError when the next piece of work would be refused."""
        self.refuse_if_closed()
        if self.full:
            raise OverloadError("The server is busy and its queue is full.", hint="Try again in a few seconds.")

    def close(self) -> None:
        """Refuses from now on what comes and what still waits; what is being done is finished."""
        self._is_closed = True

    def refuse_if_closed(self) -> None:
        """Raises OverloadError when it was closed."""
        if self._is_closed:
            raise OverloadError("The server is stopping.", hint="Try again when it is back.", retry_after_s=10)

    @property
    def inside(self) -> int:
        """Pieces of work that are being done or wait."""
        return self._inside

    @property
    def full(self) -> bool:
        """Whether the next piece of work would be refused."""
        return self._is_closed or self._inside >= self._limit
