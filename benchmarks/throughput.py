"""How many windows and files are analysed in a second, by batch size and by number of threads.

    python -m benchmarks.throughput [--model NAME] [--files 24] [--json OUT]

Windows: the network alone, for PyTorch and for the converted network that a server uses here. Files: the first 10 s of
different 60 s mp3s from decoding to the answer, in one and in more threads that share forward passes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings
from benchmarks.common import backends, example_files, machine, make_song, parser, tell

BATCHES = (1, 2, 4, 8, 16)
WORKERS = (1, 2, 4, 8)
#: Each cell is measured for so long, and for two passes at least.
_CELL_S = 3.0


def main() -> None:
    """Measures and prints."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--files", type=int, default=24)
    options = options_parser.parse_args()
    settings = Settings()
    classifier = GenreClassifier.load(options.model, settings=settings)
    result: dict[str, Any] = {
        "machine": machine(),
        "model": classifier.spec.name,
        "windows_per_s": windows_per_s(classifier, settings),
        "backend_of_files": classifier.info.backend,
        "files_per_s": files_per_s(classifier, options.files),
    }
    tell(result, as_table(result), options.json)


def windows_per_s(classifier: GenreClassifier, settings: Settings) -> dict[str, dict[str, dict[str, float]]]:
    """Backend -> threads -> batch size -> windows per second."""
    images = torch.cat([classifier.analyse(file).images.inputs for file in example_files()])
    largest = images.repeat(1 + max(BATCHES) // len(images), 1, 1, 1)[: max(BATCHES)]
    batch = classifier.spec.front_end.to_input(largest)
    rates: dict[str, dict[str, dict[str, float]]] = {}
    usual = torch.get_num_threads()
    try:
        for n_threads in sorted({1, os.cpu_count() or 1}):
            torch.set_num_threads(n_threads)
            for name, backend in backends(classifier, settings, n_threads=n_threads).items():
                rates.setdefault(name, {})[str(n_threads)] = {
                    str(size): _rate(partial(backend.logits, batch[:size]), size) for size in BATCHES
                }
    finally:
        torch.set_num_threads(usual)
    return rates


def _rate(run: Callable[[], object], count: int) -> float:
    """Things per second when each run does `count` of them; the first run is not measured."""
    run()
    started = time.perf_counter()
    runs = 0
    while runs < 2 or time.perf_counter() - started < _CELL_S:
        run()
        runs += 1
    return float(runs * count / (time.perf_counter() - started))


def files_per_s(classifier: GenreClassifier, n_files: int) -> dict[str, float]:
    """Workers -> files per second, each file another one."""
    with tempfile.TemporaryDirectory() as folder:
        made = [make_song(Path(folder) / f"{seed}.mp3", seconds=60, seed=seed) for seed in range(min(n_files, 24))]
        files = [made[index % len(made)] for index in range(n_files)]
        classifier.predict(files[0])
        return {str(workers): _files_rate(classifier, files, workers) for workers in WORKERS}


def _files_rate(classifier: GenreClassifier, files: Sequence[Path], workers: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(classifier.predict, files))
    return len(files) / (time.perf_counter() - started)


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [f"{result['model']}: windows per second", f"{'batch':>30}" + "".join(f"{size:>8}" for size in BATCHES)]
    for name, by_threads in result["windows_per_s"].items():
        for n_threads, by_batch in by_threads.items():
            label = f"{name}, {n_threads} threads"
            rows.append(f"{label:>30}" + "".join(f"{rate:8.1f}" for rate in by_batch.values()))
    rows += ["", f"files per second, by {result['backend_of_files']}"]
    rows += [f"{f'{workers} at a time':>30}{rate:8.1f}" for workers, rate in result["files_per_s"].items()]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
