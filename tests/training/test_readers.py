"""Collections in local folders, in the layouts that they are published in."""

from __future__ import annotations

from pathlib import Path

import pytest

from acousticsense.models.genres import GENRES
from acousticsense.training.readers import _names, in_full, read_fma, read_jamendo
from acousticsense.training.recordings import FMA, JAMENDO
from tests.training.conftest import recording

_FMA_TRACKS = """\
,album,artist,set,track,track,track,track
,title,name,split,genre_top,genres,license,title
track_id,,,,,,,
2,AWOL,AWOL,training,Hip-Hop,[21],CC BY-NC-SA,Food
5,Niris,Niris,training,,"[31, 12]",CC BY,Loud
7,Kept,Kevin MacLeod,training,Jazz,[4],CC BY,Kept
9,Ours,Held Out,training,Jazz,[4],CC BY,Ours
11,Gone,Gone,training,Jazz,[4],CC BY,No file
134,Odd,Odd,training,Experimental,[38],CC BY,Odd
"""

_FMA_GENRES = "genre_id,#tracks,parent,title,top_level\n21,1,0,Hip-Hop,21\n31,1,12,Metal,12\n12,1,0,Rock,12\n"


@pytest.fixture
def fma(tmp_path: Path) -> Path:
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text(_FMA_TRACKS, encoding="utf-8")
    (tmp_path / "fma_metadata" / "genres.csv").write_text(_FMA_GENRES, encoding="utf-8")
    (tmp_path / "fma_small" / "000").mkdir(parents=True)
    for number in (2, 5, 7, 9, 134):
        (tmp_path / "fma_small" / "000" / f"{number:06d}.mp3").touch()
    return tmp_path


def test_fma_is_read_by_its_table_and_folders(fma: Path) -> None:
    ours = recording("ours", "Jazz", "test", artist="held out")
    found = {entry.title: (entry, path) for entry, path in read_fma(fma, [ours])}
    assert found.keys() == {"Food", "Loud", "Odd"}  # not what is kept for judging, held out, or not there
    entry, path = found["Food"]
    assert (entry.genre, entry.artist, entry.licence, entry.use) == ("Hip-Hop", "AWOL", "CC BY-NC-SA", "train")
    assert path == fma / "fma_small" / "000" / "000002.mp3"


def test_what_the_names_of_fma_do_not_agree_on_stays_unlabelled(fma: Path) -> None:
    found = {entry.title: entry for entry, _ in read_fma(fma, [])}
    assert found["Loud"].genre is None  # Metal and Rock
    assert found["Odd"].genre is None  # no name of ours
    assert not found["Odd"].is_labelled


def test_a_table_of_fma_that_is_missing_is_named(fma: Path) -> None:
    (fma / "fma_metadata" / "genres.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"genres\.csv"):
        read_fma(fma, [])


def test_jamendo_is_read_by_its_table_and_folders(tmp_path: Path) -> None:
    (tmp_path / "autotagging_genre.tsv").write_text(
        "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
        "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\tgenre---rock\n"
        "track_0000215\tartist_000015\talbum_000032\t15/215.mp3\t151.4\tgenre---metal\tgenre---jazz\n"
        "track_0000216\tartist_000016\talbum_000033\t16/216.mp3\t234.9\tgenre---pop\n",
        encoding="utf-8",
    )
    for inside in ("14/214.low.mp3", "15/215.mp3"):
        (tmp_path / inside).parent.mkdir()
        (tmp_path / inside).touch()
    found = {entry.path: entry for entry, _ in read_jamendo(tmp_path, [])}
    assert {path: entry.genre for path, entry in found.items()} == {"14/214.low.mp3": "Rock", "15/215.mp3": None}


def test_gtzan_in_full_stands_in_for_its_excerpts_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    (tmp_path / "genres" / "blues").mkdir(parents=True)
    for number in (12, 99):
        (tmp_path / "genres" / "blues" / f"blues.{number:05d}.wav").touch()
    listed = recording("gtzan-blues.00012", "Blues", known_by="GTZAN")
    assert in_full([listed], tmp_path) == [(listed, tmp_path / "genres" / "blues" / "blues.00012.wav")]


def test_a_folder_that_is_not_gtzan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is it GTZAN"):
        in_full([recording("gtzan-blues.00012", "Blues", known_by="GTZAN")], tmp_path)


@pytest.mark.parametrize("collection", [FMA, JAMENDO])
def test_their_names_mean_genres_of_ours(collection: str) -> None:
    assert set(_names(collection).values()) <= set(GENRES)
    assert len(set(_names(collection).values())) == 16
