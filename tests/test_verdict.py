"""Verdict bands follow the measured thresholds."""

from __future__ import annotations

import pytest

from acousticsense.config import Calibration
from acousticsense.results import HealthReport
from acousticsense.verdict import advise, judge

CALIBRATION = Calibration(confident_at=0.8, plausible_at=0.5, mixed_at=0.6, not_music_at=0.7)


@pytest.mark.parametrize(
    ("best", "second", "not_music", "verdict"),
    [
        (0.80, 0.20, 0.0, "confident"),
        (0.79, 0.10, 0.0, "plausible"),
        (0.50, 0.40, 0.0, "plausible"),
        (0.40, 0.20, 0.0, "mixed"),
        (0.40, 0.19, 0.0, "unsure"),
        (0.99, 0.01, 0.7, "not_music"),
        (0.99, 0.01, 0.69, "confident"),
        (0.99, 0.01, None, "confident"),
    ],
)
def test_bands(best: float, second: float, not_music: float | None, verdict: str) -> None:
    rest = (1 - best - second) / 4
    probabilities = {"Jazz": best, "Blues": second, "Rock": rest, "Pop": rest, "Folk": rest, "Rap": rest}
    assert judge(probabilities, not_music, CALIBRATION) == verdict


def test_a_model_with_a_single_label_is_judged() -> None:
    assert judge({"Jazz": 1.0}, None, CALIBRATION) == "confident"
    assert advise("confident", {"Jazz": 1.0}, HealthReport(), CALIBRATION)


def test_a_figure_is_quoted_only_where_it_was_measured() -> None:
    answer = {"Jazz": 0.9, "Blues": 0.1}
    unmeasured = advise("confident", answer, HealthReport(), CALIBRATION)
    measured = advise("confident", answer, HealthReport(), Calibration(band_accuracy={"confident": 0.934}))
    assert "unmeasured" in [advice.code for advice in unmeasured]
    assert {"percent": 93} in [dict(advice.values) for advice in measured if advice.code == "measured"]
