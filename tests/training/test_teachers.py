"""What can be checked of the teachers without their weights."""

from __future__ import annotations

import numpy as np

from acousticsense.models.genres import GENRES
from acousticsense.training.teachers.musicnn import tags
from acousticsense.training.teachers.panel import SCORE_WIDTHS, columns
from acousticsense.training.teachers.zero_shot import (
    _AUDIOSET,
    ClassLists,
    musicnn_zero_shot,
    zero_shot_opinions,
)


def test_each_tagger_has_fifty_different_tags() -> None:
    for network in ("MSD_musicnn", "MTT_musicnn"):
        assert len(set(tags(network))) == 50


def test_a_tag_that_names_a_genre_decides_for_it() -> None:
    usual = np.full((2, sum(SCORE_WIDTHS.values())), -2.0, np.float32)
    scores = usual[:1].copy()
    scores[0, columns(SCORE_WIDTHS, "MSD_musicnn").start + tags("MSD_musicnn").index("blues")] = 3.0
    assert GENRES[musicnn_zero_shot(scores, usual)[0].argmax()] == "Blues"


def test_hip_hop_wins_the_tag_that_it_shares_with_rap() -> None:
    usual = np.full((2, sum(SCORE_WIDTHS.values())), -2.0, np.float32)
    scores = usual[:1].copy()
    scores[0, columns(SCORE_WIDTHS, "MSD_musicnn").start + tags("MSD_musicnn").index("Hip-Hop")] = 3.0
    assert GENRES[musicnn_zero_shot(scores, usual)[0].argmax()] == "Hip-Hop"


def test_opinions_are_probabilities_relative_to_other_music(class_lists: ClassLists) -> None:
    names = [name for group in _AUDIOSET.values() for name in group]
    usual = np.full((3, sum(SCORE_WIDTHS.values())), -4.0, np.float32)
    usual[:, names.index("Electronic music")] = 2.0
    scores = usual[:1].copy()
    scores[0, names.index("Reggae")] = 0.0
    scores[0, columns(SCORE_WIDTHS, "yamnet").start + names.index("Disco")] = 0.0
    opinions = zero_shot_opinions(scores, usual, class_lists)
    assert [GENRES[opinions[name][0].argmax()] for name in ("mn04", "YAMNet")] == ["Reggae", "Disco"]
    for table in opinions.values():
        np.testing.assert_allclose(table.sum(1), 1, atol=1e-5)
