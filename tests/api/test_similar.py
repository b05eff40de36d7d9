"""`POST /api/similar`: the server's library, searched."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from acousticsense.api.routes import create_api
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.engine import EngineOptions
from acousticsense.library.features import BatchFeatures, FeatureTable
from acousticsense.library.similar import fill
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings


@pytest.fixture
def settings(tiny_models: Path, tmp_path: Path) -> Settings:
    ledger = str(tmp_path / "ledger.sqlite")
    return Settings(models=tiny_models, model="tiny", device="cpu", backend="pytorch", library=ledger)


def test_songs_are_found_as_soon_as_the_ledger_has_them(settings: Settings, music_mp3: Path, tmp_path: Path) -> None:
    with TestClient(create_api(PredictionService(settings), upload_dir=tmp_path)) as client:

        def ask() -> Response:
            answer: Response = client.post("/api/similar", files={"data": music_mp3.read_bytes()}, data={"top_k": "3"})
            return answer

        assert "holds no song" in ask().json()["error"]["message"]
        stage = BatchFeatures(GenreClassifier.load("tiny", settings=settings))
        fill(FeatureTable(Path(settings.library), stage.digest), stage, [str(music_mp3)], EngineOptions(workers=1))
        answer = ask().json()
    assert answer["songs"] == 1
    (song,) = answer["similar"]
    assert song["path"] == str(music_mp3)
    assert song["similarity"] == pytest.approx(1, abs=1e-4)


def test_a_server_without_a_library_says_so(settings: Settings, music_mp3: Path, tmp_path: Path) -> None:
    service = PredictionService(settings.replace(library=""))
    with TestClient(create_api(service, upload_dir=tmp_path)) as client:
        answer = client.post("/api/similar", files={"data": music_mp3.read_bytes()})
    assert answer.status_code == 400
    assert "ACOUSTICSENSE_LIBRARY" in answer.json()["error"]["hint"]
