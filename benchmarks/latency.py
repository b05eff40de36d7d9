"""How long one request takes, stage by stage, against upstream's way and against plain PyTorch, all in one run.

    python -m benchmarks.latency [--audio SONG.mp3] [--model NAME] [--repeats 16] [--json OUT]

Without --audio, a 240 s stereo mp3 at 44.1 kHz is made from the clips in examples/. What answers is what a server uses
on this machine: run `acousticsense accelerate` first, or have started the server once, to have the fast network.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import soundfile
import torch

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.prediction import Timing
from acousticsense.models.networks import build_network
from acousticsense.settings import Settings
from benchmarks import upstream
from benchmarks.common import backends, machine, make_song, medians_in_turns, parser, tell, timed_ms

STAGES = ("decode", "spectrogram", "network", "total")
#: Upstream takes seconds: it runs once for this many runs of ours.
_OURS_PER_UPSTREAM = 4
_NETWORK_ROUNDS = 20
_PLAIN = "PyTorch eager"
_NETWORK_BUDGET_S = 40.0


def main() -> None:
    """Runs the comparison and prints it."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--audio", type=Path)
    options_parser.add_argument("--repeats", type=int, default=16)
    options = options_parser.parse_args()
    settings = Settings()
    classifier = GenreClassifier.load(options.model, settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        song = options.audio or make_song(Path(folder) / "song.mp3")
        result = {
            "machine": machine(),
            "model": classifier.spec.name,
            "backend": classifier.info.backend,
            "song_s": round(soundfile.info(song).duration, 1),
            **compare_requests(song, classifier, options.repeats),
            **compare_networks(song, classifier, settings),
        }
    tell(result, as_table(result), options.json)


def compare_requests(song: Path, classifier: GenreClassifier, repeats: int) -> dict[str, Any]:
    """Median milliseconds per stage of our path (warm), of the whole track, and of upstream's, and their ratios."""
    network = upstream.vit_b_16()
    upstream.predict(song, network)
    classifier.predict(song)
    ours: list[Timing] = []
    track_ms: list[float] = []
    theirs_ms: list[float] = []
    for repeat in range(repeats):
        # in turns, so that a machine that slows down slows both down
        ours.append(classifier.predict(song).timing_ms)
        if repeat % _OURS_PER_UPSTREAM == 0:
            theirs_ms.append(timed_ms(lambda: upstream.predict(song, network)))
            track_ms.append(timed_ms(lambda: classifier.predict(song, duration_s=None)))
    medians = {stage: statistics.median(getattr(timing, stage) for timing in ours) for stage in STAGES}
    n_ours = len(classifier.analyse(song, duration_s=None).images.start_s)
    n_theirs = len(upstream.windows(upstream.decibels(song)))
    return {
        "ours_ms": medians,
        "ours_without_network_ms": statistics.median(timing.total - timing.network for timing in ours),
        "upstream_ms": statistics.median(theirs_ms),
        "upstream_over_ours": statistics.median(theirs_ms) / medians["total"],
        "whole_track_ms": statistics.median(track_ms),
        "whole_track_windows": {"ours": n_ours, "upstream": n_theirs},
        "upstream_over_ours_per_window": (statistics.median(theirs_ms) / n_theirs)
        / (statistics.median(track_ms) / n_ours),
    }


def compare_networks(song: Path, classifier: GenreClassifier, settings: Settings) -> dict[str, Any]:
    """Median milliseconds of one window through the network as PyTorch computes it in float32, and as a server may."""
    spec = classifier.spec
    plain = build_network(spec.architecture, spec.n_outputs, model_args=spec.model_args, head=spec.head)
    window = classifier.spec.front_end.to_input(classifier.analyse(song).images.inputs[:1].cpu())

    def eager() -> object:
        with torch.inference_mode():
            return plain(window)

    runs = {_PLAIN: eager}
    for name, backend in backends(classifier, settings).items():
        runs[name] = partial(backend.logits, window)
    medians = medians_in_turns(runs, rounds=_NETWORK_ROUNDS, budget_s=_NETWORK_BUDGET_S)
    return {"network_ms": medians}


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [f"{result['model']} by {result['backend']}, first 10 s of a {result['song_s']} s song", ""]
    rows += [f"{stage:>24} {result['ours_ms'][stage]:9.1f} ms" for stage in STAGES]
    rows.append(f"{'all but the network':>24} {result['ours_without_network_ms']:9.1f} ms")
    rows.append(f"{'upstream, whole song':>24} {result['upstream_ms']:9.1f} ms")
    rows.append(f"{'upstream / ours':>24} {result['upstream_over_ours']:9.1f} x")
    rows.append(f"{'our whole song':>24} {result['whole_track_ms']:9.1f} ms")
    rows.append(f"{'upstream / ours, window':>24} {result['upstream_over_ours_per_window']:9.1f} x")
    eager_ms = result["network_ms"][_PLAIN]
    rows += ["", "one window through the network alone"]
    rows += [f"{name:>24} {ms:9.1f} ms {eager_ms / ms:7.2f} x" for name, ms in result["network_ms"].items()]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
