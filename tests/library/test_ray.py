"""The engine on a cluster: nodes in processes of their own, one of them killed, and the rows of the local engine."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from acousticsense.cli.main import main
from acousticsense.errors import LibraryError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library import pool, ray_nodes
from acousticsense.library.decode import DecodedFile, decode_file
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.identity import network_digest
from acousticsense.library.ledger import Ledger
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.ray_engine import RayEngine, Shares, share_out
from acousticsense.library.ray_nodes import PredictorSource, decode_batch
from acousticsense.library.run import Engine, LibraryRun
from acousticsense.library.walk import Walk
from acousticsense.settings import Settings
from benchmarks.killed_node import cluster, kill_predictor, same
from tests.library.conftest import EXAMPLES
from tests.library.decoders import misbehaving

ROOT = EXAMPLES.parent


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that does no work and two nodes with one core each, which find the tests' modules."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # Ray takes a node for dead after half a minute by default.
    with cluster(
        health_check_period_ms=1000, health_check_timeout_ms=3000, health_check_failure_threshold=3
    ) as started:
        yield started


@pytest.fixture
def source(tiny_models: Path, classifier: GenreClassifier) -> PredictorSource:
    recipe = classifier.recipe()
    settings = Settings(models=tiny_models, model="tiny", device="cpu")
    return PredictorSource(
        settings=settings, spectrogram=None, recipe=recipe, digest=BatchPredictor(classifier, recipe).digest
    )


def test_a_task_after_one_whose_decoders_did_not_start_begins_with_new_ones(
    classifier: GenreClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pyarrow.table({"path": [os.fsencode(EXAMPLES / "sky-vibe.ogg")]})
    task = (table, classifier.recipe(), 60.0, decode_file)
    with monkeypatch.context() as patch:
        patch.setattr(pool, "_START_S", 0.0)
        with pytest.raises(LibraryError, match="do not start"):
            decode_batch(*task)
    (outcome,) = decode_batch(*task)["outcome"].to_pylist()
    assert isinstance(pickle.loads(outcome), DecodedFile)
    ray_nodes._pool(*task[1:]).close()
    ray_nodes._pool.cache_clear()


def library_of(folder: Path, n: int) -> list[str]:
    """Clips under `n` names, one of which crashes the decoder, and one file that is no audio."""
    clips = [clip for clip in sorted(EXAMPLES.iterdir()) if clip.suffix in (".mp3", ".ogg")]
    for number in range(n):
        clip = clips[number % len(clips)]
        shutil.copy(clip, folder / f"{'crash' if number == 3 else ''}{number:02}{clip.suffix}")
    (folder / "broken.mp3").write_text("no audio at all")
    return sorted(str(path) for path in folder.iterdir())


def run_of(
    paths: list[str], ledger: Ledger, engine: Engine, predict: BatchPredictor, network: str
) -> tuple[LibraryRun, Any]:
    rows = ledger.begin(paths, settings=predict.digest, network=network)
    return LibraryRun(Walk(paths), rows, engine, predict), rows


def test_a_killed_node_costs_no_row_and_changes_none(
    nodes: Any, source: PredictorSource, classifier: GenreClassifier, tmp_path: Path
) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    paths = library_of(folder, 24)
    predict = BatchPredictor(classifier, source.recipe)
    options = EngineOptions(batch=2)
    engine = RayEngine(source, options, address=nodes.address, decode=misbehaving)
    local = LocalEngine(predict, source.recipe, options, decode=misbehaving)
    expected = dict(pair for batch in local.rows(paths) for pair in batch)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        network = network_digest(classifier.spec)
        run, rows = run_of(paths, ledger, engine, predict, network)
        killed = False
        for _ in run.batches():
            if not killed:
                assert run.counts.seen < len(paths) / 2
                kill_predictor(nodes)
                killed = True
        assert killed
        assert (run.counts.seen, run.counts.failed) == (len(paths), 2)
        found = dict(rows.rows())
        again, _ = run_of(paths, ledger, local, predict, network)
        assert [len(batch) for batch in again.batches()] == [1]  # the crash, which may be gone at another try
        assert again.counts.skipped == len(paths) - 1
    assert set(found) == set(expected)
    for path, row in expected.items():
        assert same(found[path], row)
    other = RayEngine(replace(source, digest="0" * 64), options, address=nodes.address)
    with pytest.raises(LibraryError, match="A node cannot predict: It has other weights"):
        list(other.rows(paths[:1]))


@pytest.mark.parametrize(
    ("n_cpus", "n_gpus", "decoders", "shares"),
    [
        (1, 0, None, Shares(1, 1, 0)),
        (2, 0, None, Shares(1, 2, 0)),
        (64, 0, None, Shares(32, 64, 0)),
        (64, 0, 10, Shares(10, 64, 0)),
        (64, 4, None, Shares(60, 4, 1)),
        (4, 8, None, Shares(1, 8, 1)),
    ],
)
def test_who_does_what(n_cpus: int, n_gpus: int, decoders: int | None, shares: Shares) -> None:
    assert share_out(n_cpus, n_gpus, decoders) == shares


def test_a_node_with_another_model_must_not_answer(source: PredictorSource) -> None:
    with pytest.raises(LibraryError, match="other weights"):
        replace(source, digest="0" * 64).predictor("cpu")


def test_without_ray_the_command_says_what_to_install(
    source: PredictorSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = source.settings.replace(cache_dir=tmp_path / "cache").to_env()
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main(["tag", str(EXAMPLES), "--engine", "ray"]) == 1
    assert "pip install 'acousticsense[ray]'" in capsys.readouterr().err


def test_no_cluster_at_that_address(source: PredictorSource) -> None:
    with pytest.raises(LibraryError, match="No Ray cluster answers"):
        list(RayEngine(source, address="127.0.0.1:1").rows(["x.mp3"]))
