"""How much each member of an ensemble counts."""

from __future__ import annotations

import numpy as np
import pytest

from acousticsense.analysis.consensus import log_pool
from acousticsense.analysis.predictor import pool_weights


def test_members_that_are_right_more_often_count_more() -> None:
    labels = np.arange(40) % 2
    right, wrong = np.array([[0.8, 0.2], [0.2, 0.8]])[labels], np.array([[0.2, 0.8], [0.8, 0.2]])[labels]
    often = np.where((np.arange(40) % 4 > 0)[:, None], right, wrong)
    seldom = np.where((np.arange(40) % 4 == 0)[:, None], right, wrong)
    weights = pool_weights(np.stack([often, seldom], axis=1), labels)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 0.8


def test_members_that_say_the_same_count_alike() -> None:
    said = np.tile([0.7, 0.3], (10, 3, 1))
    assert pool_weights(said, np.zeros(10, int)) == pytest.approx([1 / 3] * 3)


def test_two_that_know_different_things_are_better_together() -> None:
    """Each tells one pair of labels apart and knows nothing of the other."""
    labels = np.arange(40) % 4
    one = np.array([[0.6, 0.2, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.2, 0.2, 0.3, 0.3], [0.2, 0.2, 0.3, 0.3]])[labels]
    other = one[:, [2, 3, 0, 1]][np.arange(40) ^ 2]
    answers = np.stack([one, other], axis=1)
    weights = pool_weights(answers, labels)
    assert weights == pytest.approx([0.5, 0.5], abs=0.01)
    assert (log_pool(answers, weights).argmax(axis=1) == labels).all()


def test_where_nobody_knows_anything_all_count_alike() -> None:
    labels = np.arange(40) % 2
    wrong = np.array([[0.1, 0.9], [0.9, 0.1]])[labels]
    assert pool_weights(np.stack([wrong, wrong], axis=1), labels) == pytest.approx([0.5, 0.5])
