"""`.ci/audit` asks about every package of the lock, and fails for one with a known hole; osv.dev's place is taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.test_start import pins

ROOT = Path(__file__).parent.parent

HOLE = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "A hole.",
    "affected": [
        {
            "package": {"name": "pillow", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
        }
    ],
}


class Osv(ThreadingHTTPServer):
    """Answers as osv.dev does: holes by the names of packages; it keeps the names it was asked about."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.holes: dict[str, list[object]] = {}
        self.asked: set[str] = set()


class Answer(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.server.asked.add(name)
        body = json.dumps({"vulns": self.server.holes[name]} if name in self.server.holes else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def osv() -> Iterator[Osv]:
    server = Osv()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(osv: Osv, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Uses the uv of this environment, as start.sh does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", str(ROOT / ".ci/audit"), "--osv-url", f"http://127.0.0.1:{osv.server_port}/v1/query"]
    return subprocess.run(
        [*command, "--cache-dir", str(tmp_path)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_locked_package_is_asked_about(osv: Osv, tmp_path: Path) -> None:
    done = audit(osv, tmp_path)
    assert done.returncode == 0, done.stderr
    everywhere = {name for name, marker in pins("requirements.lock") if marker == "None"}
    assert len(everywhere) > 50
    assert everywhere <= osv.asked


def test_a_known_hole_fails_the_audit_and_is_named(osv: Osv, tmp_path: Path) -> None:
    osv.holes["pillow"] = [HOLE]
    done = audit(osv, tmp_path)
    assert done.returncode == 1
    assert "pillow" in done.stdout
    assert "PYSEC-2026-1" in done.stdout
