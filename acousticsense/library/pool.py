"""The CPU stage in processes of its own, any of which may hang or crash: the file gets a row, the pool a new process.

A thread for each process waits for its answers.

`concurrent.futures` ends a whole pool when one process dies and cannot stop a task that hangs; why pebble is not used
stands in docs/architecture.md.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import torch

from acousticsense.errors import DecoderCrashError, DecoderTimeoutError, LibraryError
from acousticsense.inference.decoding import Recipe
from acousticsense.library.decode import DecodedFile, FailedFile, Outcome, decode_file
from acousticsense.library.processes import ChildProcess, begin_decoder
from acousticsense.library.rows import RowError

#: What a process does with each path; importable by name, so that it can be sent there.
Decode = Callable[[str, Recipe], Outcome]

#: A process imports PyTorch and FFmpeg before it says that it is ready.
_START_S: Final = 120.0
#: Whoever predicts goes first: the threads of a network wait for each other, and a decoder on the core of one of them
#: holds up all. Decoders work while the network waits for images, so that no time is lost, and keep a tenth of a busy
#: core, so that none runs into its time limit.
_NICENESS: Final = 10
#: All processes that were killed are waited for no longer than this: one may sit in a dead network share.
_END_S: Final = 2.0
#: Processes in a row that may die before one gets ready.
_MAX_FAILED_STARTS: Final = 3
#: Inputs that may wait for the network; a clip of 30 minutes has 92 MB of them for the default model.
_WAITING_BYTES: Final = 256 * 2**20


class DecoderPool:
    """Decodes submitted paths ahead of the caller. `submit` and `take` are for one thread.

    Args:
        timeout_s: seconds for one file; what takes longer is stopped.

    Memory stays bounded when the caller bounds `outstanding`: no further file is begun while the decoded ones that
    wait exceed a limit on bytes.
    """

    def __init__(self, recipe: Recipe, *, workers: int, timeout_s: float = 60.0, decode: Decode = decode_file) -> None:
        self.outstanding = 0
        self._recipe = recipe
        self._decode = decode
        self._timeout_s = timeout_s
        self._done: queue.SimpleQueue[Outcome | LibraryError] = queue.SimpleQueue()
        self._changed = threading.Condition()  # guards the following
        self._paths: deque[str] = deque()
        self._waiting_bytes = 0
        self._processes: set[ChildProcess] = set()
        self._failed_starts = 0
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._work, name="decoder-pool", daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, path: str) -> None:
        """Queues a path."""
        self.outstanding += 1
        with self._changed:
            self._paths.append(path)
            self._changed.notify_all()

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
                self._done.put(outcome)  # whoever asks again is told again
                raise outcome
            self.outstanding -= 1
            n_images += len(outcome.images) if isinstance(outcome, DecodedFile) else 0
            outcomes.append(outcome)
        with self._changed:
            self._waiting_bytes -= sum(map(_size, outcomes))
            self._changed.notify_all()
        return outcomes

    def close(self) -> None:
        """Ends the processes; what is under way is given up."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            for process in self._processes:
                process.kill()
        deadline = time.monotonic() + _END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # --- the threads

    def _work(self) -> None:
        """Hands paths to a process of its own, one after the other, and replaces it when it hangs or dies."""
        process: ChildProcess | None = None
        try:
            while (path := self._next_path()) is not None:
                process = self._sent(path, process)
                try:
                    outcome: Outcome = process.receive(self._timeout_s)
                except (DecoderCrashError, DecoderTimeoutError) as error:
                    outcome = FailedFile(path=path, error=RowError.of(error))
                    self._end(process)
                    process = None
                with self._changed:
                    self._waiting_bytes += _size(outcome)
                self._done.put(outcome)
        except LibraryError as error:
            self._done.put(error)
        except Exception as error:  # noqa: BLE001 - or the caller would wait for ever
            self._done.put(LibraryError(f"The decoder processes cannot be managed: {error!r}."))
        finally:
            if process:
                self._end(process)

    def _next_path(self) -> str | None:
        """The next path as soon as there is one and room for what it holds; None once the pool is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed.is_set() or (self._paths and self._waiting_bytes <= _WAITING_BYTES)
            )
            return None if self._closed.is_set() else self._paths.popleft()

    def _sent(self, path: str, process: ChildProcess | None) -> ChildProcess:
        """The process that was given a path: the idle one, or a new one if that died (not this file's fault)."""
        while True:
            process = process or self._ready_process()
            try:
                process.send(path)
            except DecoderCrashError:
                self._end(process)
                process = None
            else:
                return process

    def _ready_process(self) -> ChildProcess:
        """A new process that is ready for files.

        Raises:
            LibraryError: several in a row did not get ready, or the pool was closed.
        """
        reason, failed_starts = "the pool was closed", 0
        while not self._closed.is_set() and failed_starts < _MAX_FAILED_STARTS:
            process = ChildProcess(
                _serve, self._decode, self._recipe, if_late="Allow more with --timeout, or convert it."
            )
            with self._changed:
                self._processes.add(process)
                if self._closed.is_set():
                    process.kill()
            try:
                process.receive(_START_S)
            except DecoderTimeoutError:
                reason = f"they take longer than {_START_S:g} s"
            except DecoderCrashError:
                reason = f"they {process.ending()}"
            else:
                with self._changed:
                    self._failed_starts = 0
                return process
            self._end(process)
            with self._changed:
                self._failed_starts += 1
                failed_starts = self._failed_starts
        raise LibraryError(
            f"The decoder processes do not start: {reason}.", hint="See the messages above; is there enough memory?"
        )

    def _end(self, process: ChildProcess) -> None:
        with self._changed:
            self._processes.discard(process)
        process.end()


def _size(outcome: Outcome) -> int:
    return outcome.images.nbytes if isinstance(outcome, DecodedFile) else 0


def _serve(connection: Connection, decode: Decode, recipe: Recipe) -> None:
    """A process's life: says that it is ready, then answers each path with an outcome until nobody asks."""
    begin_decoder(niceness=_NICENESS, has_network=True)  # a file may be an object in a store
    torch.set_num_threads(1)  # each process has a core
    try:
        connection.send(None)
        while True:
            connection.send(decode(connection.recv(), recipe))
    except (EOFError, OSError):
        return
