"""What the benchmarks share: the machine's description, music, timing in turns, and how a result is told."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from acousticsense.inference.backends import Backend, TorchBackend, best_precision
from acousticsense.inference.backends.openvino import OpenVinoBackend, library_versions
from acousticsense.inference.backends.selection import network_key, network_store
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SONG_S = 240


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--model", help="name in models/, folder, file, or hub id (the default model)")
    made.add_argument("--json", type=Path, metavar="OUT", help="write the JSON to a file, too")
    return made


def tell(result: Mapping[str, Any], table: str, out: Path | None) -> None:
    """Prints the machine, the table and the JSON; writes the JSON when a file is named."""
    text = json.dumps(result)
    print(f"{describe(result['machine'])}\n\n{table}\n\n{text}")
    if out:
        out.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(": ")[2] if names else platform.processor(),
        "cores": len(names),
        "torch_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "openvino": (library_versions() or (None,))[0],
        "python": platform.python_version(),
    }


def describe(facts: Mapping[str, Any]) -> str:
    """The machine in one line."""
    libraries = ", ".join(f"{name} {facts[name]}" for name in ("torch", "openvino", "python") if facts[name])
    return f"{facts['cpu']}, {facts['cores']} cores, {facts['gpu'] or 'no GPU'}; {libraries}"


def example_files() -> list[Path]:
    """The clips in examples/."""
    return sorted(file for file in EXAMPLES.iterdir() if file.suffix in (".ogg", ".mp3", ".wav"))


def make_song(path: Path, *, seconds: int = SONG_S, seed: int = 0) -> Path:
    """Real music as a stereo mp3 at 44.1 kHz: the examples in a row, repeated, from second `seed` on."""
    joined = np.roll(_examples_in_a_row(), -seed * 44_100)
    mono = np.resize(joined, SONG_S * 44_100)
    with soundfile.SoundFile(path, "w", 44_100, 2) as song:
        for start_s in range(0, seconds, SONG_S):
            part = mono[: (seconds - start_s) * 44_100]
            song.write(np.stack([part, part], axis=1))
    return path


@cache
def _examples_in_a_row() -> NDArray[np.float32]:
    return np.concatenate([librosa.load(file, sr=44_100)[0] for file in example_files()])


def timed_ms(run: Callable[[], object]) -> float:
    """Milliseconds that `run` takes."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def medians_in_turns(runs: Mapping[str, Callable[[], object]], *, rounds: int, budget_s: float) -> dict[str, float]:
    """Median milliseconds of each, one run of all after the other, so that a machine that slows down slows all down.

    Each runs once unmeasured. Fewer rounds are made, but at least three, when they would take longer than `budget_s`.
    """
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    for count in range(rounds):
        for name, run in runs.items():
            times[name].append(timed_ms(run))
        if count >= 2 and time.perf_counter() - started > budget_s:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def stored_network(classifier: GenreClassifier, settings: Settings) -> tuple[str, Path] | None:
    """Name and .xml of the converted network that a server uses for this model here; None when PyTorch answers."""
    found = network_store(settings).get(network_key(classifier.spec, settings.backend))
    return (str(found.report["chosen"]), found.network) if found and found.network else None


def backends(classifier: GenreClassifier, settings: Settings, *, n_threads: int | None = None) -> dict[str, Backend]:
    """PyTorch and, when there is one, the converted network, by name; `n_threads` holds for OpenVINO only."""
    device = classifier.device
    plain = TorchBackend(classifier.network, device, precision=best_precision(device))
    found: dict[str, Backend] = {plain.name: plain}
    if stored := stored_network(classifier, settings):
        name, file = stored
        found[name] = OpenVinoBackend(file, name=name, n_threads=n_threads)
    return found
