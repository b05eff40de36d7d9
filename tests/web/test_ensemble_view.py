"""The answer of an ensemble as the page shows it, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acousticsense.audio.types import HealthNote, HealthReport
from acousticsense.inference.prediction import Verdict
from acousticsense.web.ensemble_view import ensemble_html
from tests.analysis.test_ensemble_words import answer, result

SILENCE = HealthReport((HealthNote(code="silence", severity="error", value=-80.0),))


def headline(verdict: Verdict, health: HealthReport, language: str = "en") -> str:
    """The card above its table."""
    told = result(answer("resnet50", "Rock"), answer("vgg19_bn", "Rock"))
    assert told.consensus
    told = replace(told, health=health, consensus=replace(told.consensus, verdict=verdict))
    return ensemble_html(told, "song.mp3", language).split('class="as-scroll"')[0]


@pytest.mark.parametrize(
    ("verdict", "health", "state", "words"),
    [
        ("not_music", SILENCE, "silence", "Silence"),
        ("plausible", SILENCE, "silence", "Silence"),
        ("not_music", HealthReport(()), "not_music", "Speech or noise, not music"),
    ],
)
def test_what_is_no_music_gets_the_words_of_classify_and_no_genre(
    verdict: Verdict, health: HealthReport, state: str, words: str
) -> None:
    html = headline(verdict, health)
    assert f'<h2 class="as-best">{words}</h2>' in html
    assert f'data-state="{state}"' in html
    assert "So no genre is shown." in html
    assert "Rock" not in html
    assert "摇滚" not in headline(verdict, health, "zh")


def test_music_gets_its_genre() -> None:
    html = headline("plausible", HealthReport(()))
    assert '<h2 class="as-best">Rock' in html
    assert "Both members say Rock." in html
