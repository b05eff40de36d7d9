"""The ledger: what counts, what is done again, and what a second run makes of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from acousticsense import __version__
from acousticsense.errors import LibraryError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library import identity
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.identity import FileStamp, network_digest, settings_digest, stamp
from acousticsense.library.ledger import Ledger, LedgerRun
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.rows import Row
from acousticsense.library.run import Counts, LibraryRun
from acousticsense.library.walk import Walk
from tests.library.conftest import EXAMPLES


class CountingClassifier(GenreClassifier):
    """Counts the images that its network is shown."""

    shown = 0

    def logits(self, images):  # type: ignore[no-untyped-def]
        self.shown += len(images)
        return super().logits(images)


@pytest.fixture
def counting(classifier: GenreClassifier) -> CountingClassifier:
    counting = CountingClassifier.__new__(CountingClassifier)
    counting.__dict__ = dict(classifier.__dict__)
    return counting


def predict_all(
    classifier: GenreClassifier, root: Path, *, fresh: bool = False, stop_after: int | None = None
) -> tuple[Counts, dict[str, Row]]:
    """One run over `root`, left after so many batches of one file each."""
    recipe = classifier.recipe()
    with closing(Ledger(root.parent / "ledger.sqlite")) as ledger:
        rows = ledger.begin(
            [str(root)],
            settings=settings_digest(classifier.spec, recipe),
            network=network_digest(classifier.spec),
            fresh=fresh,
        )
        predict = BatchPredictor(classifier, recipe, rows.known)
        engine = LocalEngine(predict, recipe, EngineOptions(workers=1, batch=1))
        run = LibraryRun(Walk([str(root)]), rows, engine, predict)
        batches = run.batches()
        for number, _ in enumerate(batches, start=1):
            if number == stop_after:
                batches.close()
        return run.counts, {Path(path).name: row for path, row in rows.rows()}


def test_a_second_run_predicts_nothing(counting: CountingClassifier, library: Path) -> None:
    counts, rows = predict_all(counting, library)
    assert counts == Counts(done=3, skipped=0, failed=2)
    assert counting.shown == 3
    assert predict_all(counting, library) == (Counts(done=0, skipped=5, failed=0), rows)
    assert counting.shown == 3
    assert list(rows) == ["broken.mp3", "sky-vibe.ogg", "starfall.mp3", "empty.flac", "风笛.wav"]


def test_a_run_that_was_left_goes_on(counting: CountingClassifier, library: Path) -> None:
    partly, some = predict_all(counting, library, stop_after=2)
    assert partly.seen == len(some) < 5
    rest, rows = predict_all(counting, library)
    assert rest.skipped == partly.seen
    assert rest.seen == len(rows) == 5
    assert counting.shown == 3


def test_a_file_with_other_sound_is_analysed_again(counting: CountingClassifier, library: Path) -> None:
    before = predict_all(counting, library)[1]
    path = library / "a" / "starfall.mp3"
    times = path.stat()
    changed = bytearray(path.read_bytes())
    changed[20_000:40_000] = changed[60_000:80_000]
    path.write_bytes(changed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time: only the status change tells
    counts, after = predict_all(counting, library)
    assert (counts.done, counts.skipped) == (1, 4)
    assert counting.shown == 4
    assert after["starfall.mp3"].images_sha256 != before["starfall.mp3"].images_sha256


def test_a_file_that_was_moved_or_touched_costs_no_network(counting: CountingClassifier, library: Path) -> None:
    before = predict_all(counting, library)[1]
    (library / "a" / "sky-vibe.ogg").rename(library / "b 雷鬼" / "renamed.ogg")
    os.utime(library / "a" / "starfall.mp3")
    counts, after = predict_all(counting, library)
    assert (counts.done, counts.skipped, counting.shown) == (2, 3, 3)
    assert after["renamed.ogg"].probabilities == before["sky-vibe.ogg"].probabilities
    assert "sky-vibe.ogg" not in after


def test_another_model_or_recipe_is_another_row(counting: CountingClassifier, library: Path) -> None:
    predict_all(counting, library)
    counting.spec = replace(counting.spec, weights_sha256="0" * 64)
    assert predict_all(counting, library)[0] == Counts(done=3, skipped=0, failed=2)
    assert counting.shown == 6
    counting.spec = replace(counting.spec, calibration=replace(counting.spec.calibration, confident_at=0.01))
    counts, rows = predict_all(counting, library)
    assert counts.done == 3
    assert counting.shown == 6
    assert rows["starfall.mp3"].verdict == "confident"


def test_every_setting_that_decides_is_in_the_digest(
    classifier: GenreClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, recipe = classifier.spec, classifier.recipe()
    digests = {
        settings_digest(spec, recipe),
        settings_digest(spec, replace(recipe, offset_s=1.0)),
        settings_digest(spec, replace(recipe, front_end=replace(recipe.front_end, n_mels=64))),
        settings_digest(spec, replace(recipe, windows=replace(recipe.windows, window_s=5.0))),
        settings_digest(replace(spec, labels=spec.labels[::-1]), recipe),
        settings_digest(replace(spec, weights_sha256="1"), recipe),
        settings_digest(replace(spec, calibration=replace(spec.calibration, temperature=2.0)), recipe),
    }
    monkeypatch.setattr(identity, "__version__", __version__ + "1")
    digests.add(settings_digest(spec, recipe))
    assert len(digests) == 8


def test_fresh_forgets_for_this_run_and_for_those_that_go_on_with_it(
    counting: CountingClassifier, library: Path
) -> None:
    predict_all(counting, library)
    partly, _ = predict_all(counting, library, fresh=True, stop_after=2)
    assert partly.skipped == 0
    rest, rows = predict_all(counting, library)
    assert rest.skipped == partly.seen
    assert len(rows) == 5
    assert counting.shown == 6


def test_what_may_pass_is_tried_again(counting: CountingClassifier, library: Path) -> None:
    (library / "a" / "gone.mp3").symlink_to(library / "nowhere.mp3")
    assert predict_all(counting, library)[0].failed == 3
    shutil.copy(EXAMPLES / "starfall.mp3", library / "nowhere.mp3")
    counts, rows = predict_all(counting, library)
    assert counts == Counts(done=2, skipped=5, failed=0)
    assert rows["gone.mp3"].genre


def test_two_runs_over_the_same_files_at_once_are_both_whole(classifier: GenreClassifier, library: Path) -> None:
    recipe = classifier.recipe()
    predict = BatchPredictor(classifier, recipe)
    digests = {"settings": settings_digest(classifier.spec, recipe), "network": network_digest(classifier.spec)}

    def run(ledger: Ledger) -> tuple[LedgerRun, LibraryRun]:
        rows = ledger.begin([str(library)], **digests)
        return rows, LibraryRun(Walk([str(library)]), rows, LocalEngine(predict, recipe, one_by_one), predict)

    one_by_one = EngineOptions(workers=1, batch=1)
    path = library.parent / "ledger.sqlite"
    with closing(Ledger(path)) as first_ledger, closing(Ledger(path)) as second_ledger:
        first_rows, first = run(first_ledger)
        batches = first.batches()
        next(batches)
        second_rows, second = run(second_ledger)
        list(second.batches())
        list(batches)
        assert len(list(first_rows.rows())) == first.counts.seen == 5
        assert len(list(second_rows.rows())) == second.counts.seen == 5


def test_rows_are_written_while_they_are_read_and_other_runs_write(
    classifier: GenreClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acousticsense.library.ledger._PAGE_ROWS", 2)
    paths = [f"/music/{number}.mp3" for number in (3, 1, 2, 5, 4)]
    here, now = FileStamp(1, 1, 1), FileStamp(2, 2, 2)
    row = Row(path="of any of them", model=classifier.info, settings_digest="s")
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as ledger, closing(Ledger(path)) as other_ledger:
        run, other = (each.begin(["/music"], settings="s", network="n") for each in (ledger, other_ledger))
        for song in (*paths, "/music/to do.mp3"):
            run.enlist(song, here)
        run.record([(song, row, here) for song in paths])
        seen = []
        for song, _ in run.rows():
            other.record([("/music/other.mp3", row, here)])
            run.restamp(song, now)
            seen.append(song)
        assert seen == paths
        assert all(other.enlist(song, now) for song in paths)


def test_a_ledger_of_an_earlier_version_keeps_its_rows(counting: CountingClassifier, library: Path) -> None:
    predict_all(counting, library)
    database = sqlite3.connect(library.parent / "ledger.sqlite")
    database.execute("CREATE TABLE listing (position INTEGER PRIMARY KEY, run INTEGER, path BLOB, done INTEGER)")
    database.execute("INSERT INTO listing VALUES (1, 1, 'x', 1)")
    database.commit()
    database.close()
    counts, rows = predict_all(counting, library)
    assert (counts.skipped, len(rows)) == (5, 5)


def test_a_row_that_was_tampered_with_is_a_sentence(counting: CountingClassifier, library: Path) -> None:
    predict_all(counting, library)
    database = sqlite3.connect(library.parent / "ledger.sqlite")
    database.execute("""UPDATE rows SET row = replace(row, '"path"', '"place"')""")
    database.commit()
    database.close()
    with pytest.raises(LibraryError, match="A row cannot be used: its path is"):
        predict_all(counting, library)


def test_a_file_that_is_no_ledger_is_a_sentence_and_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look like one" * 100)
    with pytest.raises(LibraryError, match="cannot be used"):
        Ledger(tmp_path / "notes.txt")
    Ledger(tmp_path / "new" / "ledger.sqlite").close()
    database = sqlite3.connect(tmp_path / "new" / "ledger.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LibraryError, match="version 99"):
        Ledger(tmp_path / "new" / "ledger.sqlite")


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("table", ["listing (song TEXT)", "runs (id INTEGER, km REAL)", "notes (text TEXT)"])
def test_the_database_of_another_program_is_refused_and_stays(tmp_path: Path, table: str, version: int) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE {table}")
        database.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(LibraryError, match=r"other\.sqlite is no ledger") as raised:
        Ledger(path)
    assert "another file" in raised.value.hint
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["other.sqlite"]


def test_an_empty_file_and_a_ledger_whose_making_was_cut_short_become_whole(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with closing(sqlite3.connect(tmp_path / "cut")) as database:
        database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, roots, settings, fresh, started)")
    for name in ("empty", "cut"):
        with closing(Ledger(tmp_path / name)) as ledger:
            assert list(ledger.begin(["x"], settings="s", network="n").rows()) == []


def test_a_stamp_is_none_for_what_is_not_there(tmp_path: Path) -> None:
    assert stamp(str(tmp_path / "none")) is None
    assert stamp("nul\0byte") is None


def test_opening_a_ledger_is_no_change_to_those_who_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as watching:
        before = watching.execute("PRAGMA data_version").fetchone()
        Ledger(path).close()
        assert watching.execute("PRAGMA data_version").fetchone() == before
