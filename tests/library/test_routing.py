"""What is accepted: enough confidence about enough sound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acousticsense.audio.types import ClipInfo
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.export import csv_values, json_values
from acousticsense.library.routing import decide, review_reason
from acousticsense.library.rows import Row


@pytest.fixture
def row(classifier: GenreClassifier) -> Row:
    clip = ClipInfo(offset_s=0.0, duration_s=10.0, track_duration_s=10.0, sample_rate_hz=44_100, channels=2)
    return Row(
        path="x.mp3",
        model=classifier.info,
        settings_digest="0",
        probabilities={"Jazz": 0.9, "Rock": 0.1},
        verdict="confident",
        clip=clip,
    )


def lasting(row: Row, duration_s: float) -> Row:
    assert row.clip is not None
    return replace(row, clip=replace(row.clip, duration_s=duration_s))


def test_less_than_three_seconds_go_to_review_with_the_reason(row: Row) -> None:
    short = lasting(row, 0.5)
    assert decide(short, 0.85) == "review"
    assert decide(short, 0.0) == "review"
    assert "Only 0.5 s of sound were analysed" in review_reason(short)
    assert csv_values(short, "review")["reason"] == json_values(short, "review")["reason"] == review_reason(short)


def test_three_seconds_are_enough(row: Row) -> None:
    for duration_s in (3.0, 10.0):
        enough = lasting(row, duration_s)
        assert decide(enough, 0.85) == "accepted"
        assert review_reason(enough) == ""
    assert csv_values(row, "review")["reason"] is None


def test_short_noise_is_rejected_all_the_same(row: Row) -> None:
    assert decide(replace(lasting(row, 0.5), verdict="not_music"), 0.0) == "rejected"
