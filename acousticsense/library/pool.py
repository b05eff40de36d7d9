"""The CPU stage in processes of its own, any of which may hang or crash: the file gets a row, the pool a new process.

`concurrent.futures` ends a whole pool when one process dies and cannot stop a task that hangs; why pebble is not used
stands in docs/architecture.md.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final

from acousticsense.errors import DecoderCrashError, DecoderTimeoutError, LibraryError
from acousticsense.inference.preprocess import Recipe
from acousticsense.library.decode import DecodedFile, FailedFile, Outcome, decode_file
from acousticsense.library.processes import begin_decoder, decoder_context, how_it_ended
from acousticsense.library.rows import RowError

__all__ = ["Decode", "DecoderPool"]

#: What a process does with each path; importable by name, so that it can be sent there.
Decode = Callable[[str, Recipe], Outcome]

#: A process imports PyTorch and FFmpeg before it says that it is ready.
_START_S: Final = 120.0
#: Whoever predicts goes first: the threads of a network wait for each other, and a decoder on the core of one of them
#: holds up all. Decoders work while the network waits for images, so that no time is lost, and keep a tenth of a busy
#: core, so that none runs into its time limit.
_NICENESS: Final = 10
#: Processes in a row that may die before one gets ready.
_MAX_FAILED_STARTS: Final = 3
#: Inputs that may wait for the network; a clip of 30 minutes has 92 MB of them for the default model.
_WAITING_BYTES: Final = 256 * 2**20


@dataclass(eq=False)
class _Worker:
    """A process, the connection to it, and the path it works on (None before it is ready and between files)."""

    process: BaseProcess
    connection: Connection
    deadline: float
    path: str | None = None
    ready: bool = False


@dataclass(eq=False)
class _Traffic:
    """What the threads share, under `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    paths: deque[str] = field(default_factory=deque)
    waiting_bytes: int = 0
    closed: bool = False


class DecoderPool:
    """Decodes submitted paths ahead of the caller. `submit` and `take` are for one thread.

    Args:
        recipe: by which files are decoded.
        workers: processes.
        timeout_s: seconds for one file; what takes longer is stopped.
        decode: the work itself.

    Memory stays bounded when the caller bounds `outstanding`: no further file is begun while the decoded ones that
    wait exceed a limit on bytes.
    """

    def __init__(self, recipe: Recipe, *, workers: int, timeout_s: float = 60.0, decode: Decode = decode_file) -> None:
        self.outstanding = 0
        self._recipe = recipe
        self._decode = decode
        self._timeout_s = timeout_s
        self._traffic = _Traffic()
        self._done: queue.SimpleQueue[Outcome | LibraryError] = queue.SimpleQueue()
        self._wakes, self._wake = multiprocessing.Pipe(duplex=False)
        self._failed_starts = 0
        self._context: Any = decoder_context(__name__)
        self._workers = [self._start() for _ in range(workers)]
        self._thread = threading.Thread(target=self._manage, name="decoder-pool", daemon=True)
        self._thread.start()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, path: str) -> None:
        """Queues a path."""
        self.outstanding += 1
        with self._traffic.lock:
            self._traffic.paths.append(path)
        self._wake.send(None)

    def take(self, at_most: int) -> list[Outcome]:
        """Outcomes in the order in which they come: waits for the first, then takes what else is there.

        Args:
            at_most: images after which no further outcome is taken.

        Raises:
            LibraryError: the processes do not start.
        """
        outcomes: list[Outcome] = []
        n_images = 0
        while self.outstanding and n_images < at_most:
            try:
                outcome = self._done.get(block=not outcomes)
            except queue.Empty:
                break
            if isinstance(outcome, LibraryError):
                raise outcome
            self.outstanding -= 1
            n_images += len(outcome.images) if isinstance(outcome, DecodedFile) else 0
            outcomes.append(outcome)
        with self._traffic.lock:
            self._traffic.waiting_bytes -= sum(map(_size, outcomes))
        self._wake.send(None)
        return outcomes

    def close(self) -> None:
        """Ends the processes; what is under way is given up."""
        with self._traffic.lock:
            if self._traffic.closed:
                return
            self._traffic.closed = True
        self._wake.send(None)
        self._thread.join()
        for worker in self._workers:
            self._end(worker)
        self._wake.close()
        self._wakes.close()

    # --- the managing thread

    def _manage(self) -> None:
        """Hands out paths, collects outcomes and replaces what hangs or dies."""
        try:
            while not self._traffic.closed:
                self._hand_out()
                ready = wait([self._wakes, *(worker.connection for worker in self._workers)], self._patience_s())
                if self._wakes in ready:
                    self._wakes.recv()
                for worker in [worker for worker in self._workers if worker.connection in ready]:
                    self._receive(worker)
                self._stop_late()
        except LibraryError as error:
            self._done.put(error)
        except Exception as error:  # noqa: BLE001 - or the caller would wait for ever
            self._done.put(LibraryError(f"The decoder processes cannot be managed: {error!r}."))

    def _hand_out(self) -> None:
        for worker in self._workers:
            if not worker.ready or worker.path is not None:
                continue
            with self._traffic.lock:
                if not self._traffic.paths or self._traffic.waiting_bytes > _WAITING_BYTES:
                    return
                worker.path = self._traffic.paths.popleft()
            worker.deadline = time.monotonic() + self._timeout_s
            try:
                worker.connection.send(worker.path)
            except OSError:  # it died while idle, as `_receive` will find out: not this file's fault
                with self._traffic.lock:
                    self._traffic.paths.appendleft(worker.path)
                worker.path = None

    def _receive(self, worker: _Worker) -> None:
        try:
            outcome: Outcome | None = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if outcome is None:
            worker.ready = True
            worker.deadline = float("inf")
            self._failed_starts = 0
            return
        self._finish(worker, outcome)

    def _finish(self, worker: _Worker, outcome: Outcome) -> None:
        worker.path = None
        worker.deadline = float("inf")
        with self._traffic.lock:
            self._traffic.waiting_bytes += _size(outcome)
        self._done.put(outcome)

    def _bury(self, worker: _Worker) -> None:
        """A process that died: its file is a failed one, and another process takes its place."""
        worker.process.join(5)
        ended = how_it_ended(worker.process.exitcode)
        if worker.path is not None:
            error = DecoderCrashError(f"The decoder {ended} on this file.", hint="The file is probably damaged.")
            self._finish(worker, FailedFile(path=worker.path, error=RowError.of(error)))
        elif not worker.ready:
            self._failed_starts += 1
        self._replace(worker, f"they {ended}")

    def _stop_late(self) -> None:
        """Stops processes that are over their time."""
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.deadline < now]:
            if worker.path is not None:
                error = DecoderTimeoutError(
                    f"Decoding did not end within {self._timeout_s:g} s.",
                    hint="Allow more with --timeout, or convert it.",
                )
                self._finish(worker, FailedFile(path=worker.path, error=RowError.of(error)))
            else:
                self._failed_starts += 1
            self._replace(worker, f"they take longer than {_START_S:g} s")

    def _replace(self, worker: _Worker, reason: str) -> None:
        self._end(worker)
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise LibraryError(
                f"The decoder processes do not start: {reason}.", hint="See the messages above; is there enough memory?"
            )
        self._workers[self._workers.index(worker)] = self._start()

    def _patience_s(self) -> float | None:
        nearest = min(worker.deadline for worker in self._workers)
        return None if nearest == float("inf") else max(0.0, nearest - time.monotonic()) + 0.01

    # --- processes

    def _start(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._decode, self._recipe), name="decoder", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic() + _START_S)

    @staticmethod
    def _end(worker: _Worker) -> None:
        """Kills at once: a decoder has nothing to save. One that sits in a dead network share is left behind."""
        worker.process.kill()
        worker.process.join(1)
        worker.connection.close()


def _size(outcome: Outcome) -> int:
    return outcome.images.nbytes if isinstance(outcome, DecodedFile) else 0


def _serve(connection: Connection, decode: Decode, recipe: Recipe) -> None:
    """A process's life: says that it is ready, then answers each path with an outcome until nobody asks."""
    begin_decoder(niceness=_NICENESS, has_network=True)  # a file may be an object in a store
    try:
        connection.send(None)
        while True:
            connection.send(decode(connection.recv(), recipe))
    except (EOFError, OSError):
        return
