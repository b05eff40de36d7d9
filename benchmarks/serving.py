"""A real server under load: throughput, latency percentiles and errors, for 1 to 64 clients.

    python -m benchmarks.serving [--model NAME] [--seconds 12] [--url URL] [--json OUT]

Closed load: each client sends the next request when it has its answer. Open load: requests arrive at random (Poisson)
at a share of the highest closed throughput, whatever happens to those before. Every request is marked private, so none
is answered from memory; clients prepare theirs once, as they work on the server's cores. Offline is the same work
without a server: as many threads as the server has, one classifier; it is the mean of a measurement before the loads
and one after them.
Loads begin some seconds after a server answers, while it still gets ready (cqt views, the converted network).
A server is started on a free port unless --url names one; it answers with the network that was found fastest here, if
that was found before (`acousticsense accelerate`), and does not look for one during the measurement.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings
from benchmarks.common import machine, make_song, parser, tell
from benchmarks.startup import running_server

CLIENTS = (1, 2, 4, 8, 16, 32, 64)
OPEN_SHARES = (0.5, 0.8)
_N_SONGS = 8
#: Seconds of single requests before the first load.
_WARMING_S = 8.0


@dataclass
class Load:
    """What one load did: latencies of answers in ms, answers refused because the queue was full, and other errors."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    errors: int = 0

    def to_dict(self) -> dict[str, float]:
        """Throughput and percentiles; 0 where nothing was answered."""
        cuts = statistics.quantiles(self.latencies_ms, n=100) if len(self.latencies_ms) > 1 else [0.0] * 99
        return {
            "per_s": len(self.latencies_ms) / self.seconds,
            "p50_ms": cuts[49],
            "p95_ms": cuts[94],
            "p99_ms": cuts[98],
            "answered": len(self.latencies_ms),
            "refused": self.refused,
            "errors": self.errors,
        }


@dataclass(frozen=True)
class Upload:
    """A request to predict a file, encoded."""

    content: bytes
    content_type: str

    @classmethod
    def of(cls, song: Path) -> Upload:
        """Encoded once: the clients' own work is done by the server's cores."""
        form = httpx.Request(
            "POST", "http://-", files={"data": (song.name, song.read_bytes())}, data={"private": "true"}
        )
        return cls(form.read(), form.headers["content-type"])

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        """The answer."""
        return await client.post("/api/predict", content=self.content, headers={"content-type": self.content_type})


def main() -> None:
    """Measures and prints."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--seconds", type=float, default=12.0, help="for each load")
    options_parser.add_argument("--url", help="of a running server")
    options = options_parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        songs = [make_song(Path(folder) / f"{seed}.mp3", seconds=60, seed=seed) for seed in range(_N_SONGS)]
        uploads = [Upload.of(song) for song in songs]
        if options.url:
            offline = None
            result = asyncio.run(measure(options.url.rstrip("/"), uploads, options.seconds))
        else:
            classifier = GenreClassifier.load(options.model, settings=Settings())
            before = offline_per_s(songs, classifier, options.seconds)
            with running_server(**environment_of(options.model, classifier.info.backend)) as server:
                result = asyncio.run(measure(server.url, uploads, options.seconds))
            offline = (before + offline_per_s(songs, classifier, options.seconds)) / 2
    result = {"machine": machine(), "offline_per_s": offline, **result}
    tell(result, as_table(result), options.json)


def offline_per_s(songs: list[Path], classifier: GenreClassifier, seconds: float) -> float:
    """Clips per second without a server, by as many threads as a server has."""
    n_threads = Settings().concurrency
    classifier.predict(songs[0])
    deadline = time.perf_counter() + seconds

    def work(worker: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            classifier.predict(songs[(worker + done) % len(songs)])
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(n_threads) as pool:
        done = sum(pool.map(work, range(n_threads)))
    return done / (time.perf_counter() - started)


def environment_of(model: str | None, backend: str) -> dict[str, str]:
    """What tells a server which model and what computes it.

    When PyTorch is what computes here, it is told so: it would look for something faster while it is measured.
    """
    pytorch = {"ACOUSTICSENSE_BACKEND": "pytorch"} if backend.startswith("pytorch") else {}
    return {**({"ACOUSTICSENSE_MODEL": model} if model else {}), **pytorch}


async def measure(url: str, uploads: list[Upload], seconds: float) -> dict[str, Any]:
    """All loads, one after the other."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=128)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await closed_load(client, uploads, 1, _WARMING_S)
        warm = await uploads[0].send(client)
        closed = {str(count): await closed_load(client, uploads, count, seconds) for count in CLIENTS}
        best = max(load["per_s"] for load in closed.values())
        opened = {str(share): await open_load(client, uploads, share * best, seconds) for share in OPEN_SHARES}
    return {"model": warm.json()["model"], "closed": closed, "open": opened}


async def closed_load(client: httpx.AsyncClient, uploads: list[Upload], count: int, seconds: float) -> dict[str, float]:
    """`count` clients for so many seconds; what is under way at the end is waited for and counted."""
    load = Load()
    started = time.perf_counter()

    async def work(number: int) -> None:
        sent = 0
        while time.perf_counter() - started < seconds:
            await _send(client, uploads[(number + sent) % len(uploads)], load)
            sent += 1

    await asyncio.gather(*(work(number) for number in range(count)))
    load.seconds = time.perf_counter() - started
    return load.to_dict()


async def open_load(client: httpx.AsyncClient, uploads: list[Upload], per_s: float, seconds: float) -> dict[str, float]:
    """Requests at random times, `per_s` on average."""
    load = Load()
    chance = random.Random(0)
    started = time.perf_counter()
    due_s = 0.0
    tasks: list[asyncio.Task[None]] = []
    while (due_s := due_s + chance.expovariate(per_s)) < seconds:
        await asyncio.sleep(max(0.0, started + due_s - time.perf_counter()))
        tasks.append(asyncio.create_task(_send(client, uploads[len(tasks) % len(uploads)], load)))
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - started
    return {"offered_per_s": per_s, **load.to_dict()}


async def _send(client: httpx.AsyncClient, upload: Upload, load: Load) -> None:
    started = time.perf_counter()
    try:
        answer = await upload.send(client)
    except httpx.HTTPError:
        load.errors += 1
        return
    if answer.status_code == 503:
        load.refused += 1
        await asyncio.sleep(0.1)  # as a client that reads Retry-After would, but sooner
    elif answer.status_code == 200:
        load.latencies_ms.append(1000 * (time.perf_counter() - started))
    else:
        load.errors += 1


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    model, offline = result["model"], result["offline_per_s"]
    head = f"{'':>18}{'per s':>8}{'/ offline':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'p99/p50':>9}"
    rows = [f"{model['name']} by {model['backend']}"]
    rows.append(f"offline, same threads: {offline:.2f} per s" if offline else "offline: not measured")
    rows += ["", head + f"{'refused':>9}{'errors':>8}"]
    loads = {f"{count} clients": load for count, load in result["closed"].items()}
    loads |= {f"open at {float(share):.0%}": load for share, load in result["open"].items()}
    for name, load in loads.items():
        ratio = f"{load['per_s'] / offline:.2f}" if offline else "-"
        spread = load["p99_ms"] / load["p50_ms"] if load["p50_ms"] else 0.0
        rows.append(
            f"{name:>18}{load['per_s']:8.2f}{ratio:>10}{load['p50_ms']:9.0f}{load['p95_ms']:9.0f}{load['p99_ms']:9.0f}"
            f"{spread:9.2f}{load['refused']:9.0f}{load['errors']:8.0f}"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
