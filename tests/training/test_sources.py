"""The list of recordings: what may be used for what."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from acousticsense.evaluation.dataset import read_items
from acousticsense.models.genres import GENRES
from acousticsense.training.report import MOST_PER_GENRE, held_out, write_clips
from acousticsense.training.sources import FREE_RECORDINGS, is_reserved, recordings


def test_no_package_lies_in_two_splits() -> None:
    splits = defaultdict(set)
    for recording in recordings():
        if recording.package != FREE_RECORDINGS:
            splits[recording.package].add(recording.split)
    assert {package: found for package, found in splits.items() if len(found) > 1} == {}


def test_no_artist_lies_in_two_splits() -> None:
    splits = defaultdict(set)
    for recording in recordings():
        if recording.artist:
            splits[recording.artist].add(recording.split)
    assert {artist: found for artist, found in splits.items() if len(found) > 1} == {}


def test_no_recording_is_reserved_for_judging() -> None:
    assert [entry.key for entry in recordings() if is_reserved(package=entry.package, artist=entry.artist)] == []


@pytest.mark.parametrize(
    ("package", "artist"),
    [("hedgewars-data", ""), ("megaglest-data", "x"), ("anything", "Kevin MacLeod"), ("anything", "feat. BRAD SUCKS")],
)
def test_reserved_packages_and_artists_are_recognised(package: str, artist: str) -> None:
    assert is_reserved(package=package, artist=artist)


def test_keys_are_unique_file_names() -> None:
    keys = [recording.key for recording in recordings()]
    assert len(set(keys)) == len(keys)
    assert not any("/" in key for key in keys)


def test_every_genre_is_one_of_ours() -> None:
    assert {recording.genre for recording in recordings()} <= {*GENRES, None}


def test_held_out_clips_are_sure_capped_and_only_of_the_test_split() -> None:
    chosen = held_out(recordings())
    assert all(clip.split == "test" and clip.is_measurable and clip.known_by != "nn" for clip in chosen)
    counts = [sum(clip.genre == genre for clip in chosen) for genre in GENRES]
    assert max(counts) <= MOST_PER_GENRE
    assert chosen == held_out(tuple(reversed(recordings())))


def test_held_out_clips_are_listed_as_evaluate_reads_them(tmp_path: Path) -> None:
    known = tuple(
        replace(recordings()[0], package=FREE_RECORDINGS, path=f"{name}.ogg", artist=name, genre=genre, split=split)
        for name, genre, split in (("a", "Jazz", "test"), ("b", "Metal", "test"), ("c", "Jazz", "val"))
    )
    known = tuple(replace(entry, confidence="high", known_by="know") for entry in known)
    for entry in known[:1] + known[2:]:
        (tmp_path / entry.path).write_bytes(b"sound")
    for split, expected in (("test", [("a.ogg", "Jazz")]), ("val", [("c.ogg", "Jazz")])):
        count = write_clips(tmp_path / "list.csv", known, split, work=tmp_path, free_recordings=tmp_path)
        listed = read_items(tmp_path / "list.csv")
        assert [(clip.path.name, clip.genre) for clip in listed] == expected  # what cannot be had is left out
        assert count == len(expected)
