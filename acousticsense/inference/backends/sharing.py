"""Requests that arrive while a forward pass runs share the next one.

Nobody waits for company: a lone request is computed at once, by its own thread. While it is, others queue up, and the
first of them to get its turn computes for all. Under load batches grow by themselves; without load nothing is delayed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(eq=False)
class _Job:
    """What one caller asked for, and what has been computed of it."""

    batch: Tensor
    outputs: list[Tensor] = field(default_factory=list)
    n_taken: int = 0
    error: Exception | None = None

    @property
    def n_left(self) -> int:
        return len(self.batch) - self.n_taken

    @property
    def is_finished(self) -> bool:
        """Whether all is computed; that all is taken does not mean it."""
        return self.error is not None or sum(map(len, self.outputs)) == len(self.batch)

    def take(self, count: int) -> Tensor:
        part = self.batch[self.n_taken : self.n_taken + count]
        self.n_taken += len(part)
        return part


class SharedForward:
    """A forward pass that many threads call at once.

    Args:
        forward: outputs (n, n_outputs) of a batch (n, ...); it is called by one thread at a time.
        max_batch: most rows in one pass.
    """

    def __init__(self, forward: Callable[[Tensor], Tensor], *, max_batch: int) -> None:
        self._forward = forward
        self._max_batch = max_batch
        self._waiting: deque[_Job] = deque()
        self._is_computing = False
        self._changed = threading.Condition()

    def __call__(self, batch: Tensor) -> Tensor:
        """The outputs of `batch`, which has one row or more.

        Raises:
            Exception: what `forward` raised for these very rows; another caller's failure never gets here.
        """
        job = _Job(batch)
        self._waiting.append(job)
        while self._is_my_turn(job):
            try:
                self._pass()
            finally:
                with self._changed:
                    self._is_computing = False
                    self._changed.notify_all()
        if job.error is not None:
            raise job.error
        return torch.cat(job.outputs)

    def _is_my_turn(self, job: _Job) -> bool:
        """Waits until this job is finished (False), or nobody computes and its thread is to do so (True)."""
        with self._changed:
            self._changed.wait_for(lambda: job.is_finished or not self._is_computing)
            if job.is_finished:
                return False
            self._is_computing = True
            return True

    def _pass(self) -> None:
        """One forward pass for those who wait, in the order in which they came.

        Each gets an equal share of the batch, so that a whole track does not hold up the clips behind it; what of it
        is left queues again.
        """
        jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
        taken: list[tuple[_Job, Tensor]] = []
        room = self._max_batch
        for place, job in enumerate(sorted(jobs, key=lambda job: job.n_left)):
            part = job.take(room // (len(jobs) - place))
            room -= len(part)
            taken.append((job, part))
        self._compute(taken)
        self._waiting.extend(job for job in jobs if not job.is_finished)

    def _compute(self, taken: list[tuple[_Job, Tensor]]) -> None:
        try:
            outputs = self._forward(torch.cat([part for _, part in taken]))
        except Exception as error:  # noqa: BLE001 - it belongs to one of the callers, who gets it below
            if len(taken) == 1:
                taken[0][0].error = error
                return
            for one in taken:
                self._compute([one])
            return
        for (job, _), output in zip(taken, torch.split(outputs, [len(part) for _, part in taken]), strict=True):
            job.outputs.append(output)
