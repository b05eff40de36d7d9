"""Similar songs: what is compared, what is kept, and what is found."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acousticsense.errors import LibraryError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.features import features_of, song_features
from acousticsense.library.engine import EngineOptions
from acousticsense.library.features import BatchFeatures, FeatureTable
from acousticsense.library.rows import RowError
from acousticsense.library.similar import SimilarSong, SongIndex, fill, index_of, is_ledger

ONE = EngineOptions(workers=1)


def song(path: str) -> SimilarSong:
    return SimilarSong(path=path, similarity=1.0, genre="Jazz", confidence=0.5)


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_the_nearest_come_first_with_their_cosines():
    index = SongIndex([(song("a"), unit(1, 0)), (song("b"), unit(1, 1)), (song("c"), unit(0, 1))])
    found = index.nearest(unit(1, 0.1), 2)
    assert [near.path for near in found] == ["a", "b"]
    assert found[1].similarity == pytest.approx(float(unit(1, 0.1) @ unit(1, 1)), abs=1e-6)


def test_a_song_is_not_its_own_neighbour():
    index = SongIndex([(song("a"), unit(1, 0)), (song("b"), unit(1, 1))])
    assert [near.path for near in index.nearest(unit(1, 0), 2, without="a")] == ["b"]


@pytest.mark.parametrize("name", ["song.mp3", "G\udce9n\udce8ve.mp3"])
def test_a_song_is_not_its_own_neighbour_under_any_name(tmp_path: Path, name: str):
    (tmp_path / "music").mkdir()
    path = tmp_path / "music" / name
    path.touch()
    (tmp_path / "link").symlink_to("music")
    (tmp_path / "hard.mp3").hardlink_to(path)
    names = [str(path), str(tmp_path / "link" / name), str(tmp_path / "hard.mp3")]
    index = SongIndex([*((song(each), unit(1, 0)) for each in names), (song("b\udce8.mp3"), unit(1, 1))])
    for each in names:
        assert [near.path for near in index.nearest(unit(1, 0), 2, without=each)] == ["b\\xe8.mp3"]


def test_a_library_may_hold_fewer_songs_than_were_asked_for_or_none():
    assert len(SongIndex([(song("a"), unit(1, 0))]).nearest(unit(1, 0), 10)) == 1
    assert SongIndex([]).nearest(unit(1, 0), 10) == ()


def test_features_are_computed_once_and_again_when_a_file_has_changed(
    library: Path, classifier: GenreClassifier, tmp_path: Path
):
    stage = BatchFeatures(classifier)
    table = FeatureTable(tmp_path / "ledger.sqlite", stage.digest)
    paths = sorted(str(path) for path in library.rglob("*") if path.suffix in {".mp3", ".ogg", ".wav"})
    told: dict[str, RowError | None] = {}
    fill(table, stage, paths, ONE, told.__setitem__)
    broken = str(library / "a" / "broken.mp3")
    assert set(told) == set(paths)
    assert [path for path, error in told.items() if error] == [broken]

    told.clear()
    shutil.copy(library / "a" / "starfall.mp3", library / "a" / "sky-vibe.ogg")
    fill(table, stage, [path for path in paths if path != broken], ONE, told.__setitem__)
    assert list(told) == [str(library / "a" / "sky-vibe.ogg")]

    index = index_of(table)
    assert len(index) == 3
    best, second = index.nearest(song_features(classifier, library / "a" / "starfall.mp3").vector, 2)
    assert [best.similarity, second.similarity] == pytest.approx([1, 1], abs=1e-5)
    assert {Path(best.path).name, Path(second.path).name} == {"starfall.mp3", "sky-vibe.ogg"}


def test_a_song_that_can_no_longer_be_analysed_is_not_found(library: Path, classifier: GenreClassifier, tmp_path: Path):
    stage = BatchFeatures(classifier)
    table = FeatureTable(tmp_path / "ledger.sqlite", stage.digest)
    path = library / "a" / "starfall.mp3"
    fill(table, stage, [str(path)], ONE)
    path.write_text("no audio")
    fill(table, stage, [str(path)], ONE)
    assert len(index_of(table)) == 0


def test_a_song_that_the_network_fails_at_does_not_end_the_work(
    library: Path, classifier: GenreClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage = BatchFeatures(classifier)
    table = FeatureTable(tmp_path / "ledger.sqlite", stage.digest)
    faults = [RuntimeError("CUDA out of memory")]

    def fail_once(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return features_of(*arguments)

    monkeypatch.setattr("acousticsense.library.features.features_of", fail_once)
    told: dict[str, RowError | None] = {}
    paths = [str(library / "a" / name) for name in ("starfall.mp3", "sky-vibe.ogg")]
    fill(table, stage, paths, ONE, told.__setitem__)
    assert sum(error is not None and "CUDA" in error.message for error in told.values()) == 1
    assert len(index_of(table)) == 1


def test_songs_that_are_gone_are_not_found(library: Path, classifier: GenreClassifier, tmp_path: Path):
    stage = BatchFeatures(classifier)
    table = FeatureTable(tmp_path / "ledger.sqlite", stage.digest)
    path = library / "a" / "starfall.mp3"
    fill(table, stage, [str(path)], ONE)
    path.unlink()
    assert len(index_of(table)) == 0


def test_what_another_network_made_of_a_song_is_not_compared(
    library: Path, classifier: GenreClassifier, tmp_path: Path
):
    stage = BatchFeatures(classifier)
    ledger = tmp_path / "ledger.sqlite"
    fill(FeatureTable(ledger, stage.digest), stage, [str(library / "a" / "starfall.mp3")], ONE)
    assert len(index_of(FeatureTable(ledger, "of another network"))) == 0


def test_what_is_no_ledger_is_refused(tmp_path: Path):
    path = tmp_path / "no.sqlite"
    path.write_text("not a database, but long enough to be read as one" * 20)
    assert not is_ledger(str(path))
    with pytest.raises(LibraryError, match="cannot be used"):
        FeatureTable(path, "x")


def test_the_database_of_another_program_is_refused_and_stays(tmp_path: Path):
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE features (photo TEXT)")
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="is no ledger"):
        FeatureTable(path, "x")
    assert path.read_bytes() == before
