"""How fast a library is analysed, against what the machine's cores allow and against what people do without the engine.

    python -m benchmarks.library FOLDER [--files 200] [--model NAME] [--workers N] [--predict-runs 3] [--ray]
                                 [--json OUT]

The bound is cores / (CPU seconds to decode a file + CPU seconds to predict it), measured in this run on some of the
same files. Compared with: a plain loop over `predict` in one process, half of it before the engine runs and half after,
and a shell loop that starts `acousticsense predict` for each file. The rate of the engine is that of the whole run with
its ledger; what its processes need to load PyTorch and FFmpeg, once, is told apart, as the plain loop's is not counted
either. CPU seconds of the analysing process, beside that of prediction alone, tell what the engine itself costs, on a
busy machine too. Memory is that of the analysing process; decoder processes are not in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from acousticsense.errors import AcousticSenseError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.decode import DecodedFile, decode_file
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.identity import network_digest, settings_digest
from acousticsense.library.ledger import Ledger
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.ray_engine import RayEngine
from acousticsense.library.ray_nodes import PredictorSource
from acousticsense.library.run import Engine, LibraryRun
from acousticsense.library.walk import Walk
from acousticsense.settings import Settings, available_cores
from benchmarks.common import machine

#: Files on which the CPU seconds of each stage are measured.
_SAMPLE = 32
#: From this file on, memory should not grow.
_WARM = 100
_LISTING = 10_000


def main() -> None:
    """Runs the comparison and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=200, help="files to predict; fewer are repeated under other names")
    parser.add_argument("--model")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--predict-runs", type=int, default=3, help="processes of the shell loop that are timed")
    parser.add_argument("--ray", action="store_true", help="measure a Ray cluster of this machine, too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    classifier = GenreClassifier.load(options.model)
    with tempfile.TemporaryDirectory() as folder:
        files = music_folder(options.folder, Path(folder, "music_folder"), options.files)
        result = compare(files, classifier, options)
    print(as_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def music_folder(source: Path, folder: Path, n: int) -> list[str]:
    """`n` links to the files of a folder."""
    found = [entry.path for entry in Walk([str(source)]) if entry.error is None]
    folder.mkdir()
    links = []
    for number, path in enumerate(islice(cycle(found), n)):
        link = folder / f"{number:06}{Path(path).suffix}"
        link.symlink_to(path)
        links.append(str(link))
    return links


def compare(files: Sequence[str], classifier: GenreClassifier, options: argparse.Namespace) -> dict[str, Any]:
    """Files per second of each way, and the bound."""
    decode_s, predict_s = stage_cpu_s(files[:_SAMPLE], classifier)
    cores = available_cores()
    bound = cores / (decode_s + predict_s)
    memory_mb: list[float] = []
    sample = files[:_SAMPLE]
    half_s = seconds(lambda: plain_loop(sample, classifier))
    engine = local_engine(classifier, options.workers)
    start_s = seconds(lambda: list(rows_of(files[:1], classifier, engine)))
    used_s = time.process_time()
    engine_rate = files_per_s(files, classifier, engine, memory_mb)
    used_s = time.process_time() - used_s
    plain = 2 * len(sample) / (half_s + seconds(lambda: plain_loop(sample, classifier)))
    ray_rate = files_per_s(files, classifier, ray_engine(classifier, options), []) if options.ray else None
    shell = options.predict_runs / seconds(lambda: shell_loop(files[: options.predict_runs], classifier.spec.name))
    return {
        "machine": machine(),
        "model": classifier.spec.name,
        "backend": classifier.info.backend,
        "files": len(files),
        "cores": cores,
        "decode_cpu_s": decode_s,
        "network_cpu_s": predict_s,
        "bound_files_per_s": bound,
        "start_s": start_s,
        "engine_cpu_s": used_s / len(files),
        "engine_files_per_s": engine_rate,
        "engine_over_bound": engine_rate / bound,
        "plain_loop_files_per_s": plain,
        "engine_over_plain_loop": engine_rate / plain,
        "predict_processes_files_per_s": shell,
        "engine_over_predict_processes": engine_rate / shell,
        "ray_files_per_s": ray_rate,
        "memory_mb_at_file_100": memory_mb[0] if memory_mb else None,
        "memory_mb_at_the_end": memory_mb[-1] if memory_mb else None,
        "first_row_of_10000_s": first_row_s(files[0], classifier),
    }


def stage_cpu_s(files: Sequence[str], classifier: GenreClassifier) -> tuple[float, float]:
    """CPU seconds per file of decoding and of analysing, one thread each, warm."""
    recipe = classifier.recipe()
    predict = BatchPredictor(classifier, recipe)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    predict.rows([decode_file(files[0], recipe)])
    started = time.process_time()
    decoded = [decode_file(path, recipe) for path in files]
    between = time.process_time()
    for first in range(0, len(decoded), EngineOptions().batch):
        predict.rows(decoded[first : first + EngineOptions().batch])
    finished = time.process_time()
    torch.set_num_threads(threads)
    n_predicted = max(1, sum(isinstance(file, DecodedFile) for file in decoded))
    return (between - started) / len(files), (finished - between) / n_predicted


def local_engine(classifier: GenreClassifier, workers: int | None = None) -> Engine:
    """Decoder processes here; no memory of earlier images, so that repeated files are analysed like others."""
    recipe = classifier.recipe()
    return LocalEngine(BatchPredictor(classifier, recipe), recipe, EngineOptions(workers=workers))


def ray_engine(classifier: GenreClassifier, options: argparse.Namespace) -> Engine:
    """A Ray cluster of this machine alone, which starts with the run."""
    settings = Settings()
    settings = settings.replace(model=options.model or settings.model)
    recipe = classifier.recipe()
    digest = settings_digest(classifier.spec, recipe)
    source = PredictorSource(settings=settings, spectrogram=None, recipe=recipe, digest=digest)
    return RayEngine(source, EngineOptions(workers=options.workers))


def files_per_s(files: Sequence[str], classifier: GenreClassifier, engine: Engine, memory_mb: list[float]) -> float:
    """Rate of the whole run."""
    started = time.perf_counter()
    n_rows = 0
    for n_rows in rows_of(files, classifier, engine):
        if n_rows >= _WARM:
            memory_mb.append(resident_mb())
    return n_rows / (time.perf_counter() - started)


def rows_of(paths: Sequence[str], classifier: GenreClassifier, engine: Engine) -> Generator[int, None, None]:
    """How many rows there are, after each batch."""
    recipe = classifier.recipe()
    with tempfile.TemporaryDirectory() as folder, closing(Ledger(Path(folder, "ledger.sqlite"))) as ledger:
        rows = ledger.begin(
            paths, settings=settings_digest(classifier.spec, recipe), network=network_digest(classifier.spec)
        )
        run = LibraryRun(Walk(paths), rows, engine, BatchPredictor(classifier, recipe))
        for _ in run.batches():
            yield run.counts.seen


def first_row_s(path: str, classifier: GenreClassifier) -> float:
    """Seconds to the first row of a folder with 10,000 files, with warm decoder processes."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_LISTING):
            Path(folder, f"{number:05}{Path(path).suffix}").symlink_to(path)
        started = time.perf_counter()
        batches = rows_of([folder], classifier, local_engine(classifier))
        next(batches)
        elapsed = time.perf_counter() - started
        batches.close()
    return elapsed


def plain_loop(files: Sequence[str], classifier: GenreClassifier) -> None:
    """What a script in one process does."""
    for path in files:
        try:
            classifier.predict(path)
        except AcousticSenseError:
            continue


def shell_loop(files: Sequence[str], model: str) -> None:
    """What `for file in *; do acousticsense predict "$file"; done` does."""
    for path in files:
        command = [sys.executable, "-m", "acousticsense", "predict", "--model", model, path]
        subprocess.run(command, check=False, capture_output=True)


def seconds(run: Any) -> float:
    """Seconds that `run` takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def resident_mb() -> float:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    lines = [f"{result['model']} ({result['backend']}), {result['files']} files; {result['machine']}", ""]
    for label, key, unit in (
        ("CPU to decode a file", "decode_cpu_s", "s"),
        ("CPU to predict a file", "network_cpu_s", "s"),
        ("bound", "bound_files_per_s", "files/s"),
        ("CPU of the analysing process", "engine_cpu_s", "s a file"),
        ("start of the decoders", "start_s", "s"),
        ("engine", "engine_files_per_s", "files/s"),
        ("engine / bound", "engine_over_bound", ""),
        ("plain loop", "plain_loop_files_per_s", "files/s"),
        ("engine / plain loop", "engine_over_plain_loop", ""),
        ("predict processes", "predict_processes_files_per_s", "files/s"),
        ("engine / predict processes", "engine_over_predict_processes", ""),
        ("Ray engine, start included", "ray_files_per_s", "files/s"),
        ("memory at file 100", "memory_mb_at_file_100", "MiB"),
        ("memory at the end", "memory_mb_at_the_end", "MiB"),
        ("first row of 10,000 files", "first_row_of_10000_s", "s"),
    ):
        value = result[key]
        lines.append(f"{label:>28} {'-' if value is None else f'{value:9.3f}':>9} {unit}")
    return "\n".join(lines)
