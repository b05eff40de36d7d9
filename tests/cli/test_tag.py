"""`acousticsense tag` as people run it: real processes, real files, interrupted and killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import mutagen
import pytest

from acousticsense.cli.main import main
from acousticsense.errors import LibraryError, TagError
from acousticsense.library.routing import Decision, decide
from acousticsense.library.rows import Row
from acousticsense.library.tags import read_genre
from tests.library.conftest import EXAMPLES


@pytest.fixture(autouse=True)
def tiny_is_default(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tiny_models))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "tiny")
    monkeypatch.setenv("ACOUSTICSENSE_DEVICE", "cpu")
    monkeypatch.setenv("ACOUSTICSENSE_CACHE_DIR", str(tmp_path / "cache"))


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_file_in_every_list(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = ["--csv", str(tmp_path / "rows.csv"), "--jsonl", str(tmp_path / "rows.jsonl")]
    routes = [
        word for name in ("accepted", "review", "rejected") for word in (f"--{name}", str(tmp_path / f"{name}.csv"))
    ]
    assert main(["tag", str(library), *lists, "--accept", "0.2", *routes]) == 0
    rows = csv_rows(tmp_path / "rows.csv")
    assert [Path(row["path"]).name for row in rows] == [
        "broken.mp3",
        "sky-vibe.ogg",
        "starfall.mp3",
        "empty.flac",
        "风笛.wav",
    ]
    assert [row["error_code"] for row in rows] == ["audio_undecodable", "", "", "audio_empty", ""]
    parts = {name: csv_rows(tmp_path / f"{name}.csv") for name in ("accepted", "review", "rejected")}
    assert sorted(row["path"] for part in parts.values() for row in part) == sorted(row["path"] for row in rows)
    assert all(row["decision"] == name for name, part in parts.items() for row in part)
    assert {row["error_code"] for row in parts["rejected"]} >= {"audio_undecodable", "audio_empty"}
    said = capsys.readouterr().err
    assert "3 done, 0 skipped (had a row), 2 failed" in said
    assert "1 other file passed by" in said
    assert main(["tag", str(library), "--jsonl", str(tmp_path / "again.jsonl"), "--resume"]) == 0
    assert "0 done, 5 skipped" in capsys.readouterr().err
    answers = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [answer["genre"] or "" for answer in answers] == [row["genre"] for row in rows]
    assert main(["tag", str(library), "--fresh"]) == 0
    captured = capsys.readouterr()
    assert "3 done, 0 skipped" in captured.err
    assert len(captured.out.splitlines()) == 5


def test_the_answers_are_those_of_predict(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    song = str(library / "a" / "starfall.mp3")
    excerpt = ["--duration", "4", "--offset", "2"]
    assert main(["predict", song, "--json", *excerpt]) == 0
    predicted = json.loads(capsys.readouterr().out)
    assert main(["tag", song, "--jsonl", str(tmp_path / "rows.jsonl"), *excerpt]) == 0
    tagged = json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8"))
    assert tagged["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-6)
    for key in ("verdict", "clip", "model", "path"):
        assert tagged[key] == predicted[key]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["tag"], 2, "name files or folders"),
        (["tag", "x", "--write-tags"], 2, "--accept 0.85"),
        (["tag", "x", "--review", "y.csv"], 2, "--accept 0.85"),
        (["tag", "x", "--dry-run"], 2, "go with --write-tags"),
        (["tag", "x", "--accept", "85"], 2, "between 0 and 1"),
        (["tag", "x", "--resume", "--fresh"], 2, "not allowed with"),
        (["tag", "x", "--timeout", "0"], 2, "above 0"),
        (["tag", "x", "--timeout", "1e300"], 2, "at most 86400 (a day), not 1e300"),
        (["tag", "x", "--timeout", "nan"], 2, "above 0"),
        (["tag", "@nowhere"], 1, "The list 'nowhere' cannot be read"),
        (["tag", "{empty}"], 1, "No audio file was found"),
        (["tag", "x", "--csv", "nowhere/rows.csv"], 1, "cannot be written"),
        (["tag", "x", "--csv", "{empty}/song.MP3"], 1, "is named like audio"),
        (["tag", "x", "--accept", "0.5", "--review", "{empty}"], 1, "is a folder"),
        (["tag", "{empty}/nowhere"], 1, "1 of the places that were named lead to nothing"),
        (["tag", ""], 1, "1 of the places that were named lead to nothing"),
        (["tag", "{empty}/*.mp3"], 1, "1 of the places that were named lead to nothing"),
        (["tag", "x", "--ledger", "/dev/null/ledger"], 1, "The ledger"),
        (["tag", "--undo", "nowhere"], 1, "cannot be read"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    arguments: Sequence[str], status: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main([argument.format(empty=tmp_path) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == status
    assert sentence in captured.err
    assert "Traceback" not in captured.err


def test_parquet_without_its_package_is_refused_before_any_work(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    ledger = tmp_path / "ledger"
    assert main(["tag", str(library), "--parquet", str(tmp_path / "rows.parquet"), "--ledger", str(ledger)]) == 1
    assert "needs the package pyarrow" in capsys.readouterr().err
    assert not ledger.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["{song}", "--csv", "{new}", "--ledger", "{new}"],
        ["{song}", "--csv", "{new}-wal", "--ledger", "{new}"],
        ["{song}", "--csv", "{cache}/library.sqlite"],
        ["{song}", "--csv", "{new}", "--jsonl", "{folder}/a/../new"],
        ["{song}", "--csv", "{link}", "--jsonl", "{list}"],
        ["{song}", "--jsonl", "memory://lists/rows", "--csv", "memory://lists/rows"],
        ["{song}", "--accept", "0", "--accepted", "{new}", "--review", "{new}"],
        ["{song}", "--accept", "0", "--write-tags", "--record", "{new}", "--csv", "{new}"],
        ["{song}", "--accept", "0", "--write-tags", "--record", "{new}", "--ledger", "{new}"],
        ["@{list}", "--csv", "{list}"],
        ["@{link}", "--csv", "{list}"],
        ["{list}", "--csv", "{list}"],
        ["@{list}", "--ledger", "{list}"],
    ],
)
def test_what_would_overwrite_something_else_of_the_command_is_refused_before_any_work(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    (tmp_path / "cache").mkdir()
    listing = library / "list.csv"
    listing.write_text("path\na/starfall.mp3\n")
    (library / "link").symlink_to(listing)
    names = {"song": library / "a" / "starfall.mp3", "folder": library, "new": library / "new", "list": listing}
    names |= {"link": library / "link", "cache": tmp_path / "cache"}
    assert main(["tag", *(argument.format(**names) for argument in arguments)]) == 1
    said = capsys.readouterr().err
    assert "has two uses in this command, and one content would overwrite the other. Name another file." in said
    assert "done" not in said
    assert listing.read_text() == "path\na/starfall.mp3\n"
    assert not (library / "new").exists()
    assert not list((tmp_path / "cache").iterdir())


def test_tags_are_planned_written_and_taken_back(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, tagged = library / "a" / "starfall.mp3", library / "a" / "sky-vibe.ogg"
    file = mutagen.File(tagged, easy=True)
    file["genre"] = "Ska"
    file.save()
    before = {path: path.read_bytes() for path in library.rglob("*.*")}
    record = tmp_path / "undo.jsonl"
    write = ["tag", str(library), "--accept", "0", "--write-tags", "--record", str(record)]
    assert main([*write, "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert f"write  {song}: (no genre) -> " in plan
    assert f"keep   {tagged}: Ska" in plan
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not record.exists()
    assert main(write) == 0
    said = capsys.readouterr().err
    assert f"--undo {record}" in said
    assert read_genre(song) in plan
    assert read_genre(tagged) == "Ska"
    assert main(["tag", str(library), "--csv", str(tmp_path / "rows.csv")]) == 0
    assert "0 done, 5 skipped" in capsys.readouterr().err  # our own writing is no change
    assert main(["tag", "--undo", str(record)]) == 0
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize(
    ("others", "named"),
    [
        (["{song}"], "PATH"),
        (["--accept", "0", "--write-tags", "--dry-run"], "--accept, --write-tags, --dry-run"),
        (["--csv", "{folder}/rows.csv", "--fresh"], "--csv, --fresh"),
        (["--timeout", "5", "--ray-address", "auto", "--engine", "ray"], "--engine, --ray-address, --timeout"),
        (["--duration", "5", "--model", "tiny"], "--model, --duration"),
    ],
)
def test_undo_goes_with_nothing_else(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], others: Sequence[str], named: str
) -> None:
    song, record = library / "a" / "starfall.mp3", tmp_path / "undo.jsonl"
    assert main(["tag", str(song), "--accept", "0", "--write-tags", "--record", str(record)]) == 0
    written = song.read_bytes()
    with pytest.raises(SystemExit) as stop:
        main(["tag", "--undo", str(record), *(other.format(song=song, folder=tmp_path) for other in others)])
    assert stop.value.code == 2
    assert f"goes with nothing else: leave out {named}\n" in capsys.readouterr().err
    assert song.read_bytes() == written


def test_names_that_are_no_text_go_all_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.fsencode(tmp_path) + b"/Gen\xe8ve"
    os.mkdir(folder)  # noqa: PTH102 - a Path is text
    song = os.fsdecode(folder + b"/\xe9t\xe9.mp3")
    shutil.copy(EXAMPLES / "starfall.mp3", song)
    Path(os.fsdecode(folder + b"/broken \xff.mp3")).symlink_to("nowhere")
    (tmp_path / "list.m3u").write_bytes(b"Gen\xe8ve/\xe9t\xe9.mp3\n")
    before = Path(song).read_bytes()
    lists = ["--csv", str(tmp_path / "rows.csv"), "--jsonl", str(tmp_path / "rows.jsonl")]
    record = os.fsdecode(folder + b"/undo.jsonl")
    write = ["--accept", "0", "--write-tags", "--record", record]
    assert main(["tag", os.fsdecode(folder), *lists, *write]) == 0
    assert "Gen\\xe8ve" in capsys.readouterr().err
    paths = [row["path"] for row in csv_rows(tmp_path / "rows.csv")]
    assert [path.rpartition("Gen")[2] for path in paths] == ["\\xe8ve/broken \\xff.mp3", "\\xe8ve/\\xe9t\\xe9.mp3"]
    answers = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [answer["path"] for answer in answers] == paths
    assert answers[0]["error"]["code"] == "audio_undecodable"
    assert read_genre(Path(song)) == answers[1]["genre"]
    assert main(["tag", f"@{tmp_path}/list.m3u"]) == 0
    assert "0 done, 1 skipped (had a row), 0 failed" in capsys.readouterr().err
    assert main(["tag", "--undo", record]) == 0
    assert "1 restored" in capsys.readouterr().err
    assert Path(song).read_bytes() == before


def test_a_tag_that_cannot_be_written_is_a_1(library: Path, tmp_path: Path) -> None:
    os.link(library / "a" / "starfall.mp3", tmp_path / "second.mp3")
    record = str(tmp_path / "undo.jsonl")
    assert main(["tag", str(library / "a"), "--accept", "0", "--write-tags", "--record", record]) == 1
    assert read_genre(library / "a" / "starfall.mp3") == ""
    assert read_genre(library / "a" / "sky-vibe.ogg")


def test_what_was_written_before_a_fault_is_told_and_can_be_taken_back(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_locked(*_: object) -> None:
        raise LibraryError("The ledger is locked.")

    songs = [library / "a" / name for name in ("sky-vibe.ogg", "starfall.mp3")]
    before = [song.read_bytes() for song in songs]
    monkeypatch.setattr("acousticsense.library.ledger.LedgerRun.restamp", be_locked)
    record = tmp_path / "my undo.jsonl"
    assert main(["tag", str(library), "--accept", "0", "--write-tags", "--record", str(record)]) == 1
    said = capsys.readouterr().err
    assert "tags: 1 written" in said
    assert f"acousticsense tag --undo '{record}'\n" in said  # as a shell takes it
    assert "The ledger is locked" in said
    assert main(["tag", "--undo", str(record)]) == 0
    assert [song.read_bytes() for song in songs] == before


def test_a_song_that_was_replaced_since_it_was_analysed_is_left_alone(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    song, other = library / "a" / "starfall.mp3", (EXAMPLES / "starfall.mp3").read_bytes() + bytes(100)

    def replaced(row: Row, accept: float) -> Decision:
        song.write_bytes(other)
        return decide(row, accept)

    monkeypatch.setattr("acousticsense.library.routing.decide", replaced)
    record = str(tmp_path / "undo.jsonl")
    assert main(["tag", str(song), "--accept", "0", "--write-tags", "--record", record]) == 1
    assert "changed since it was analysed" in capsys.readouterr().err
    assert song.read_bytes() == other


@pytest.mark.parametrize("content", ["", "no record", "no record\n", '{"path": "x"}\n'])
def test_undoing_what_is_no_record_is_a_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(content)
    assert main(["tag", "--undo", str(notes)]) == 1
    assert str(notes) in capsys.readouterr().err


def test_what_was_restored_before_a_damaged_line_is_told(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, record = library / "a" / "starfall.mp3", tmp_path / "undo.jsonl"
    before = song.read_bytes()
    assert main(["tag", str(song), "--accept", "0", "--write-tags", "--record", str(record)]) == 0
    record.write_bytes(b'{"path": damaged\n' + record.read_bytes())
    assert main(["tag", "--undo", str(record)]) == 1
    said = capsys.readouterr().err
    assert "1 restored" in said
    assert "Line 1" in said
    assert song.read_bytes() == before


@pytest.mark.parametrize("content", ["no record", "no record\n", "path,genre\na.mp3,Jazz\n"])
def test_another_file_than_a_record_is_refused_before_any_work(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(content)
    assert main(["tag", str(library), "--accept", "0", "--write-tags", "--record", str(notes)]) == 1
    said = capsys.readouterr().err
    assert f"{notes} is no undo record. Name another file." in said
    assert "done" not in said
    assert notes.read_text() == content


def test_a_folder_that_takes_no_undo_record_is_refused_before_any_work(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    may = os.access
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda place, mode: place != os.curdir and may(place, mode))  # root may all
    write = ["tag", str(library / "a" / "starfall.mp3"), "--accept", "0", "--write-tags"]
    assert main(write) == 1
    said = capsys.readouterr().err
    assert f"cannot be written into the current folder, '{tmp_path}'. Name another place with --record" in said
    assert "done" not in said
    assert main([*write, "--dry-run"]) == 0
    assert main([*write, "--record", str(tmp_path / "undo.jsonl")]) == 0


def test_an_undo_record_that_nobody_named_lies_in_the_current_folder(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tag", str(library / "a" / "starfall.mp3"), "--accept", "0", "--write-tags"]) == 0
    (record,) = tmp_path.glob("acousticsense-undo-*.jsonl")
    assert f"acousticsense tag --undo {record.name}" in capsys.readouterr().err


def test_a_tag_that_cannot_be_verified_is_told(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(*_: object) -> None:
        raise TagError("It differs.")

    song = library / "a" / "starfall.mp3"
    before = song.read_bytes()
    monkeypatch.setattr("acousticsense.library.tags._verify", differ)
    record = tmp_path / "undo.jsonl"
    assert main(["tag", str(song), "--accept", "0", "--write-tags", "--record", str(record)]) == 1
    assert f"refuse {song}: (no genre); It differs." in capsys.readouterr().err
    assert song.read_bytes() == before
    assert not record.exists()


@pytest.fixture
def music_folder(tmp_path: Path) -> Path:
    """24 files with real sound, each its own, and 6 that are broken."""
    folder = tmp_path / "music_folder"
    folder.mkdir()
    wav = (EXAMPLES / "scottish-bagpipes.wav").read_bytes()
    for number in range(24):
        start = 44 + number * 4000
        (folder / f"{number:02}.wav").write_bytes(wav[:44] + wav[start : start + 150_000])
    for number in range(6):
        (folder / f"broken {number}.mp3").write_bytes(b"no audio" * number)
    return folder


def command(folder: Path, csv_path: Path) -> list[str]:
    return ["tag", str(folder), "--csv", str(csv_path), "--workers", "1"]


def start(folder: Path, csv_path: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "acousticsense", *command(folder, csv_path)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)


def rows_in(ledger: Path) -> int:
    import sqlite3

    if not ledger.exists():
        return 0
    database = sqlite3.connect(ledger)
    try:
        return int(database.execute("SELECT count(*) FROM rows").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


def told(row: dict[str, str]) -> dict[str, str]:
    """A row without its probabilities."""
    return {name: value for name, value in row.items() if not name.startswith("confidence")}


def confidences(row: dict[str, str]) -> list[float]:
    """The probabilities of a row; none for a file that could not be analysed."""
    return [float(value) for name, value in row.items() if name.startswith("confidence") and value]


def wait_for_rows(process: subprocess.Popen[str], ledger: Path, more_than: int) -> None:
    deadline = time.monotonic() + 300
    while rows_in(ledger) <= more_than and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_twice_nothing_is_lost_and_nothing_done_twice(
    music_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a first run, and in one that goes on from it."""
    ledger = tmp_path / "cache" / "library.sqlite"
    kept: list[int] = []
    for _ in range(2):
        process = start(music_folder, tmp_path / "rows.csv")
        wait_for_rows(process, ledger, rows_in(ledger))
        process.kill()
        process.communicate()
        kept.append(rows_in(ledger))
    assert kept == sorted(set(kept))
    assert main(command(music_folder, tmp_path / "rows.csv")) == 0
    said = capsys.readouterr().err
    rows = csv_rows(tmp_path / "rows.csv")
    assert len({row["path"] for row in rows}) == len(rows) == 30
    assert sum(row["error_code"] != "" for row in rows) == 6
    assert f"{kept[-1]} skipped (had a row)" in said
    shutil.rmtree(tmp_path / "cache")
    assert main(command(music_folder, tmp_path / "at once.csv")) == 0
    at_once = csv_rows(tmp_path / "at once.csv")
    assert [told(row) for row in at_once] == [told(row) for row in rows]
    for row, other in zip(at_once, rows, strict=True):
        assert confidences(row) == pytest.approx(confidences(other), abs=2e-6)  # the last digit is the batch's rounding


def test_ctrl_c_ends_in_good_order(music_folder: Path, tmp_path: Path) -> None:
    process = start(music_folder, tmp_path / "rows.csv")
    wait_for_rows(process, tmp_path / "cache" / "library.sqlite", 0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the decoders, too
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    assert len(csv_rows(tmp_path / "rows.csv")) == rows_in(tmp_path / "cache" / "library.sqlite") > 0
