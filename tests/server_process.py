"""The server as it is started, a process of its own on a real port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
#: A busy machine is slow, not wrong.
_PATIENCE_S = 900


@dataclass
class ServerProcess:
    """A running server: its address, its process and the file of its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if requests.get(f"{self.url}/readyz", timeout=60).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"not ready: {self.log.read_text()}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def server_process(
    models: Path, log: Path, *, before: Sequence[str] = (), **environment: str
) -> Iterator[ServerProcess]:
    """A server with "tiny" from a models folder, ready; it is ended by SIGTERM.

    Args:
        models: folder with the models.
        log: where its output goes.
        before: words of the command before Python's.
        environment: its settings, by the names of environment variables; the others are those of this process.
    """
    port = free_port()
    command = [*before, sys.executable, "app_gradio.py", "--host", "127.0.0.1", "--port", str(port)]
    ours = {"ACOUSTICSENSE_MODELS": str(models), "ACOUSTICSENSE_MODEL": "tiny", "ACOUSTICSENSE_DEVICE": "cpu"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **ours, **environment}, stdout=output, stderr=output
        )
    server = ServerProcess(f"http://127.0.0.1:{port}", process, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        process.terminate()
        process.wait(60)
