"""What can be checked of the teachers without their weights."""

from __future__ import annotations

import numpy as np

from acousticsense.genres import GENRES
from acousticsense.training.teachers.musicnn import tags
from acousticsense.training.teachers.panel import SCORE_WIDTHS
from acousticsense.training.teachers.zero_shot import musicnn_zero_shot


def test_each_tagger_has_fifty_different_tags() -> None:
    for network in ("MSD_musicnn", "MTT_musicnn"):
        assert len(set(tags(network))) == 50


def test_a_tag_that_names_a_genre_decides_for_it() -> None:
    usual = np.full((2, sum(SCORE_WIDTHS.values())), -2.0, np.float32)
    scores = usual[:1].copy()
    scores[0, SCORE_WIDTHS["mn04"] + tags("MSD_musicnn").index("blues")] = 3.0
    assert GENRES[musicnn_zero_shot(scores, usual)[0].argmax()] == "Blues"


def test_hip_hop_wins_the_tag_that_it_shares_with_rap() -> None:
    usual = np.full((2, sum(SCORE_WIDTHS.values())), -2.0, np.float32)
    scores = usual[:1].copy()
    scores[0, SCORE_WIDTHS["mn04"] + tags("MSD_musicnn").index("Hip-Hop")] = 3.0
    assert GENRES[musicnn_zero_shot(scores, usual)[0].argmax()] == "Hip-Hop"
