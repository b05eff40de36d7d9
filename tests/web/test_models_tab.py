"""The tab "Models": its measurement of speed, which anybody may start, is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acousticsense.errors import OverloadError
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web.models_tab import ModelsHandlers
from tests.web.test_page import ENGLISH


@pytest.fixture
def service(tiny_models: Path) -> PredictionService:
    return PredictionService(Settings(models=tiny_models, model="tiny", device="cpu"))


@pytest.fixture
def asked(service: PredictionService, monkeypatch: pytest.MonkeyPatch) -> list[PredictRequest]:
    """What is asked of the service's queue of predictions."""
    requests: list[PredictRequest] = []
    analyse = service.analyse

    def noted(source: Any, request: PredictRequest) -> Any:
        requests.append(request)
        return analyse(source, request)

    monkeypatch.setattr(service, "analyse", noted)
    return requests


def test_a_speed_is_measured_once_for_everybody(
    service: PredictionService, asked: list[PredictRequest], music_wav: Path
) -> None:
    handlers = ModelsHandlers(service, music_wav)
    measuring = handlers.measure(ENGLISH)
    assert " ms" in next(measuring)
    assert len(asked) == 4
    (shown,) = handlers.measure(ENGLISH)  # another page, while the first one goes on
    assert " ms" in shown
    assert [*measuring] == [shown]
    assert len(asked) == 4


def test_a_full_server_is_left_in_peace_and_asked_again_later(
    service: PredictionService, music_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OverloadError("The server is busy.", hint="Try again.")

    handlers = ModelsHandlers(service, music_wav)
    with monkeypatch.context() as busy:
        busy.setattr(service, "analyse", full)
        assert [" ms" in shown for shown in handlers.measure(ENGLISH)] == [False]
    assert [" ms" in shown for shown in handlers.measure(ENGLISH)] == [True, True]
