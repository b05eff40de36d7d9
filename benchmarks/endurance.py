"""What a server keeps up under abuse: many uploads in a row, twice its capacity, and a thousand who wait.

    python -m benchmarks.endurance [--uploads 1000] [--seconds 600] [--json OUT]

- in a row: uploads one after the other; memory of the server and its processes and bytes of temporary files, after
  the first tenth and at the end.
- overload: twice as many clients as the server answers or lets wait, for so many seconds; what they are answered, and
  memory.
- waiting: the server may let 1,000 wait, and 1,000 do; how long /healthz and /metrics take meanwhile, and how long a
  refusal takes when the queue is full.
Each is a server of its own on a free port, with an empty folder for temporary files.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from acousticsense.settings import Settings
from benchmarks.common import machine, make_song, parser, tell
from benchmarks.serving import Upload
from benchmarks.startup import RunningServer, running_server

_WAITING: Final = 1000
_PROBES: Final = 50


@dataclass(frozen=True)
class Watched:
    """A server, and its folder for temporary files."""

    server: RunningServer
    folder: Path

    def state(self) -> dict[str, float]:
        """MiB of memory that the server and its processes have for themselves, and MiB of temporary files."""
        private = sum(map(_private_mib, _family(self.server.pid)))
        disk = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 2**20
        return {"memory_mib": round(private, 1), "disk_mib": round(disk, 1)}


def main() -> None:
    """Measures and prints."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--uploads", type=int, default=1000, help="in a row")
    options_parser.add_argument("--seconds", type=float, default=600.0, help="of overload")
    options = options_parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        upload = Upload.of(make_song(Path(folder) / "song.mp3", seconds=12))
        with watched() as watch:
            row = asyncio.run(in_a_row(watch, upload, options.uploads))
        with watched() as watch:
            load = asyncio.run(overload(watch, upload, options.seconds))
        with watched(ACOUSTICSENSE_QUEUE_SIZE=str(_WAITING)) as watch:
            waiting = asyncio.run(crowd(watch, upload))
    result = {"machine": machine(), "in_a_row": row, "overload": load, "waiting": waiting}
    tell(result, "\n".join(f"{name}: {result[name]}" for name in ("in_a_row", "overload", "waiting")), options.json)


@contextmanager
def watched(**environment: str) -> Iterator[Watched]:
    """A server whose temporary files lie in a folder of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(ACOUSTICSENSE_BACKEND="pytorch", TMPDIR=folder, **environment) as server,
    ):
        yield Watched(server, Path(folder))


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=600, limits=httpx.Limits(max_connections=None))


async def in_a_row(watch: Watched, upload: Upload, count: int) -> dict[str, Any]:
    """Uploads one after the other."""
    early: dict[str, float] = {}
    statuses: Counter[int] = Counter()
    async with _client(watch.server.url) as client:
        for number in range(count):
            statuses[(await upload.send(client)).status_code] += 1
            if number == count // 10:
                early = watch.state()
    return {"statuses": dict(statuses), "after a tenth": early, "at the end": watch.state()}


async def overload(watch: Watched, upload: Upload, seconds: float) -> dict[str, Any]:
    """Twice as many clients as there is room for, without a pause."""
    room = Settings().concurrency + Settings().queue_size
    statuses: Counter[int] = Counter()
    labels: set[str] = set()

    async def ask(client: httpx.AsyncClient, deadline: float) -> None:
        while time.perf_counter() < deadline:
            answer = await upload.send(client)
            statuses[answer.status_code] += 1
            if answer.status_code == 200:
                labels.add(answer.json()["prediction"][0]["label"])
            else:
                await asyncio.sleep(0.05)

    async with _client(watch.server.url) as client:
        alone = await _per_s(client, upload)
        deadline = time.perf_counter() + seconds
        asked = asyncio.gather(*(ask(client, deadline) for _ in range(2 * room)))
        await asyncio.sleep(seconds / 5)
        early = watch.state()
        await asked
    per_s = statuses[200] / seconds
    figures = {"clients": 2 * room, "statuses": dict(statuses), "different answers": len(labels)}
    return {
        **figures,
        "of one client's rate": round(per_s / alone, 2),
        "after a fifth": early,
        "at the end": watch.state(),
    }


async def _per_s(client: httpx.AsyncClient, upload: Upload) -> float:
    """Answers a second to a single client."""
    started = time.perf_counter()
    for _ in range(_PROBES):
        await upload.send(client)
    return _PROBES / (time.perf_counter() - started)


async def crowd(watch: Watched, upload: Upload) -> dict[str, Any]:
    """As many as the server lets wait; how long others take meanwhile."""
    async with _client(watch.server.url) as client, _client(watch.server.url) as other:
        waiting = [asyncio.create_task(upload.send(client)) for _ in range(_WAITING + Settings().concurrency)]
        while (await _inside(other)) < _WAITING:
            await asyncio.sleep(0.2)
        times = {path: [await _ms(other, path) for _ in range(_PROBES)] for path in ("/healthz", "/metrics")}
        refused = [await _refusal_ms(other, upload) for _ in range(5)]
        for task in waiting:
            task.cancel()
    found = {
        path: {"p50_ms": round(statistics.median(ms), 1), "max_ms": round(max(ms), 1)} for path, ms in times.items()
    }
    return {**found, "refused_ms": [round(ms, 1) for ms in refused if ms is not None]}


async def _inside(client: httpx.AsyncClient) -> int:
    lines = (await client.get("/metrics")).text.splitlines()
    return int(next(float(line.split()[-1]) for line in lines if line.startswith("acousticsense_requests_inside ")))


async def _ms(client: httpx.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    (await client.get(path)).raise_for_status()
    return 1000 * (time.perf_counter() - started)


async def _refusal_ms(client: httpx.AsyncClient, upload: Upload) -> float | None:
    """Milliseconds until a 503; None when there was room."""
    started = time.perf_counter()
    try:
        answer = await asyncio.wait_for(upload.send(client), 5)
    except TimeoutError:
        return None
    return 1000 * (time.perf_counter() - started) if answer.status_code == 503 else None


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        found += map(int, children.read_text().split()) if children.exists() else []
    return found


def _private_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


if __name__ == "__main__":
    main()
