"""Answers that a browser keeps come back as they were, and nothing else does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acousticsense.audio.types import ClipInfo, HealthNote, HealthReport
from acousticsense.i18n.page import ui_text
from acousticsense.inference.prediction import Advice, ModelInfo, Prediction, Timing
from acousticsense.models.genres import GENRES
from acousticsense.web.classify_handlers import ClassifyHandlers
from acousticsense.web.kept_answer import Asked, KeptAnswer, kept_from_json, kept_json
from acousticsense.web.result_view import result_html

ENGLISH: Any = SimpleNamespace(session_hash="a page", headers={"accept-language": "en"})
CHINESE: Any = SimpleNamespace(session_hash="a page", headers={"accept-language": "zh"})

PREDICTION = Prediction(
    probabilities={label: (0.7 if label == "Jazz" else 0.02) for label in GENRES},
    not_music=None,
    verdict="plausible",
    advice=(Advice("unmeasured", {}),),
    health=HealthReport((HealthNote(code="quiet", severity="warning", value=-50.0),)),
    clip=ClipInfo(offset_s=0.0, duration_s=10.0, track_duration_s=None, sample_rate_hz=44_100, channels=2),
    model=ModelInfo(name="m", architecture="a", weights_sha256="", spectrogram="mel", backend="pytorch-fp32"),
    timing_ms=Timing(decode=1.0, spectrogram=1.0, network=1.0, total=3.0),
)
KEPT = KeptAnswer(
    name="夜.mp3", asked=Asked(duration_s=10.0, whole=False, offset_s=0.0, model=""), prediction=PREDICTION
)


@pytest.fixture
def handlers() -> ClassifyHandlers:
    service: Any = None  # a kept answer takes no model
    return ClassifyHandlers(service, GENRES, ())


def kept(**values: Any) -> Any:
    return SimpleNamespace(id="1-2", answer=kept_json(KEPT), **values)


def test_an_answer_comes_back_as_it_was() -> None:
    assert kept_from_json(kept_json(KEPT)) == KEPT


@pytest.mark.parametrize(("request_", "genre"), [(ENGLISH, "Jazz"), (CHINESE, "爵士")])
def test_it_is_shown_in_the_readers_language_without_what_takes_its_sound(
    handlers: ClassifyHandlers, request_: Any, genre: str
) -> None:
    result, image, heat, below, *_ = handlers.recall(request_, kept())
    assert 'data-recalled="1-2"' in result
    assert f'<h2 class="as-best">{genre} ' in result
    assert 'data-as-image="1-2"' in image
    assert "data-as-kind" not in image
    assert heat == ""
    assert "pytorch-fp32" in below


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        "",
        "{}",
        kept_json(KEPT).replace('"plausible"', '"certain"'),
        kept_json(KEPT).replace('"unmeasured"', '"unheard"'),
    ],
)
def test_what_is_no_answer_is_refused_with_words(handlers: ClassifyHandlers, answer: Any) -> None:
    event: Any = SimpleNamespace(id="1-2", answer=answer)
    result, *_ = handlers.recall(ENGLISH, event)
    assert ui_text("error.not_kept") in result


def test_the_line_to_copy_says_song_genre_level_and_the_five_best() -> None:
    html = result_html(PREDICTION, "a.mp3", "en")
    assert 'data-line="a.mp3 (0:00 to 0:10): Jazz 70.0%, Plausible. Top 5: Jazz 70.0%, Blues 2.0%, ' in html
    assert 'data-line="a.mp3（0:00 至 0:10）：爵士 70.0%，较可能。前五名：爵士 70.0%、蓝调 2.0%、' in result_html(
        PREDICTION, "a.mp3", "zh"
    )
