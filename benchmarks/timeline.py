"""What a timeline costs: against upstream's way for the same windows, per minute of audio, and in memory.

    python -m benchmarks.timeline [--model NAME] [--repeats 3] [--minutes 4 30 120] [--json OUT]

Songs are stereo mp3s at 44.1 kHz made of the clips in examples/, repeated. Each length is measured in a process of its
own, after a timeline of its first minute: what the peak of its memory grows by from then on is what length costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from acousticsense.analysis.timeline import make_timeline
from acousticsense.inference.classifier import GenreClassifier
from benchmarks import upstream
from benchmarks.common import machine, make_song, timed_ms

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Runs both comparisons and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=int, nargs="+", default=[4, 30, 120])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # the process of one length
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.model)))
        return
    with tempfile.TemporaryDirectory() as folder:
        song = make_song(Path(folder) / "song.mp3")
        result = {
            "machine": machine(),
            "against_upstream": compare(song, GenreClassifier.load(options.model), options.repeats),
            "lengths": [measure_apart(Path(folder), minutes, options.model) for minutes in options.minutes],
        }
    print(as_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def compare(song: Path, classifier: GenreClassifier, repeats: int) -> dict[str, Any]:
    """Median milliseconds of our timeline and of upstream's for as many windows, in turns, and their ratio."""
    network = upstream.vit_b_16()

    def ours() -> None:
        make_timeline(classifier, song, window_s=upstream.WINDOW_S)

    make_timeline(classifier, song, window_s=upstream.WINDOW_S, duration_s=30.0)
    times = [(timed_ms(ours), timed_ms(lambda: upstream.predict(song, network))) for _ in range(repeats)]
    ours_ms, theirs_ms = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "model": classifier.spec.name,
        "window_s": upstream.WINDOW_S,
        "ours_ms": ours_ms,
        "upstream_ms": theirs_ms,
        "ours_over_upstream": ours_ms / theirs_ms,
    }


def measure_apart(folder: Path, minutes: int, model: str | None) -> dict[str, Any]:
    """`measure` of a song of so many minutes, in a process of its own."""
    song = make_song(folder / f"{minutes}.mp3", seconds=60 * minutes)
    command = [sys.executable, "-m", "benchmarks.timeline", "--measure", str(song)]
    command += ["--model", model] if model else []
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    song.unlink()
    return {"minutes": minutes, **json.loads(done.stdout)}


def measure(song: Path, model: str | None) -> dict[str, Any]:
    """Milliseconds per minute of audio, and MiB: at the peak, and grown since the first minute."""
    classifier = GenreClassifier.load(model)
    make_timeline(classifier, song, duration_s=60.0)
    before_mib = peak_mib()
    made = make_timeline(classifier, song)
    minutes = made.clip.duration_s / 60
    return {
        "windows": len(made.windows),
        "ms_per_minute": made.timing_ms.total / minutes,
        "network_ms_per_minute": made.timing_ms.network / minutes,
        "peak_mib": peak_mib(),
        "grown_mib": peak_mib() - before_mib,
    }


def peak_mib() -> float:
    """Highest resident memory of this process so far (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    pair = result["against_upstream"]
    rows = [
        f"{pair['model']}; {result['machine']}",
        "",
        f"a 4-minute song in windows of {pair['window_s']} s",
        f"{'timeline':>24} {pair['ours_ms']:9.0f} ms",
        f"{'upstream':>24} {pair['upstream_ms']:9.0f} ms",
        f"{'timeline / upstream':>24} {pair['ours_over_upstream']:9.2f}",
        "",
        f"{'minutes':>8} {'windows':>8} {'ms per minute':>14} {'of it network':>14} {'peak MiB':>9} {'grown MiB':>10}",
    ]
    rows += [
        f"{row['minutes']:8} {row['windows']:8} {row['ms_per_minute']:14.0f} {row['network_ms_per_minute']:14.0f} "
        f"{row['peak_mib']:9.0f} {row['grown_mib']:10.0f}"
        for row in result["lengths"]
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
