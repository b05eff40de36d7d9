"""Whether the same music gets the same answer however it was stored: sample rate, channels, file format, bit rate.

    python -m benchmarks.robustness --folder MUSIC [--model NAME ...] [--clips 100] [--offset 0] [--json OUT]

Clips are taken from the files in a folder of your own music (walked, spread evenly over the list). Of each, ffmpeg
makes an original (the excerpt as a float wav, in the file's own rate and channels) and of that the versions below;
every version, and the file as it was found, is analysed like any upload and compared with the original. Needs ffmpeg.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acousticsense.audio.names import is_audio_name
from acousticsense.errors import AudioError
from acousticsense.evaluation.statistics import wilson_interval
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.prediction import Prediction

#: Seconds that a version holds: what is analysed by default, and some on top.
VERSION_S = 15.0


@dataclass(frozen=True)
class Version:
    """One way to store a clip: ffmpeg's output options and the file's suffix."""

    name: str
    options: tuple[str, ...]
    suffix: str


ORIGINAL = Version("original", ("-c:a", "pcm_f32le"), "wav")
AS_FOUND = "file as found"
VERSIONS = (
    Version("wav 44.1 kHz", ("-ar", "44100"), "wav"),
    Version("wav 192 kHz", ("-ar", "192000", "-c:a", "pcm_s24le"), "wav"),
    Version("wav 48 kHz", ("-ar", "48000"), "wav"),
    Version("wav 22.05 kHz", ("-ar", "22050"), "wav"),
    Version("wav mono", ("-ac", "1"), "wav"),
    Version("wav stereo", ("-ac", "2"), "wav"),
    Version("flac", (), "flac"),
    Version("mp3 320 kbit/s", ("-ar", "44100", "-c:a", "libmp3lame", "-b:a", "320k"), "mp3"),
    Version("mp3 128 kbit/s", ("-ar", "44100", "-c:a", "libmp3lame", "-b:a", "128k"), "mp3"),
)


@dataclass(frozen=True)
class Comparison:
    """An answer beside that for the original: same best label, mean absolute change of a probability, largest one."""

    same: bool
    mean_change: float
    max_change: float


def main() -> None:
    """Runs the comparison for each model and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, required=True, help="folder with music")
    parser.add_argument("--model", nargs="*", default=[None], help="names of models (the default model)")
    parser.add_argument("--clips", type=int, default=100, help="files to take (100)")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds into each file (0)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not shutil.which("ffmpeg"):
        parser.error("there is no ffmpeg on the PATH; install it (Debian: apt-get install ffmpeg)")
    classifiers = [GenreClassifier.load(name) for name in options.model]
    files = spread(
        sorted(path for path in options.folder.rglob("*") if is_audio_name(path.relative_to(options.folder))),
        options.clips,
    )
    results = compare(files, classifiers, offset_s=options.offset)
    print("\n\n".join(as_table(result) for result in results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def spread(files: Sequence[Path], n: int) -> list[Path]:
    """At most n files, evenly from the whole list."""
    return [files[index] for index in np.unique(np.linspace(0, len(files) - 1, min(n, len(files))).astype(int))]


def compare(
    files: Iterable[Path], classifiers: Sequence[GenreClassifier], *, offset_s: float = 0.0
) -> list[dict[str, Any]]:
    """Figures per model; files that cannot be analysed are left out and named."""
    names = (AS_FOUND, *(version.name for version in VERSIONS))
    found: list[dict[str, list[Comparison]]] = [{name: [] for name in names} for _ in classifiers]
    differing: list[list[dict[str, Any]]] = [[] for _ in classifiers]
    left_out: list[str] = []
    n_clips = 0
    for path in files:
        with tempfile.TemporaryDirectory() as folder:
            try:
                master = make(ORIGINAL, path, Path(folder), offset_s=offset_s)
                copies = {version.name: (make(version, master, Path(folder)), 0.0) for version in VERSIONS}
                originals = [predict(classifier, master) for classifier in classifiers]
            except (AudioError, subprocess.CalledProcessError) as error:
                left_out.append(f"{path}: {error}")
                continue
            n_clips += 1
            for index, (classifier, original) in enumerate(zip(classifiers, originals, strict=True)):
                for name, (copy, start_s) in {AS_FOUND: (path, offset_s), **copies}.items():
                    comparison = compared(original, predict(classifier, copy, start_s))
                    found[index][name].append(comparison)
                    if not comparison.same:
                        row = {"path": str(path), "version": name, "lead": lead(original)}
                        differing[index].append({**row, "max_change": comparison.max_change})
    return [
        {
            "model": classifier.spec.name,
            "weights_sha256": classifier.spec.weights_sha256,
            "clips": n_clips,
            "left_out": left_out,
            "versions": {name: figures(values) for name, values in found[index].items()},
            "all": figures([entry for values in found[index].values() for entry in values]),
            "differing": differing[index],
        }
        for index, classifier in enumerate(classifiers)
    ]


def predict(classifier: GenreClassifier, path: Path, offset_s: float = 0.0) -> Prediction:
    """The answer for ten seconds of a file."""
    return classifier.predict(path, duration_s=10.0, offset_s=offset_s)


def make(version: Version, source: Path, folder: Path, *, offset_s: float = 0.0) -> Path:
    """The excerpt from `offset_s` on, stored in another way."""
    target = folder / f"{version.name.replace('/', ' ')}.{version.suffix}"
    excerpt = ("-ss", str(offset_s), "-i", str(source), "-t", str(VERSION_S), "-map", "0:a:0")
    subprocess.run(["ffmpeg", "-v", "error", *excerpt, *version.options, str(target)], check=True, capture_output=True)
    return target


def compared(original: Prediction, other: Prediction) -> Comparison:
    """How far two answers differ."""
    changes = [abs(value - other.probabilities[label]) for label, value in original.probabilities.items()]
    return Comparison(original.top(1)[0].label == other.top(1)[0].label, float(np.mean(changes)), max(changes))


def lead(prediction: Prediction) -> float:
    """How far the best label is ahead of the second."""
    first, second = prediction.top(2)
    return first.confidence - second.confidence


def figures(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Over all comparisons of one kind."""
    if not comparisons:
        return {"n": 0}
    same = sum(entry.same for entry in comparisons)
    return {
        "n": len(comparisons),
        "top1_agreement": same / len(comparisons),
        "interval": wilson_interval(same, len(comparisons)),
        "mean_change": float(np.mean([entry.mean_change for entry in comparisons])),
        "max_change": max(entry.max_change for entry in comparisons),
    }


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [
        f"{result['model']}: {result['clips']} clips, {len(result['left_out'])} files left out",
        f"{'version':>20} {'same Top-1':>11} {'mean change':>12} {'largest':>8}",
    ]
    for name, values in {**result["versions"], "all": result["all"]}.items():
        if values["n"]:
            changes = f"{values['mean_change']:12.4f} {values['max_change']:8.3f}"
            rows.append(f"{name:>20} {values['top1_agreement']:11.1%} {changes}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
