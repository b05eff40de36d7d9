"""What processes that decode have in common, whoever owns them. Any of them may hang or crash."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any, Final

from acousticsense.errors import DecoderCrashError, DecoderTimeoutError

#: Held while a process is started or asked for its end: starting one also polls all others, and an exit status can be
#: read only once.
_CHILDREN: Final = threading.Lock()

#: Of Linux's sched.h.
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

#: Of glibc's malloc.h, and how many bytes that became free a decoder keeps.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 * 2**20


def begin_decoder(*, niceness: int, has_network: bool) -> None:
    """Called first in the process: it ends with its owner and leaves Ctrl-C to it.

    Args:
        niceness: added to the process's own; the higher, the more it gives way.
        has_network: False takes the network away where the system allows that: Linux as root, or with namespaces for
            users.
    """
    if not has_network:
        _leave_network()
    _keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner ends its processes in good order
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(niceness)


def _leave_network() -> None:
    """No decoder asks for the network; now one that a file has taken over cannot."""
    if sys.platform == "linux":
        is_root = os.geteuid() == 0  # who keeps, without a namespace of users, the right to read others' files
        ctypes.CDLL(None).unshare(_CLONE_NEWNET if is_root else _CLONE_NEWNET | _CLONE_NEWUSER)


def _keep_memory() -> None:
    """What one song needed serves the next: getting it from the system each time slows decoding down."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES // 2)  # the most that glibc takes


def _die_with_parent() -> None:
    """Ends this process, even in the middle of a file, when the owner was killed."""
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)


class ChildProcess:
    """A process, and the connection to it. `kill` may be called from any thread.

    Args:
        serve: the process's life, importable by name; the other end of the connection is its first argument.
        arguments: the others, picklable.
        if_late: what to do about an answer that does not come in time, in words.
    """

    def __init__(self, serve: Callable[..., None], *arguments: object, if_late: str) -> None:
        self._if_late = if_late
        context = _context(serve.__module__)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *arguments), name="decoder", daemon=True)
        with _CHILDREN:
            self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        with _CHILDREN:
            return bool(self._process.is_alive())

    def send(self, value: Any) -> None:
        """Sends it something.

        Raises:
            DecoderCrashError: the process died.
        """
        try:
            self._connection.send(value)
        except OSError as error:
            raise self._crash() from error

    def receive(self, timeout_s: float) -> Any:
        """What it sends next.

        Raises:
            DecoderCrashError: the process died.
            DecoderTimeoutError: nothing came in time.
        """
        try:
            if self._connection.poll(timeout_s):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._crash() from error
        raise DecoderTimeoutError(f"Decoding did not end within {timeout_s:g} s.", hint=self._if_late)

    def _crash(self) -> DecoderCrashError:
        return DecoderCrashError(f"The decoder {self.ending()} on this file.", hint="The file is probably damaged.")

    def ending(self) -> str:
        """How a process that died ended, as the rest of a sentence."""
        self._await_end(5)
        with _CHILDREN:
            exitcode = self._process.exitcode
        if exitcode is None or exitcode >= 0:
            return f"ended with status {exitcode}"
        return f"was killed by {signal.Signals(-exitcode).name}"

    def kill(self) -> None:
        """Kills at once: a decoder has nothing to save."""
        if not wait([self._process.sentinel], 0):  # its number may belong to another process by now
            self._process.kill()

    def end(self) -> None:
        """Kills it and forgets it. One that sits in a dead network share is left behind."""
        self.kill()
        self._await_end(1)
        self._connection.close()

    def _await_end(self, timeout_s: float) -> None:
        """Waits without the lock, which others need, then takes the exit status."""
        wait([self._process.sentinel], timeout_s)
        with _CHILDREN:
            self._process.join(0.01)


def _context(preload: str) -> Any:
    """Processes forked from a clean server that has loaded everything once, where there is such a thing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context
