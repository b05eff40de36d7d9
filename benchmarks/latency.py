"""How long one request takes, stage by stage, and how that compares with upstream's way in the same run.

    python -m benchmarks.latency [--audio SONG.mp3] [--model NAME] [--repeats 16] [--json OUT]

Without --audio, a 240 s stereo mp3 at 44.1 kHz is made from the clips in examples/.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch

from acousticsense.classifier import GenreClassifier
from acousticsense.results import Timing
from benchmarks import upstream

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
STAGES = ("decode", "spectrogram", "network", "total")
SONG_S = 240
#: Upstream takes seconds: it runs once for this many runs of ours.
_OURS_PER_UPSTREAM = 4


def main() -> None:
    """Runs the comparison and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        song = options.audio or make_song(Path(folder) / "song.mp3")
        result = compare(song, GenreClassifier.load(options.model), options.repeats)
    print(as_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def make_song(path: Path, *, seconds: int = SONG_S) -> Path:
    """Real music as a stereo mp3 at 44.1 kHz: the examples, one after the other, repeated."""
    clips = [
        librosa.load(file, sr=44_100)[0]
        for file in sorted(EXAMPLES.iterdir())
        if file.suffix in (".ogg", ".mp3", ".wav")
    ]
    mono = np.resize(np.concatenate(clips), SONG_S * 44_100)
    with soundfile.SoundFile(path, "w", 44_100, 2) as song:
        for start_s in range(0, seconds, SONG_S):
            part = mono[: (seconds - start_s) * 44_100]
            song.write(np.stack([part, part], axis=1))
    return path


def compare(song: Path, classifier: GenreClassifier, repeats: int) -> dict[str, Any]:
    """Median milliseconds per stage of our path (warm) and of upstream's, and their ratio."""
    network = upstream.vit_b_16()
    upstream.judge(song, network)
    classifier.predict(song)
    ours: list[Timing] = []
    theirs_ms: list[float] = []
    for repeat in range(repeats):
        # in turns, so that a machine that slows down slows both down
        ours.append(classifier.predict(song).timing_ms)
        if repeat % _OURS_PER_UPSTREAM == 0:
            theirs_ms.append(timed(lambda: upstream.judge(song, network)))
    medians = {stage: statistics.median(getattr(timing, stage) for timing in ours) for stage in STAGES}
    return {
        "machine": machine(),
        "model": classifier.spec.name,
        "song_s": round(soundfile.info(song).duration, 1),
        "ours_ms": medians,
        "ours_without_network_ms": statistics.median(without_network(timing) for timing in ours),
        "upstream_ms": statistics.median(theirs_ms),
        "upstream_over_ours": statistics.median(theirs_ms) / medians["total"],
    }


def without_network(timing: Timing) -> float:
    """What the network is not to blame for, in ms."""
    return timing.total - timing.network


def timed(run: Callable[[], object]) -> float:
    """Milliseconds that `run` takes."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(": ")[2] if names else platform.processor(),
        "cores": len(names),
        "torch_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [f"{result['model']}, first 10 s of a {result['song_s']} s song; {result['machine']}", ""]
    rows += [f"{stage:>24} {result['ours_ms'][stage]:9.1f} ms" for stage in STAGES]
    rows.append(f"{'all but the network':>24} {result['ours_without_network_ms']:9.1f} ms")
    rows.append(f"{'upstream, whole song':>24} {result['upstream_ms']:9.1f} ms")
    rows.append(f"{'upstream / ours':>24} {result['upstream_over_ours']:9.1f} x")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
