"""How long five models take together, compared with one after the other in the same run; loading and memory.

    python -m benchmarks.ensemble [--audio SONG] [--spectrogram mel] [--repeats 8] [--device cpu] [--json OUT]

Networks whose weights are not installed are written to a temporary folder at full size with random weights: time and
memory do not depend on the values. `alone` and `sum` are the networks only; so is `together`: image and decoding are
shared there, and left out of both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from acousticsense.analysis.ensemble import Ensemble
from acousticsense.analysis.members import Spectrograms
from acousticsense.analysis.results import EnsembleResult
from acousticsense.files import sha256_of
from acousticsense.models.catalog import DEFAULT_MODEL, Catalog
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.models.spec import Alternative, ModelSpec
from acousticsense.models.weights import write_state_dict
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_CQT
from benchmarks.common import EXAMPLES, machine, timed_ms

#: Folder -> timm name, as the project ships them.
CNNS = {
    "vgg19_bn": "vgg19_bn",
    "resnet50": "resnet50",
    "densenet121": "densenet121",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenetv3_large": "mobilenetv3_large_100",
}


def main() -> None:
    """Runs the comparison and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audio", type=Path, default=EXAMPLES / "starfall.mp3")
    parser.add_argument("--spectrogram", choices=["mel", "cqt", "both"], default="mel")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        made = complete(Path(folder), Catalog(settings.models))
        settings = settings.replace(models=Path(folder), device=options.device)
        result = compare(settings, options.audio, options.spectrogram, options.repeats)
    result["random_weights"] = made
    print(as_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def complete(folder: Path, installed: Catalog) -> list[str]:
    """Fills a models folder with the installed five and the default, random weights where missing; returns those."""
    names = installed.names()
    for name in (*CNNS, DEFAULT_MODEL):
        if name in names:
            (folder / name).symlink_to(installed.root.resolve() / name)
    missing = [name for name in CNNS if name not in names]
    for name in missing:
        spec = ModelSpec(
            name=name,
            architecture=CNNS[name],
            labels=GENRES,
            has_not_music=True,
            alternatives=(Alternative(front_end=NATIVE_CQT),),
        )
        (folder / name).mkdir()
        network = build_network(spec.architecture, spec.n_outputs)
        write_state_dict(network.state_dict(), folder / name / spec.weights_file)
        spec = replace(spec, weights_sha256=sha256_of(folder / name / spec.weights_file))
        (folder / name / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return missing


def compare(settings: Settings, song: Path, kind: Spectrograms, repeats: int) -> dict[str, Any]:
    """Milliseconds of each model alone, their sum, all together, and the ratios; loading and memory."""
    before_mib = resident_mib()
    ensemble = Ensemble.load(settings=settings)
    load_ms = timed_ms(lambda: ensemble.warm_up(tuple(CNNS)))
    loaded = ensemble.warm_up(tuple(CNNS))
    default = [DEFAULT_MODEL] if DEFAULT_MODEL in Catalog(settings.models).names() else []
    ensemble.warm_up(default or tuple(CNNS))
    after_mib = resident_mib()
    for models in ([[name] for name in CNNS] + [[*CNNS]]) * 2:
        ensemble.predict(song, models=models, spectrogram=kind)
    alone: dict[str, list[float]] = {name: [] for name in CNNS}
    together: list[float] = []
    for _ in range(repeats):
        # in turns, so that a machine that slows down slows both down
        for name, times in alone.items():
            times.append(network_ms(ensemble.predict(song, models=[name], spectrogram=kind)))
        together.append(network_ms(ensemble.predict(song, models=tuple(CNNS), spectrogram=kind)))
    medians = {name: statistics.median(times) for name, times in alone.items()}
    concurrent = statistics.median(together)
    return {
        "machine": machine(),
        "spectrogram": kind,
        "alone_ms": medians,
        "sum_ms": sum(medians.values()),
        "together_ms": concurrent,
        "together_over_sum": ratio(together, alone.values()),
        "together_over_slowest": concurrent / max(medians.values()),
        "load_ms": load_ms,
        "size_mb": {resident.name: resident.size_bytes / 1e6 for resident in loaded},
        "memory_mib": {"before": before_mib, "models loaded": after_mib, "after": resident_mib()},
        "in_memory": [*CNNS, *default],
    }


def ratio(together: Sequence[float], alone: Iterable[Sequence[float]]) -> float:
    """Median over the rounds of together / sum of singles, each ratio within one round."""
    rounds = zip(together, zip(*alone, strict=True), strict=True)
    return float(statistics.median(both / sum(single) for both, single in rounds))


def network_ms(result: EnsembleResult) -> float:
    """What the networks took, from the first one's start to the last one's end."""
    failed = [member.error for member in result.members if member.error]
    if failed:
        raise failed[0]
    return result.network_ms


def resident_mib() -> int:
    """Resident memory of this process (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [f"{result['spectrogram']}, {result['machine']}, {torch.get_num_threads()} threads", ""]
    if result["random_weights"]:
        rows.append(f"random weights: {', '.join(result['random_weights'])}")
    for name, spent_ms in result["alone_ms"].items():
        rows.append(f"{name:>24} {spent_ms:9.1f} ms alone {result['size_mb'][name]:8.0f} MB")
    rows.append(f"{'sum':>24} {result['sum_ms']:9.1f} ms")
    rows.append(f"{'together':>24} {result['together_ms']:9.1f} ms")
    rows.append(f"{'together / sum':>24} {result['together_over_sum']:9.2f}")
    rows.append(f"{'together / slowest':>24} {result['together_over_slowest']:9.2f}")
    rows.append(f"{'loading all':>24} {result['load_ms']:9.0f} ms")
    rows.append(f"{'memory':>24} {result['memory_mib']} MiB with {', '.join(result['in_memory'])}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
