"""The list of recordings, and what each is used for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from acousticsense.training.recordings import GTZAN, Recording, is_reserved, recordings
from acousticsense.training.split import groups, splits_csv
from tests.training.conftest import recording


def test_music_kept_for_judging_is_in_no_split() -> None:
    assert is_reserved(package="vonsh", artist="")
    assert is_reserved(package="songs", artist="Kevin MacLeod")
    assert not any(is_reserved(package=entry.package, artist=entry.artist) for entry in recordings())


def test_no_artist_is_on_two_sides() -> None:
    sides = defaultdict(set)
    for entry in recordings():
        if entry.artist:
            sides[entry.artist.casefold()].add(entry.split)
    assert [artist for artist, splits in sides.items() if len(splits) > 1] == []


def test_what_is_for_training_only_is_only_trained_on() -> None:
    assert {entry.split for entry in recordings() if entry.use == "train"} == {"train"}
    assert {entry.split for entry in recordings() if entry.use == "train or val"} == {"train", "val"}


def test_songs_of_artists_that_nobody_knows_are_only_trained_on() -> None:
    assert {entry.split for entry in recordings() if entry.package == "songs" and not entry.artist} == {"train"}


def test_about_half_of_the_artists_of_gtzan_are_for_the_test() -> None:
    artists = {entry.artist: entry.split for entry in recordings() if entry.known_by == GTZAN and entry.artist}
    assert 0.4 < sum(split == "test" for split in artists.values()) / len(artists) < 0.65


def test_ten_genres_can_be_judged() -> None:
    clips: dict[str | None, int] = defaultdict(int)
    artists = defaultdict(set)
    for entry in recordings():
        if entry.split == "test" and entry.is_measurable:
            clips[entry.genre] += 1
            artists[entry.genre].add(entry.artist or entry.package)
    assert sum(clips[genre] >= 5 and len(artists[genre]) >= 3 for genre in clips) >= 10


@pytest.mark.parametrize("more", [{"generator": "Suno v5"}, {"known_by": "nn"}, {"confidence": "low"}], ids=str)
def test_what_is_measured_against(more: dict[str, Any]) -> None:
    assert recording("a", "Jazz").is_measurable
    assert not recording("a", "Jazz", **more).is_measurable


def test_recordings_that_share_an_artist_or_a_package_stay_together() -> None:
    joined = groups(
        [
            recording("a", "Jazz", artist="Ann & Bob"),
            recording("b", "Jazz", artist="Bob"),
            recording("c", "Jazz", package="game", artist="Ann"),
            recording("d", "Jazz", package="game", artist=""),
            recording("e", "Jazz", artist="Eve"),
        ]
    )
    assert sorted(len(group.recordings) for group in joined) == [1, 4]


def many(genre: str, n_artists: int) -> list[Recording]:
    return [recording(f"{genre}-{n}-{k}", genre, artist=f"{genre}-{n}") for n in range(n_artists) for k in range(3)]


def test_a_draw_gives_each_genre_music_to_learn_to_decide_and_to_judge_by() -> None:
    entries = many("Jazz", 8) + many("Metal", 8)
    drawn = dict(line.replace('"', "").rsplit(",", 1) for line in splits_csv(entries).splitlines()[1:])
    for genre in ("Jazz", "Metal"):
        mine = [drawn.get(f"songs/{entry.path}", "train") for entry in entries if entry.genre == genre]
        assert mine.count("test") >= 9
        assert mine.count("train") >= 6
        assert mine.count("val") >= 3
    assert splits_csv(entries) == splits_csv(entries[::-1])
