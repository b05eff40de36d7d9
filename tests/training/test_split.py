"""The draw of what trains, decides and judges."""

from __future__ import annotations

from collections import Counter

import pytest

from acousticsense.training.sources import FREE_RECORDINGS, Recording, read_data, recordings
from acousticsense.training.split import Draw, Group, draw, groups, splits_csv, table


@pytest.fixture(scope="module")
def drawn() -> Draw:
    return draw(groups(recordings()))


def track(package: str, artist: str = "", genre: str | None = None) -> Recording:
    return Recording(
        package=package,
        path=f"{artist}.ogg",
        title="",
        artist=artist,
        licence="",
        genre=genre,
        confidence="high",
        known_by="meta",
        source="",
        split="train",
    )


def test_the_file_is_what_the_program_writes(drawn: Draw) -> None:
    assert splits_csv(drawn) == read_data("splits.csv")


def test_a_shared_package_game_or_artist_makes_one_group() -> None:
    found = groups(
        [
            track("chess-data", "Ann & Bob"),
            track("chess-music", "Cleo"),
            track(FREE_RECORDINGS, "bob"),
            track(FREE_RECORDINGS, "Dan"),
            track("tetris-data", "Eve"),
        ]
    )
    assert [group.names for group in found] == [("Dan",), ("bob", "chess-data", "chess-music"), ("tetris-data",)]


def test_a_genre_with_three_groups_lies_in_every_split(drawn: Draw) -> None:
    by_genre: dict[str, list[str]] = {}
    for group, split in drawn.items():
        for genre in group.counts:
            by_genre.setdefault(genre, []).append(split)
    assert {genre: set(splits) for genre, splits in by_genre.items() if len(splits) >= 3} == {
        genre: {"train", "val", "test"} for genre, splits in by_genre.items() if len(splits) >= 3
    }


def test_music_that_was_tested_on_before_judges_only_when_there_is_no_other() -> None:
    old, new = Group(("a",), Counter(Jazz=4), seen=True), Group(("b",), Counter(Jazz=4), seen=False)
    assert draw([old, new], restarts=5) == {old: "train", new: "test"}


def test_what_holds_most_of_a_genre_teaches_it() -> None:
    large, small = Group(("a",), Counter(Metal=9), seen=False), Group(("b",), Counter(Metal=4), seen=False)
    assert draw([large, small], restarts=5) == {large: "train", small: "test"}


def test_groups_without_measurable_tracks_train() -> None:
    unlabelled = Group(("a",), Counter(), seen=False)
    jazz = [Group((name,), Counter(Jazz=1), seen=False) for name in "bcd"]
    assert draw([unlabelled, *jazz], restarts=5)[unlabelled] == "train"


def test_the_table_counts_tracks_and_groups() -> None:
    drawn: Draw = {Group(("a",), Counter(Jazz=3), seen=False): "test", Group(("b",), Counter(), seen=False): "train"}
    assert "| Jazz | 0 (0) | 0 (0) | 3 (1) |" in table(drawn)
