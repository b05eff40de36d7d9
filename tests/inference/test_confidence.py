"""Confidence levels follow the measured thresholds, and are earned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.inference.confidence import advise, verdict_of
from acousticsense.inference.payload import advice_text
from acousticsense.inference.prediction import Verdict
from acousticsense.models.spec import Calibration

CALIBRATION = Calibration(confident_at=0.8, plausible_at=0.5, mixed_at=0.6, not_music_at=0.7, measured_on="a test")


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
def test_levels(best: float, second: float, not_music: float | None, verdict: str) -> None:
    rest = (1 - best - second) / 4
    probabilities = {"Jazz": best, "Blues": second, "Rock": rest, "Pop": rest, "Folk": rest, "Rap": rest}
    assert verdict_of(probabilities, not_music, CALIBRATION) == verdict


def test_a_model_with_a_single_label_is_analysed() -> None:
    assert verdict_of({"Jazz": 1.0}, None, CALIBRATION) == "confident"
    assert advise("confident", {"Jazz": 1.0}, HealthReport(), CALIBRATION)


def test_a_figure_is_quoted_only_where_it_was_measured() -> None:
    answer = {"Jazz": 0.9, "Blues": 0.1}
    unmeasured = advise("confident", answer, HealthReport(), CALIBRATION)
    measured = advise("confident", answer, HealthReport(), Calibration(level_accuracy={"confident": 0.934}))
    assert "unmeasured" in [advice.code for advice in unmeasured]
    assert {"percent": 93} in [dict(advice.values) for advice in measured if advice.code == "measured"]


def codes(clip: ClipInfo | None = None, *, verdict: Verdict = "unsure", other_kinds: tuple[str, ...] = ()) -> list[str]:
    answer = {"Jazz": 0.3, "Blues": 0.2}
    given = advise(verdict, answer, HealthReport(), CALIBRATION, clip=clip, other_kinds=other_kinds)
    return [advice.code for advice in given]


def clip(offset_s: float, duration_s: float, track_duration_s: float | None) -> ClipInfo:
    return ClipInfo(
        offset_s=offset_s,
        duration_s=duration_s,
        track_duration_s=track_duration_s,
        sample_rate_hz=44_100,
        channels=2,
    )


@pytest.mark.parametrize(
    ("offset_s", "duration_s", "track_s", "second"), [(0, 10, 200, 70), (70, 10, 200, 120), (0, 130, 200, 160)]
)
def test_an_unsure_answer_names_another_place_in_the_track(
    offset_s: float, duration_s: float, track_s: float, second: int
) -> None:
    given = advise("unsure", {"Jazz": 0.3}, HealthReport(), CALIBRATION, clip=clip(offset_s, duration_s, track_s))
    assert [dict(advice.values) for advice in given if advice.code == "other_place"] == [{"second": second}]


def test_no_other_place_is_offered_where_there_is_none_or_no_need() -> None:
    assert not {"other_place", "other_excerpt"} & set(codes(clip(0, 10, 10)))
    assert "other_excerpt" in codes(clip(0, 10, None))
    assert not {"other_place", "other_excerpt"} & set(codes(clip(0, 10, 200), verdict="confident"))


def test_the_other_image_is_offered_to_the_unsure_by_models_that_know_one() -> None:
    assert "other_image" in codes(other_kinds=("cqt",))
    assert "other_image" not in codes()
    assert "other_image" not in codes(verdict="confident", other_kinds=("cqt",))


def test_a_share_that_was_measured_on_other_labels_is_said_to_be() -> None:
    calibration = Calibration(level_accuracy={"plausible": 0.6})
    for tested, told in ((None, False), ({"Jazz", "Rock"}, False), ({"Rock"}, True)):
        given = advise("plausible", {"Jazz": 0.6, "Rock": 0.2}, HealthReport(), calibration, tested=tested)
        assert [advice_text(advice) for advice in given if advice.code == "untested"] == [
            "None of that music was Jazz, so how often that is right is not known."
        ] * told
    assert "untested" not in [
        advice.code for advice in advise("plausible", {"Jazz": 0.6}, HealthReport(), CALIBRATION, tested=())
    ]


def test_a_label_that_is_ahead_is_not_said_to_be_hardly_ahead() -> None:
    for second, code in ((0.4, "unsure"), (0.05, "unproven")):
        given = advise("unsure", {"Jazz": 0.45, "Blues": second}, HealthReport(), CALIBRATION)
        assert given[0].code == code
    assert "Jazz is ahead of Blues" in advice_text(given[0])
    assert "爵士领先于蓝调" in advice_text(given[0], "zh")


@pytest.mark.parametrize("best", [0.4, 0.7, 0.999])
def test_a_model_that_was_never_measured_is_never_more_than_unsure(best: float) -> None:
    never = Calibration(confident_at=0.8, plausible_at=0.5, mixed_at=0.6)
    assert verdict_of({"Jazz": best, "Blues": 1 - best}, None, never) == "unsure"
    assert verdict_of({"Jazz": best, "Blues": 1 - best}, None, replace(never, measured_on="60 clips")) != "unsure"
    given = advise("unsure", {"Jazz": 0.9, "Blues": 0.1}, HealthReport(), never)
    assert [advice.code for advice in given][:2] == ["unproven", "unmeasured"]


@pytest.mark.parametrize(
    ("duration_s", "verdict"), [(0.5, "unsure"), (2.99, "unsure"), (3.0, "confident"), (None, "confident")]
)
def test_little_sound_is_never_more_than_unsure(duration_s: float | None, verdict: str) -> None:
    assert verdict_of({"Jazz": 0.95, "Blues": 0.05}, 0.0, CALIBRATION, duration_s=duration_s) == verdict


def test_little_sound_may_still_be_no_music() -> None:
    assert verdict_of({"Jazz": 0.95, "Blues": 0.05}, 0.9, CALIBRATION, duration_s=1) == "not_music"


def test_the_advice_on_little_sound_says_so_and_quotes_no_share_of_longer_clips() -> None:
    calibration = replace(CALIBRATION, level_counts={"unsure": (4, 10)})
    given = advise("unsure", {"Jazz": 0.9, "Blues": 0.1}, HealthReport(), calibration, clip=clip(0, 2.5, 2.5))
    assert [advice.code for advice in given] == ["too_short"]
    assert advice_text(given[0]) == (
        "Jazz is the best guess, but 2.5 s of sound are too little to be sure: give 3 s or more, better ten."
    )
    assert "只有 2.5 秒的声音" in advice_text(given[0], "zh")


def test_how_often_such_answers_were_right_is_told_in_counts() -> None:
    calibration = replace(CALIBRATION, level_accuracy={"plausible": 0.82}, level_counts={"plausible": (41, 50)})
    given = advise("plausible", {"Jazz": 0.6, "Blues": 0.2}, HealthReport(), calibration)
    assert "41 of 50 such answers were right" in advice_text(given[1])
    assert "50 个此类结果中有 41 个正确" in advice_text(given[1], "zh")
    assert "measured" not in [advice.code for advice in given]
