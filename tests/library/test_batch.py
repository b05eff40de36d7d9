"""A batch: files and archives sent together, the rows that `acousticsense tag` writes, nothing left behind."""

from __future__ import annotations

import tempfile
import zipfile
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from acousticsense.errors import RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.batch import Batch
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.routing import expectation
from acousticsense.library.rows import Row
from acousticsense.library.uploads import BatchLimits, Upload
from acousticsense.models.spec import Calibration
from tests.library.conftest import EXAMPLES

LIMITS = BatchLimits(max_files=20, max_file_bytes=10 * 2**20, max_unpacked_bytes=20 * 2**20)
OPTIONS = EngineOptions(workers=1, batch=2)


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def left_behind(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "tmp").rglob("*") if path.name.startswith("acousticsense-batch-")]


def uploads_of(*paths: Path) -> list[Upload]:
    return [Upload(path=path, name=path.name) for path in paths]


@pytest.fixture
def album(library: Path) -> Path:
    """The library of real files as a zip."""
    path = library.parent / "专辑.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(library.rglob("*.*")):
            archive.write(file, file.relative_to(library))
    return path


def analysed(classifier: GenreClassifier, uploads: list[Upload], limits: BatchLimits = LIMITS) -> Batch:
    batch = Batch(uploads, limits)
    batch.predict(classifier, classifier.recipe(), OPTIONS)
    return batch


def without_path(row: Row) -> dict[str, object]:
    return {**row.to_dict(), "path": ""}


def test_rows_are_those_of_the_engine_under_the_names_that_were_sent(
    classifier: GenreClassifier, library: Path, album: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no audio")
    batch = analysed(classifier, uploads_of(EXAMPLES / "hacienda.ogg", album, notes))
    files = [path for path in sorted(library.rglob("*.*")) if path.suffix != ".jpg"]
    names = [f"专辑.zip/{path.relative_to(library)}" for path in files]
    rows = batch.rows()
    assert [row.path for row in rows] == ["hacienda.ogg", *names, "notes.txt"]
    recipe = classifier.recipe()
    paths = [str(EXAMPLES / "hacienda.ogg"), *map(str, files), str(notes)]
    engine = LocalEngine(BatchPredictor(classifier, recipe), recipe, OPTIONS)
    expected = dict(pair for some in engine.rows(paths) for pair in some)
    for path, row in zip(paths, rows, strict=True):
        known = expected[path]
        assert row.probabilities == pytest.approx(known.probabilities, abs=1e-6)
        assert (row.verdict, row.health, row.clip, row.error) == (known.verdict, known.health, known.clip, known.error)
        assert (row.model, row.settings_digest) == (known.model, known.settings_digest)
    assert (batch.files.total, batch.done, batch.failed, batch.files.ignored) == (7, 7, 3, 1)
    assert left_behind(tmp_path) == []


def test_a_broken_or_empty_archive_is_a_row(classifier: GenreClassifier, tmp_path: Path) -> None:
    broken, empty = tmp_path / "broken.zip", tmp_path / "empty.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("cover.jpg", b"x")
    batch = analysed(classifier, uploads_of(broken, empty))
    codes = {row.path: row.error.code if row.error else "" for row in batch.rows()}
    assert codes == {"broken.zip": "audio_undecodable", "empty.zip": "audio_empty"}
    assert batch.files.ignored == 1


def test_a_file_that_is_gone_is_a_row(classifier: GenreClassifier, tmp_path: Path) -> None:
    gone, here = tmp_path / "gone.mp3", tmp_path / "here.mp3"
    here.write_bytes((EXAMPLES / "starfall.mp3").read_bytes())
    rows = analysed(classifier, uploads_of(gone, here)).rows()
    assert rows[0].error is not None
    assert rows[0].error.message.startswith("The server no longer has this file.")
    assert rows[1].error is None


def test_the_same_file_twice_has_two_rows(classifier: GenreClassifier) -> None:
    song = Upload(path=EXAMPLES / "starfall.mp3", name="one.mp3")
    again = Upload(path=EXAMPLES / "starfall.mp3", name="two.mp3")
    one, two = analysed(classifier, [song, again]).rows()
    assert {one.path, two.path} == {"one.mp3", "two.mp3"}
    assert one.probabilities == pytest.approx(two.probabilities)


def test_files_of_one_name_keep_a_name_each(classifier: GenreClassifier, tmp_path: Path) -> None:
    song = EXAMPLES / "starfall.mp3"
    names = ["song!.mp3", "song?.mp3", "song.mp3", "a/song.mp3", "song.mp3", "song (2).mp3"]
    rows = analysed(classifier, [Upload(path=song, name=name) for name in names]).rows()
    assert [row.path for row in rows] == [*names[:4], "song (3).mp3", "song (2).mp3"]
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x!.mp3", "x?.mp3"):
            archive.writestr(name, b"no audio")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x?.mp3", b"no audio")
    rows = analysed(classifier, uploads_of(path)).rows()
    assert [row.path for row in rows] == ["two.zip/x!.mp3", "two.zip/x?.mp3", "two.zip/x? (2).mp3"]


def test_more_files_than_allowed_are_refused_before_any_is_analysed(
    classifier: GenreClassifier, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="21 files, and 20 are analysed at a time"):
        Batch(uploads_of(*[EXAMPLES / "starfall.mp3"] * 21), LIMITS)
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(15):
            archive.writestr(f"{index}.mp3", b"x")
    batch = Batch(uploads_of(path, path), LIMITS)
    with pytest.raises(RequestError, match="30 files"):
        batch.predict(classifier, classifier.recipe(), OPTIONS)
    assert batch.done == 0


def test_what_archives_unpack_to_is_bounded_and_every_file_still_has_a_row(
    classifier: GenreClassifier, tmp_path: Path
) -> None:
    song = (EXAMPLES / "starfall.mp3").read_bytes()
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.mp3", song)
        for index in range(4):
            archive.writestr(f"bomb {index}.wav", bytes(2**20))
        archive.writestr("b.mp3", song)
    limits = BatchLimits(max_files=20, max_file_bytes=2**19, max_unpacked_bytes=2**20 + len(song))
    batch = analysed(classifier, uploads_of(path), limits)
    rows = batch.rows()
    codes = [row.error.code if row.error else "" for row in rows]
    assert codes == ["", *["audio_too_large"] * 5]
    assert rows[-1].error is not None
    assert "The archives hold more than 1 MiB" in rows[-1].error.message
    batch.files.fetch(0, tmp_path / "again.mp3")  # its bytes are counted already
    assert (tmp_path / "again.mp3").read_bytes() == song
    assert left_behind(tmp_path) == []


def test_unpacked_files_are_on_disk_only_while_they_are_needed(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(15):
            archive.writestr(f"{index}.mp3", b"no audio")
    most = 0

    def look() -> None:
        nonlocal most
        (folder,) = left_behind(tmp_path)
        most = max(most, len(list(folder.iterdir())))

    batch = Batch(uploads_of(path), LIMITS)
    batch.predict(classifier, classifier.recipe(), OPTIONS, look)
    assert batch.done == 15
    assert 0 < most < 15


def test_work_that_is_given_up_leaves_nothing_behind(classifier: GenreClassifier, album: Path, tmp_path: Path) -> None:
    def leave() -> None:
        assert left_behind(tmp_path)
        raise CancelledError

    batch = Batch(uploads_of(album), LIMITS)
    with pytest.raises(CancelledError):
        batch.predict(classifier, classifier.recipe(), OPTIONS, leave)
    assert batch.done == 0
    assert left_behind(tmp_path) == []


def test_what_to_expect_of_accepted_answers_is_what_the_command_says(classifier: GenreClassifier) -> None:
    batch = analysed(classifier, uploads_of(EXAMPLES / "starfall.mp3", EXAMPLES / "hacienda.ogg"))
    verdicts = [str(row.verdict) for row in batch.rows() if row.verdict != "not_music"]
    words = expectation({verdict: verdicts.count(verdict) for verdict in verdicts}, Calibration()) if verdicts else ""
    assert batch.expectation(0.0) == words
    assert batch.expectation(1.0) == ""
