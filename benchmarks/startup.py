"""How soon a fresh server is ready and how much memory it takes: python -m benchmarks.startup [--model NAME]."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PATIENCE_S = 120


def main() -> None:
    """Starts the server, waits for /readyz, predicts every example, prints seconds and MiB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    started = time.perf_counter()
    with running_server(ACOUSTICSENSE_MODEL=options.model) as server:
        print(f"ready after {time.perf_counter() - started:.1f} s, {resident_mib(server.pid)} MiB resident")
        for clip in sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".ogg", ".mp3", ".wav"}):
            send(f"{server.url}/api/predict", clip)
        print(f"after a request per example: {resident_mib(server.pid)} MiB resident")


@dataclass(frozen=True)
class RunningServer:
    """A server's address and process."""

    url: str
    pid: int


@contextmanager
def running_server(**environment: str) -> Iterator[RunningServer]:
    """A server of our own on a free port, ready; it ends afterwards.

    Args:
        environment: variables that it gets besides those of this process.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app_gradio.py"), "--host", "127.0.0.1", "--port", str(port)]
    started = time.perf_counter()
    server = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", started)
        yield RunningServer(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait(30)


def wait_until_ready(url: str, started: float) -> None:
    """Returns once the server answers 200."""
    while time.perf_counter() - started < PATIENCE_S:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit(f"not ready after {PATIENCE_S} s")


def send(url: str, clip: Path) -> None:
    """Posts a clip as a form and reads the answer."""
    boundary = "acousticsense-startup"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{clip.name}"\r\n\r\n'.encode()
    body = head + clip.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def resident_mib(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
