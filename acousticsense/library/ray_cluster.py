"""A connection to a Ray cluster, or a cluster of this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from acousticsense.errors import LibraryError
from acousticsense.settings import available_cores

#: Memory for what travels, on a cluster of this machine alone; full, it makes the decoders wait.
_OBJECT_STORE_BYTES: Final = 512 * 2**20
#: Seconds in which a cluster must take a connection.
_ANSWER_S: Final = 10.0
_EXTRA_HINT: Final = "pip install 'acousticsense[ray]', or use --engine local."


def ray_package() -> Any:
    """Ray; raises LibraryError when it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise LibraryError("The Ray engine needs the package ray.", hint=_EXTRA_HINT) from error
    return ray


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """A connection to a cluster; one that the caller has already is used and left as it is."""
    ray = ray_package()
    _keep_quiet(ray)
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {
        "num_cpus": available_cores(),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_system_config": {"worker_niceness": 0},  # or any other work on this machine would come first
    }
    _check_answers(address)
    try:
        ray.init(
            address=address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **({} if address else own),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise LibraryError(f"The Ray cluster {address or 'on this machine'} cannot be used: {error}.") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises LibraryError when nobody listens there: Ray itself would try for minutes, and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise LibraryError(
            f"No Ray cluster answers at {address} ({error}).",
            hint="Check the address; 'ray status' on a node tells it.",
        ) from error


def _keep_quiet(ray: Any) -> None:
    """No reports of use over the internet, and no progress bars into the command's own."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def explained(error: Any) -> LibraryError:
    """What our code raised on a node, in its own words."""
    cause = error
    while inner := getattr(cause, "cause", None) or cause.__cause__:
        cause = inner
    if isinstance(cause, LibraryError):
        return LibraryError(cause.message, hint=cause.hint)
    return LibraryError(f"A worker of the cluster failed: {type(cause).__name__}: {cause}.", hint="See Ray's logs.")
