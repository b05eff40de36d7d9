"""A library analysed by a Ray cluster that loses a node on the way, compared row by row with the engine of one machine.

    python -m benchmarks.killed_node FOLDER [--files 160] [--model NAME] [--json OUT]

The cluster is a head that does no work and two nodes with one core each, in processes of this machine. A node whose
actor holds the model is killed when a third of the rows are there. Times are those of this machine, which all nodes
share: what they tell is what the loss costs, not how fast a cluster is.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.engine import LocalEngine
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.ray_engine import RayEngine
from acousticsense.library.ray_nodes import PredictorSource
from acousticsense.library.rows import Row
from acousticsense.settings import Settings
from benchmarks.common import machine, parser, tell
from benchmarks.library import music_folder

_STORE_BYTES: Final = 80 * 2**20


def main() -> None:
    """Runs both engines and prints what the loss cost."""
    options = parser(__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--files", type=int, default=160, help="files to predict")
    chosen = options.parse_args()
    settings = Settings()
    settings = settings.replace(device="cpu", model=chosen.model or settings.model)
    classifier = GenreClassifier.load(device="cpu", settings=settings)
    recipe = classifier.recipe()
    predict = BatchPredictor(classifier, recipe)
    source = PredictorSource(settings=settings, spectrogram=None, recipe=recipe, digest=predict.digest)
    with tempfile.TemporaryDirectory() as folder:
        paths = music_folder(chosen.folder, Path(folder, "music_folder"), chosen.files)
        local = dict(pair for batch in LocalEngine(predict, recipe).rows(paths) for pair in batch)
        with cluster() as nodes:
            result = killed_run(nodes, RayEngine(source, address=nodes.address), paths, local)
    result = {"machine": machine(), "model": classifier.spec.name, "files": len(paths), **result}
    lines = [f"{name.replace('_', ' '):>28}  {value}" for name, value in result.items() if name != "machine"]
    tell(result, "\n".join(lines), chosen.json)


def killed_run(nodes: Any, engine: RayEngine, paths: Sequence[str], local: dict[str, Row]) -> dict[str, Any]:
    """Figures of a run in which the node with the model is killed."""
    started_at = time.perf_counter()
    found: dict[str, Row] = {}
    moments: dict[str, float] = {}
    for batch in engine.rows(paths):
        now = time.perf_counter() - started_at
        moments.setdefault("first_rows_s", now)
        if "killed_s" in moments:
            moments.setdefault("next_rows_s", now)
        found.update(batch)
        if "killed_s" not in moments and len(found) * 3 >= len(paths):
            moments["rows_when_killed"] = len(found)
            kill_predictor(nodes)
            moments["killed_s"] = time.perf_counter() - started_at
    return {
        "rows": len(found),
        "errors": sum(row.error is not None for row in found.values()),
        "rows_unlike_the_local_engine": sum(path not in found or not same(found[path], local[path]) for path in paths),
        **{name: round(value, 1) for name, value in moments.items()},
        "done_s": round(time.perf_counter() - started_at, 1),
    }


def same(one: Row, other: Row) -> bool:
    """All equal; probabilities to rounding, for the images of a batch are computed together."""
    pairs = [*zip(one.probabilities.values(), other.probabilities.values(), strict=True)]
    if (one.not_music is None) != (other.not_music is None):
        return False
    pairs.append((one.not_music or 0.0, other.not_music or 0.0))
    close = all(abs(a - b) <= 1e-5 for a, b in pairs)
    return close and one == replace(other, probabilities=one.probabilities, not_music=one.not_music)


@contextmanager
def cluster(**system_config: int) -> Iterator[Any]:
    """A head that does no work and two nodes with one core each; further settings of Ray's own by their names."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    nodes: Any = Cluster()
    try:
        system_config = {"worker_niceness": 0, **system_config}
        _start(nodes, num_cpus=0, include_dashboard=False, no_monitor=True, _system_config=system_config)
        _start(nodes, num_cpus=1)
        _start(nodes, num_cpus=1)
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


def _start(nodes: Any, **arguments: Any) -> None:
    """Adds a node. Ray gives each 30 s, which on a machine at its limit is not always enough."""
    for attempts_left in (2, 1, 0):
        try:
            nodes.add_node(object_store_memory=_STORE_BYTES, include_log_monitor=False, **arguments)
            return
        except Exception as error:
            if not attempts_left or "timed out during startup" not in str(error):
                raise


def kill_predictor(nodes: Any) -> None:
    """Kills a node with an actor that holds the model."""
    nodes.remove_node(next(node for node in nodes.worker_nodes if _hosts_the_predictor(node)), allow_graceful=False)


def _hosts_the_predictor(node: Any) -> bool:
    (raylet,) = node.all_processes["raylet"]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = entry.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            title = entry.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == raylet.process.pid and b"PredictorActor" in title:
            return True
    return False


if __name__ == "__main__":
    main()
