"""Decoding strangers' files in processes of their own: a file that crashes or hangs a decoder costs one answer."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from acousticsense.audio import Source
from acousticsense.audio.source import opened
from acousticsense.errors import AcousticSenseError, AudioTooLargeError, DecoderCrashError, DecoderTimeoutError
from acousticsense.inference.preprocess import DecodedClip, Recipe, decode
from acousticsense.library.processes import begin_decoder, decoder_context, how_it_ended

__all__ = ["DecoderProcesses", "memory_limit"]

#: What a decoder may take beyond what it takes when it is idle: FFmpeg's buffers and copies while mixing.
_SPARE_BYTES: Final = 2**30
#: Decoded samples are held a few times over: as they come, joined, mixed and resampled.
_COPIES: Final = 4


class DecoderProcesses:
    """Processes that decode one clip at a time. Safe to share between threads; each starts when it is first needed.

    Args:
        timeout_s: seconds for one clip, after which its process is replaced.
        idle: where processes wait for the next clip; by default with those of all other servers in this process.
    """

    def __init__(self, *, timeout_s: float, idle: queue.LifoQueue[_Process] | None = None) -> None:
        self._timeout_s = timeout_s
        self._context: Any = decoder_context(__name__)
        self._idle = _IDLE if idle is None else idle

    def decode(self, source: Source, recipe: Recipe) -> DecodedClip:
        """As `preprocess.decode`, which it raises like, in a process.

        Raises:
            DecoderCrashError: the process died.
            DecoderTimeoutError: it took too long.
        """
        with self._borrowed() as process:
            answer = process.ask((_sendable(source, recipe), recipe), self._timeout_s)
        if isinstance(answer, AcousticSenseError):
            raise answer
        return answer

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[_Process]:
        """A process that nobody else uses; it is kept for the next clip unless it failed at this one."""
        process = self._idle_one()
        if process is None:
            with _STARTING:  # the first one loads what all share
                process = _Process(self._context)
        try:
            yield process
        except (DecoderCrashError, DecoderTimeoutError):
            process.end()
            raise
        except AcousticSenseError:  # it was never asked
            self._idle.put(process)
            raise
        self._idle.put(process)

    def _idle_one(self) -> _Process | None:
        """One that lives: the system may have ended it while it waited, which is no file's fault."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (process := self._idle.get_nowait()).is_alive:
                    return process
                process.end()
        return None

    def close(self) -> None:
        """Ends the idle processes."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().end()


def _sendable(source: Source, recipe: Recipe) -> str | Path | bytes:
    """A path, or what the file holds if it is no larger than allowed."""
    if isinstance(source, (str, Path)):
        return source
    with opened(source, recipe.limits) as file:
        return file.read()


class _Process:
    """One process and the connection to it."""

    def __init__(self, context: Any) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="decoder", daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return bool(self._process.is_alive())

    def ask(self, work: tuple[str | Path | bytes, Recipe], timeout_s: float) -> DecodedClip | AcousticSenseError:
        """The clip, or the error that decoding it raised."""
        try:
            self._connection.send(work)
            if self._connection.poll(timeout_s):
                answer: DecodedClip | AcousticSenseError = self._connection.recv()
                return answer
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise DecoderCrashError(
                f"The decoder {how_it_ended(self._process.exitcode)} on this file.",
                hint="The file is probably damaged.",
            ) from error
        raise DecoderTimeoutError(
            f"Decoding did not end within {timeout_s:g} s.", hint="Send a shorter excerpt, or convert the file."
        )

    def end(self) -> None:
        """Kills at once: a decoder has nothing to save."""
        self._process.kill()
        self._process.join(1)
        self._connection.close()


_IDLE: Final[queue.LifoQueue[_Process]] = queue.LifoQueue()
_STARTING: Final = threading.Lock()


def _serve(connection: Connection) -> None:
    """A process's life: answers each clip until nobody asks."""
    begin_decoder(niceness=0)
    try:
        while True:
            source, recipe = connection.recv()
            connection.send(_decoded(source, recipe))
    except (EOFError, OSError):
        return


def _decoded(source: str | Path | bytes, recipe: Recipe) -> DecodedClip | AcousticSenseError:
    """The clip, or what is wrong with it, within the memory that the recipe's limits need."""
    try:
        with memory_limit(_COPIES * recipe.limits.max_pcm_bytes + _SPARE_BYTES):
            return decode(source, recipe)
    except AcousticSenseError as error:
        return error
    except MemoryError:
        return AudioTooLargeError("Decoding it takes more memory than is allowed.", hint="Send a shorter excerpt.")


@contextlib.contextmanager
def memory_limit(n_bytes: int) -> Iterator[None]:
    """Lets this process allocate so many bytes more; only Linux counts them so."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except (ImportError, OSError):
        yield
        return
    used = 1024 * int(status.split("VmData:")[1].split()[0])
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
