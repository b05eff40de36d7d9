"""How much each member of an ensemble counts."""

from __future__ import annotations

import numpy as np
import pytest

from acousticsense.analysis.predictor import pool_weights


def test_members_that_are_right_more_often_count_more() -> None:
    labels = np.arange(40) % 2
    right, wrong = np.array([[0.8, 0.2], [0.2, 0.8]])[labels], np.array([[0.2, 0.8], [0.8, 0.2]])[labels]
    often = np.where((np.arange(40) % 4 > 0)[:, None], right, wrong)
    seldom = np.where((np.arange(40) % 4 == 0)[:, None], right, wrong)
    weights = pool_weights(np.stack([often, seldom], axis=1), labels)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 0.8
    assert weights[1] > 0


def test_members_that_say_the_same_count_alike() -> None:
    said = np.tile([0.7, 0.3], (10, 3, 1))
    assert pool_weights(said, np.zeros(10, int)) == pytest.approx([1 / 3] * 3)


def test_labels_count_alike_however_many_clips_they_have() -> None:
    labels = np.array([0] * 30 + [1] * 3)
    knows_first, knows_second = np.tile([0.9, 0.1], (33, 1)), np.tile([0.1, 0.9], (33, 1))
    assert pool_weights(np.stack([knows_first, knows_second], axis=1), labels) == pytest.approx([0.5, 0.5])
