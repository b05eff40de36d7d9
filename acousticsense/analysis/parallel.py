"""Running the models of an ensemble at the same time: threads on a CPU, streams on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch

#: Models at work at the same time, at most: more would only take memory from each other.
_MAX_WORKERS: Final = 8


class WorkerPool:
    """Threads that share PyTorch's own among them; started when first asked for, and always the same ones.

    Args:
        device: where networks run. On a GPU there are 8 workers, on a CPU one for each of PyTorch's threads up to 8.
    """

    def __init__(self, device: torch.device) -> None:
        self.n_threads: Final = torch.get_num_threads()
        self._n_workers = _MAX_WORKERS if device.type != "cpu" else min(_MAX_WORKERS, self.n_threads)
        self._start = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Runs the work."""
        with self._start:
            if self._executor is None:
                self._executor = _executor(self._n_workers, self.n_threads)
            return self._executor


def _executor(n_workers: int, n_threads: int) -> ThreadPoolExecutor:
    executor = ThreadPoolExecutor(
        n_workers, "ensemble", initializer=torch.set_num_threads, initargs=(max(1, n_threads // n_workers),)
    )
    # A thread's number also becomes that of threads yet to come: all start now, then the old number is put back.
    together = threading.Barrier(n_workers)
    list(executor.map(lambda _: together.wait(), range(n_workers)))
    torch.set_num_threads(n_threads)
    return executor


def split_by_cost(names: Sequence[str], cost_ms: Mapping[str, float], n_threads: int) -> tuple[list[str], list[str]]:
    """Models that should get all threads, one after the other, and those that should run side by side.

    A model that costs more than one thread's share of the whole would keep one thread busy when all others have ended.

    Args:
        cost_ms: what each took the last time; as long as one is unknown, all run side by side.

    Returns:
        Names to run alone and names to run together, each the most expensive first.
    """
    costs = {name: cost_ms.get(name, 0.0) for name in names}
    ranked = sorted(names, key=lambda name: -costs[name])
    if n_threads == 1 or not all(costs.values()):
        return [], ranked
    share = sum(costs.values()) / n_threads
    return [name for name in ranked if costs[name] > share], [name for name in ranked if costs[name] <= share]


def own_stream(device: torch.device) -> AbstractContextManager[Any]:
    """A CUDA stream of this thread's own; on a CPU, nothing."""
    cuda: Any = torch.cuda
    return cuda.stream(cuda.Stream(device)) if device.type == "cuda" else nullcontext()
