"""What processes that decode have in common, whoever owns them: how they begin, end and are spoken of."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any, Final

import torch

__all__ = ["begin_decoder", "decoder_context", "how_it_ended"]

#: Of Linux's sched.h.
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

#: Of glibc's malloc.h, and how many bytes that became free a decoder keeps.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 * 2**20


def decoder_context(preload: str) -> BaseContext:
    """Processes forked from a clean server that has loaded everything once, where there is such a thing.

    Args:
        preload: the module that the processes need.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context


def begin_decoder(*, niceness: int, has_network: bool) -> None:
    """Called first in the process: it ends with its owner, leaves Ctrl-C to it and uses one thread.

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
    torch.set_num_threads(1)
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


def how_it_ended(exitcode: int | None) -> str:
    """The end of a process as the rest of a sentence."""
    if exitcode is None or exitcode >= 0:
        return f"ended with status {exitcode}"
    return f"was killed by {signal.Signals(-exitcode).name}"
