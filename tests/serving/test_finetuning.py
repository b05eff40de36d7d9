"""A model out of corrections: what a server allows, real training in its own process, and what is left behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from acousticsense.errors import OverloadError, RequestError
from acousticsense.library.uploads import Upload
from acousticsense.serving.jobs import BatchJob, FinetuneJob
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from tests.library.conftest import EXAMPLES

SONGS = ("starfall.mp3", "sky-vibe.ogg", "hacienda.ogg", "golden-fields.ogg")
PATIENCE_S = 120


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, and one for temporary files, of this test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    shutil.copytree(tiny_models / "tiny", tmp_path / "models" / "tiny")
    return tmp_path / "models"


def service_of(models: Path, most: int) -> PredictionService:
    return PredictionService(
        Settings(models=models, model="tiny", device="cpu", batch_workers=1, finetune_max_models=most)
    )


def corrected(service: PredictionService, genres: tuple[str, ...] = ("Jazz", "Jazz", "Rock", "Rock")) -> BatchJob:
    """A finished batch; the songs have these genres."""
    uploads = [Upload(path=EXAMPLES / name, name=name) for name in SONGS[: len(genres)]]
    batch = service.start_batch(uploads, PredictRequest())
    batch.result()
    for place, genre in enumerate(genres):
        batch.batch.correct(place, genre)
    return batch


def wait_for_process(job: FinetuneJob) -> None:
    until = time.monotonic() + PATIENCE_S
    while job.stage == "files" and time.monotonic() < until:
        time.sleep(0.05)
    assert job.stage != "files"


def test_corrections_become_a_model_that_answers_without_a_restart(models: Path, tmp_path: Path) -> None:
    service = service_of(models, 2)
    batch = corrected(service)
    job = service.start_finetune(batch, "mine")
    job.result()
    assert job.figures["n"] == 4
    assert 0 <= job.figures["accuracy"] <= 1
    assert service.catalog.spec("mine").labels == ("Jazz", "Rock")
    answer = service.analyse(EXAMPLES / SONGS[0], PredictRequest(model="mine")).prediction
    assert set(answer.probabilities) == {"Jazz", "Rock"}
    assert sorted(path.name for path in models.iterdir()) == ["mine", "tiny"]
    assert not [*(tmp_path / "tmp").glob("acousticsense-finetune-*")]
    with pytest.raises(RequestError, match="while there are fewer than 2"):
        service.start_finetune(batch, "another")


def test_a_server_makes_no_models_unless_it_is_allowed_to(models: Path) -> None:
    service = service_of(models, 0)
    with pytest.raises(RequestError, match="makes no models"):
        service.start_finetune(corrected(service), "mine")


def test_what_could_not_come_to_an_end_is_refused_at_once(models: Path) -> None:
    service = service_of(models, 9)
    batch = corrected(service, ("Jazz", "Jazz", "Rock"))
    with pytest.raises(RequestError, match="Jazz 2, Rock 1"):
        service.start_finetune(batch, "mine")
    for name, words in (("../mine", "cannot be the name"), ("tiny", "There is a model")):
        with pytest.raises(RequestError, match=words):
            service.start_finetune(batch, name)
    assert not service.queues.finetuning.inside


def test_a_second_run_is_turned_away_and_stopping_the_first_leaves_nothing(models: Path, tmp_path: Path) -> None:
    service = service_of(models, 9)
    batch = corrected(service)
    job = service.start_finetune(batch, "mine")
    with pytest.raises(OverloadError, match="being made"):
        service.start_finetune(batch, "another")
    wait_for_process(job)
    job.cancel()
    with pytest.raises(CancelledError):
        job.result()
    assert [path.name for path in models.iterdir()] == ["tiny"]
    assert not [*(tmp_path / "tmp").glob("acousticsense-finetune-*")]


def test_what_training_says_is_told(models: Path) -> None:
    service = service_of(models, 9)
    batch = corrected(service)
    weights = next((models / "tiny").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
    job = service.start_finetune(batch, "mine")
    with pytest.raises(Exception, match="is not the recorded file"):
        job.result()
