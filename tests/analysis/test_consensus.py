"""What several answers say together, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from acousticsense.analysis.consensus import agreement, build_consensus, largest_group
from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.inference.prediction import ModelInfo, Prediction, Timing
from acousticsense.models.spec import Calibration


def prediction(probabilities: dict[str, float], not_music: float | None = None) -> Prediction:
    return Prediction(
        probabilities=probabilities,
        not_music=not_music,
        verdict="plausible",
        advice=(),
        health=HealthReport(),
        clip=ClipInfo(offset_s=0, duration_s=10, track_duration_s=10, sample_rate_hz=44_100, channels=2),
        model=ModelInfo(name="m", architecture="a", weights_sha256="0", spectrogram="mel", backend="none"),
        timing_ms=Timing(decode=1, spectrogram=1, network=1, total=3),
    )


def members(*rows: tuple[float, float, float]) -> list[Prediction | None]:
    return [prediction(dict(zip(("Classical", "Jazz", "Rock"), row, strict=True))) for row in rows]


SURE_OF_EACH = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FIVE = ((0.6, 0.3, 0.1), (0.5, 0.4, 0.1), (0.7, 0.2, 0.1), (0.2, 0.7, 0.1), (0.3, 0.6, 0.1))


def test_the_mean_is_the_plain_mean() -> None:
    consensus = build_consensus(members(*FIVE))
    assert consensus is not None
    assert list(consensus.probabilities.values()) == pytest.approx(np.mean(FIVE, axis=0))
    assert consensus.calibrated is None


def test_members_count_by_their_weights_where_these_were_measured() -> None:
    rows = members((0.6, 0.3, 0.1), (0.2, 0.7, 0.1))
    consensus = build_consensus(rows, Calibration(measured_on="a test"), weights=(3, 1))
    assert consensus is not None
    assert consensus.calibrated is not None
    products = np.array([0.6**0.75 * 0.2**0.25, 0.3**0.75 * 0.7**0.25, 0.1])
    assert list(consensus.calibrated.values()) == pytest.approx(products / products.sum())
    assert list(consensus.probabilities.values()) == pytest.approx([0.4, 0.5, 0.1])


def test_five_members_three_to_two() -> None:
    consensus = build_consensus(members(*FIVE))
    assert consensus is not None
    assert list(consensus.votes.items()) == [("Classical", 3), ("Jazz", 2)]
    assert consensus.border == ("Classical", "Jazz")
    assert consensus.pair == (2, 3)  # the surest of either side


@pytest.mark.parametrize(("votes", "expected"), [([5], 1), ([3, 2], 0.4), ([1, 1, 1], 0), ([4, 1], 0.6)])
def test_agreement_is_how_often_two_members_name_the_same(votes: list[int], expected: float) -> None:
    assert agreement(votes) == pytest.approx(expected)
    answers = [row for count, row in zip(votes, SURE_OF_EACH, strict=False) for row in [row] * count]
    consensus = build_consensus(members(*answers))
    assert consensus is not None
    assert consensus.agreement == pytest.approx(expected)


def test_what_stands_clear_is_no_border_and_one_member_no_agreement() -> None:
    consensus = build_consensus(members((0.8, 0.1, 0.1)))
    assert consensus is not None
    assert (consensus.border, consensus.agreement, consensus.pair) == (None, None, None)


def test_a_measured_temperature_is_applied_after_pooling() -> None:
    calibration = Calibration(
        temperature=0.5, confident_at=0.6, level_accuracy={"confident": 0.9}, measured_on="a test"
    )
    consensus = build_consensus(members((0.6, 0.3, 0.1), (0.8, 0.1, 0.1)), calibration)
    assert consensus is not None
    assert consensus.calibrated is not None
    products = np.array([0.6 * 0.8, 0.3 * 0.1, 0.1 * 0.1])  # squares of the geometric mean
    assert list(consensus.calibrated.values()) == pytest.approx(products / products.sum())
    assert consensus.verdict == "confident"
    assert consensus.top(1)[0].confidence == max(consensus.calibrated.values())
    assert any(advice.code == "measured" for advice in consensus.advice)


def test_other_labels_and_failures_are_never_averaged_in() -> None:
    stranger = prediction({"Techno": 0.9, "House": 0.1})
    answers = [stranger, None, *members(*FIVE[:2])]
    assert largest_group(answers) == (2, 3)
    consensus = build_consensus(answers)
    assert consensus is not None
    assert "Techno" not in consensus.probabilities
    assert consensus.members == (2, 3)
    assert consensus.pair == (2, 3)


def test_the_same_labels_in_another_order_are_the_same_labels() -> None:
    turned = prediction({"Rock": 0.1, "Classical": 0.2, "Jazz": 0.7})
    consensus = build_consensus([*members(FIVE[0]), turned])
    assert consensus is not None
    assert consensus.probabilities["Jazz"] == pytest.approx(0.5)


def test_nobody_answered() -> None:
    assert build_consensus([None, None]) is None


def test_not_music_is_the_mean_over_those_who_can_tell() -> None:
    probabilities = {"Classical": 0.9, "Jazz": 0.1}
    answers = [prediction(probabilities, not_music) for not_music in (0.9, 0.7, None)]
    consensus = build_consensus(answers)
    assert consensus is not None
    assert consensus.not_music == pytest.approx(0.8)
    assert consensus.verdict == "not_music"


def test_a_mean_that_was_not_measured_has_the_highest_of_its_members_thresholds() -> None:
    answers = members((0.95, 0.03, 0.02), (0.9, 0.05, 0.05))
    low = Calibration(confident_at=0.6, measured_on="a test")
    high = Calibration(confident_at=1.01, plausible_at=0.7, mixed_at=1.01, measured_on="a test")
    for own, verdict in (
        ((low, low), "confident"),
        ((low, high), "plausible"),
        ((low, Calibration()), "unsure"),
        ((), "unsure"),
    ):
        consensus = build_consensus(answers, own=own)
        assert consensus is not None
        assert consensus.verdict == verdict


@pytest.mark.parametrize("best", [0.3, 0.39, 0.45, 0.6, 0.9])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.74, 0.76, 1.0])
def test_one_answer_never_both_stands_clear_and_is_only_slightly_ahead(best: float, share: float) -> None:
    second = min(best * share, 1 - best)
    rest = 1 - best - second
    labels = ("Classical", "Jazz", *(f"other {number}" for number in range(20)))
    row = dict(zip(labels, (best, second, *[rest / 20] * 20), strict=True))
    consensus = build_consensus([prediction(row), prediction(row)])
    assert consensus is not None
    assert consensus.verdict == "unsure"
    assert (consensus.advice[0].code == "unsure") is (consensus.border is not None)


def test_a_mix_of_two_lies_on_the_border_between_them() -> None:
    calibration = Calibration(plausible_at=0.7, mixed_at=0.6, measured_on="a test")
    consensus = build_consensus(members((0.5, 0.3, 0.2)), own=[calibration])
    assert consensus is not None
    assert (consensus.verdict, consensus.border) == ("mixed", ("Classical", "Jazz"))
