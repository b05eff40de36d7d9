"""The tab "Ensemble" without a browser: what it refuses to ask."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web.ensemble_tab import EnsembleHandlers

WORDS = {"en": "Choose at least one model.", "zh-CN": "请至少选择一个模型。"}


@pytest.fixture
def handlers(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> EnsembleHandlers:
    """Of a service that fails whoever asks it for models."""
    service = PredictionService(Settings(models=tiny_models, model="tiny", device="cpu"))
    monkeypatch.setattr(service, "loaded", None)
    return EnsembleHandlers(service)


@pytest.fixture
def song(music_mp3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A song where Gradio puts what a browser sends."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(get_upload_folder()) / "song.mp3"
    path.write_bytes(music_mp3.read_bytes())
    return path


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("models", [[], None])
def test_with_no_model_ticked_none_is_asked_and_none_is_loaded(
    handlers: EnsembleHandlers, song: Path, models: Any, language: str
) -> None:
    words = WORDS[language]
    request: Any = SimpleNamespace(headers={"accept-language": language})
    file: Any = {"path": str(song)}
    (refused,) = handlers.predict(file, models, "both", 10, 0, request, "nothing")
    assert words in refused
    assert list(handlers.prepare(models, request)) == [""]
    (without_song,) = handlers.predict(None, models, "both", 10, 0, request)
    assert words not in without_song
