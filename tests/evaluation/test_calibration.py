"""Temperature and thresholds from answers whose truth is known, and what is said when there are too few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from acousticsense.evaluation.calibration import Answers, fit_calibration
from acousticsense.evaluation.levels import Targets
from acousticsense.evaluation.statistics import wilson_interval
from acousticsense.inference.confidence import verdict_of
from acousticsense.models.spec import NEVER

N_LABELS = 4


def drawn(n: int, *, sharpness: float = 1.0, seed: int = 0) -> Answers:
    """Answers whose probabilities are exactly right at temperature 1 / sharpness: labels are drawn from them."""
    source = np.random.default_rng(seed)
    logits = source.normal(0, 2.5, (n, N_LABELS))
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([source.choice(N_LABELS, p=row) for row in odds])
    return Answers(logits=logits * sharpness, labels=labels, n_labels=N_LABELS)


def with_not_music(music: NDArray[np.float64], others: NDArray[np.float64]) -> Answers:
    """Answers with given probabilities of not being music."""
    scores = np.concatenate([music, others])
    logits = np.zeros((len(scores), N_LABELS + 1))
    logits[:, -1] = np.log(scores / (1 - scores)) + np.log(N_LABELS)
    labels = np.concatenate([np.zeros(len(music), int), np.full(len(others), -1)])
    return Answers(logits=logits, labels=labels, n_labels=N_LABELS)


def test_the_temperature_undoes_too_sharp_logits() -> None:
    assert fit_calibration(drawn(4000), measured_on="a test").calibration.temperature == pytest.approx(1, abs=0.06)
    sharp = fit_calibration(drawn(4000, sharpness=3), measured_on="a test").calibration
    assert sharp.temperature == pytest.approx(3, abs=0.2)


def test_a_label_that_dominates_does_not_set_the_temperature() -> None:
    answers = drawn(1000)
    order = np.concatenate([np.arange(1000), np.tile(np.flatnonzero(answers.labels == 0), 20)])
    dominated = Answers(logits=answers.logits[order], labels=answers.labels[order], n_labels=N_LABELS)
    once, often = (fit_calibration(each, measured_on="a test").calibration.temperature for each in (answers, dominated))
    assert often == pytest.approx(once)


def test_levels_keep_their_promises_on_music_that_they_were_not_chosen_on() -> None:
    calibration = fit_calibration(drawn(1000), measured_on="a test").calibration
    fresh = drawn(4000, seed=1)
    values = fresh.genres(calibration.temperature)
    hits: dict[str, list[bool]] = {}
    for row, label in zip(values, fresh.labels, strict=True):
        verdict = verdict_of({str(index): value for index, value in enumerate(row)}, None, calibration)
        named = np.argsort(-row)[: 2 if verdict == "mixed" else 1]
        hits.setdefault(verdict, []).append(label in named)
    assert np.mean(hits["confident"]) >= 0.9
    assert np.mean(hits["plausible"]) >= 0.6
    assert len(hits["confident"]) > 1000
    assert calibration.level_accuracy["confident"] == pytest.approx(np.mean(hits["confident"]), abs=0.05)
    assert sum(n for _, n in calibration.level_counts.values()) == 1000
    for verdict, (right, n) in calibration.level_counts.items():
        assert calibration.level_accuracy[verdict] == pytest.approx(right / n, abs=1e-3)


def test_a_level_that_nothing_earned_is_never_said_and_the_reason_is() -> None:
    few = drawn(6)
    fit = fit_calibration(few, measured_on="six clips")
    assert (fit.calibration.confident_at, fit.calibration.mixed_at) == (NEVER, NEVER)
    assert fit.calibration.measured_on == "six clips"
    assert "confident is never said: 90% right cannot be shown (only 6 clips" in fit.unmet_criteria[0]

    source = np.random.default_rng(0)
    guesses = Answers(logits=source.normal(0, 3, (300, 4)), labels=source.integers(0, 4, 300), n_labels=4)
    fit = fit_calibration(guesses, measured_on="a test")
    assert fit.calibration.confident_at == NEVER
    assert "are right, but less one standard error that is" in fit.unmet_criteria[0]


def test_eight_right_answers_are_not_yet_nine_in_ten() -> None:
    """One standard error is taken off: eight of eight show 89 %, forty of forty 98 %."""
    for n, earned in ((8, False), (40, True)):
        certain = Answers(logits=np.eye(2)[np.arange(n) % 2] * 9, labels=np.arange(n) % 2, n_labels=2)
        assert (fit_calibration(certain, measured_on="a test").calibration.confident_at < 1) is earned


def test_windows_of_a_clip_vote() -> None:
    logits = np.array([[4.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    answers = Answers(logits=logits, labels=np.array([0, 1]), n_labels=2, clips=np.array([0, 0, 1]))
    values = answers.genres(1.0)
    assert values.shape == (2, 2)
    assert values[0, 0] == pytest.approx((1 / (1 + np.exp(-4)) + 1 / (1 + np.e)) / 2)


@pytest.mark.parametrize(
    ("music", "others", "expected"),
    [
        ((0.01, 0.3), (0.9, 0.99), pytest.approx(0.66, abs=0.02)),  # odds of 0.43 (3 % lie above 0.3 or so) and of 9
        ((0.01, 0.02), (0.8, 0.99), 0.5),  # the middle is at 0.22, where a genre would be likelier
    ],
)
def test_not_music_sits_in_the_middle_of_the_gap_but_not_below_a_half_where_that_catches_enough(
    music: tuple[float, float], others: tuple[float, float], expected: float
) -> None:
    fit = fit_calibration(with_not_music(np.linspace(*music, 100), np.linspace(*others, 40)), measured_on="a test")
    assert fit.calibration.not_music_at == expected
    assert not any("not music" in note for note in fit.unmet_criteria)


@pytest.mark.parametrize(("music", "others"), [((0.01, 0.1), (0.2, 0.4)), ((0.5, 0.8), (0.9, 0.99))])
def test_not_music_moves_between_music_and_the_rest(music: tuple[float, float], others: tuple[float, float]) -> None:
    answers = with_not_music(np.linspace(*music, 100), np.linspace(*others, 40))
    threshold = fit_calibration(answers, measured_on="a test").calibration.not_music_at
    assert threshold is not None
    assert music[1] < threshold <= np.quantile(np.linspace(*others, 40), 0.06)


def test_refusing_little_music_comes_before_catching_all_the_rest() -> None:
    music = np.linspace(0.01, 0.9, 100)
    fit = fit_calibration(with_not_music(music, np.linspace(0.4, 0.99, 40)), measured_on="a test")
    assert fit.calibration.not_music_at is not None
    assert np.mean(music >= fit.calibration.not_music_at) <= 0.03
    assert any("sounds are caught, not 95%" in note for note in fit.unmet_criteria)


def test_not_music_says_when_the_data_are_too_few() -> None:
    fit = fit_calibration(with_not_music(np.linspace(0.01, 0.2, 20), np.array([])), measured_on="a test")
    assert fit.calibration.not_music_at == 0.5
    notes = " ".join(fit.unmet_criteria)
    assert "20 clips of music are too few to show 3% refused" in notes
    assert "nothing that is no music was measured" in notes


def test_targets_are_what_the_thresholds_follow() -> None:
    loose = fit_calibration(drawn(1000), measured_on="a test", targets=Targets(confident=0.7)).calibration
    assert loose.confident_at < fit_calibration(drawn(1000), measured_on="a test").calibration.confident_at


def test_wilson_interval() -> None:
    # R: binom::binom.wilson(8, 10)
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    assert wilson_interval(0, 5)[0] == 0
    assert wilson_interval(5, 5)[1] == 1


def test_clips_of_one_recording_prove_as_much_as_one() -> None:
    """Thirty right answers in a row earn the level; ten from each of three recordings do not."""
    logits = np.tile(np.array([6.0, 0.0, 0.0]), (30, 1))
    labels = np.zeros(30, int)
    alone = fit_calibration(Answers(logits=logits, labels=labels, n_labels=3), measured_on="clips")
    together = fit_calibration(
        Answers(logits=logits, labels=labels, n_labels=3, sources=np.repeat([4, 2, 9], 10)), measured_on="clips"
    )
    assert alone.calibration.confident_at < 1
    assert together.calibration.confident_at == NEVER
    assert "only 3 clips of different recordings" in together.unmet_criteria[0]


def certain(labels: NDArray[np.integer], said: NDArray[np.integer], sure: NDArray[np.bool_] | bool = True) -> Answers:
    """Answers that are very sure of what they say, or hardly at all."""
    logits = np.eye(10)[said] * np.where(np.broadcast_to(sure, labels.shape), 9, 0.5)[:, None]
    return Answers(logits=logits, labels=labels, n_labels=10)


def test_a_label_that_dominates_does_not_earn_confidence_for_the_rest() -> None:
    """Of 480 sure answers 95 % are right, less one standard error 94 %; of the rarer label 70 %."""
    labels = np.repeat([0, 1], [400, 80])
    said = labels.copy()
    said[-24:] = 0
    fit = fit_calibration(certain(labels, said), measured_on="a test")
    assert fit.calibration.confident_at == NEVER
    assert "456 of 480" in fit.unmet_criteria[0]
    assert "and with each label counting the same it is 85%)" in fit.unmet_criteria[0]
    assert fit.calibration.plausible_at < 1
    assert fit.calibration.level_accuracy == {"plausible": 0.95}


def test_a_label_that_alone_is_recognised_with_certainty_does_not_earn_confidence_for_the_rest() -> None:
    labels = np.repeat(np.arange(10), 20)
    said = np.where(np.arange(200) % 4 == 0, (labels + 1) % 10, labels)
    for n_sure, earned in ((1, False), (4, False), (5, True)):
        sure = labels < n_sure
        fit = fit_calibration(certain(labels, np.where(sure, labels, said), sure), measured_on="a test")
        assert (fit.calibration.confident_at < 1) is earned
        missed = f"answers of 5 labels or more must be among them, not of {n_sure})"
        assert any(missed in note for note in fit.unmet_criteria) is not earned


def test_what_has_a_lower_mean_confidence_than_promised_is_not_confident() -> None:
    """All but one of 200 are right, but that one was so sure that the temperature leaves the others 85 %."""
    labels = np.repeat([0, 1], 100)
    logits = np.eye(2)[labels] * 2
    logits[0] = 0.0, 60.0
    fit = fit_calibration(Answers(logits=logits, labels=labels, n_labels=2), measured_on="a test")
    assert fit.calibration.confident_at == NEVER
    assert "are right, but their mean confidence is 85%)" in fit.unmet_criteria[0]
    assert fit.calibration.plausible_at < 1


def test_answers_that_miss_a_level_do_not_flatter_the_one_below() -> None:
    """Of 60 very sure answers 54 are right, of 60 others 27: together more than 60 %. Those others are not plausible,
    and the very sure ones are."""
    labels = np.tile(np.arange(10), 12)
    sure = np.arange(120) < 60
    wrong = np.where(sure, np.arange(120) % 20 < 2, np.arange(120) % 20 < 11)
    logits = np.eye(10)[np.where(wrong, (labels + 1) % 10, labels)] * np.where(sure, 12, 5)[:, None]
    answers = Answers(logits=logits, labels=labels, n_labels=10)
    calibration = fit_calibration(answers, measured_on="a test").calibration
    assert calibration.confident_at == NEVER
    assert calibration.level_accuracy == {"plausible": 0.9, "unsure": 0.45}


def test_a_level_is_not_said_below_its_mean_confidence() -> None:
    """One label is most of a collection: of what is named by it, 95 % are right, however unsure."""
    labels = np.concatenate([np.repeat(0, 300), np.repeat([1, 2, 3], 8)])
    logits = np.eye(4)[labels] * 4
    unsure = np.concatenate([np.arange(60, 300), *(np.arange(first, first + 4) for first in (300, 308, 316))])
    logits[unsure] = 0.6, 0.0, 0.0, 0.0
    answers = Answers(logits=logits, labels=labels, n_labels=4)
    calibration = fit_calibration(answers, measured_on="a test").calibration
    probabilities = answers.genres(calibration.temperature)
    best = probabilities.max(1)
    assert (probabilities.argmax(1) == labels).mean() > 0.95
    assert best[unsure].max() < calibration.plausible_at


def test_nothing_is_said_of_what_was_not_measured() -> None:
    """Sixty answers of which all are right and sure: one that is less sure is at no level above unsure."""
    labels = np.tile([0, 1, 2], 20)
    fit = fit_calibration(Answers(logits=np.eye(3)[labels] * 9, labels=labels, n_labels=3), measured_on="a test")
    assert fit.calibration.confident_at >= 0.99
    assert fit.calibration.plausible_at == fit.calibration.confident_at
    assert verdict_of({"a": 0.6, "b": 0.4}, None, fit.calibration) == "unsure"
    assert not any("plausible" in note for note in fit.unmet_criteria)


def test_answers_that_tell_nothing_of_the_temperature_are_named() -> None:
    labels = np.tile([0, 1, 2], 20)
    fit = fit_calibration(
        Answers(logits=np.eye(3)[(labels + 1) % 3] * 9, labels=labels, n_labels=3), measured_on="a test"
    )
    assert fit.unmet_criteria[-1].startswith("temperature: 20.0")
    assert not any("temperature" in note for note in fit_calibration(drawn(400), measured_on="a test").unmet_criteria)
