"""Sentences about results are there and can be filled in; the language of a browser."""

from __future__ import annotations

from typing import get_args

import pytest

from acousticsense.audio.types import HealthNote, HealthReport
from acousticsense.i18n.messages import preferred_language, text
from acousticsense.inference.confidence import advise
from acousticsense.inference.prediction import Verdict
from acousticsense.models.spec import Calibration


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_verdict_and_its_advice_has_words(verdict: Verdict) -> None:
    assert text(f"verdict.{verdict}") != text(f"verdict.{verdict}", "zh")
    sick = HealthReport((HealthNote(code="clipping", severity="warning", value=0.1),))
    counted = Calibration(level_counts={verdict: (41, 50)})
    for calibration in (Calibration(), Calibration(level_accuracy={verdict: 0.93}), counted):
        for advice in advise(verdict, {"Jazz": 0.7, "Blues": 0.3}, sick, calibration):
            assert text(f"advice.{advice.code}", **advice.values)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en"),
        ("fr,zh;q=0.5,en;q=0.6", "en"),
        ("de-DE", "en"),
        ("zh;q=nonsense,en;q=0.1", "en"),
        ("zh;q=0", "en"),
        ("fr,zh;q=0.000", "en"),
        ("zh; q=0, en; q=0.1", "en"),
        ("en; q=0.1, zh ; Q=0.5", "zh"),
        ("en;q=0, zh;q=0.1", "zh"),
        ("zh;q=nan", "en"),
    ],
)
def test_the_language_a_browser_prefers(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


def test_a_label_with_a_full_stop_or_without_an_end_fits_into_a_sentence() -> None:
    words = text("advice.confident", best="Misc.", second="x")
    assert words == "This is very likely Misc."
    assert len(text("advice.confident", best="x" * 10_000)) < 100
    assert text("advice.confident", "zh", best="杂项。") == "很可能是杂项。"
