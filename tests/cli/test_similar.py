"""`acousticsense similar` on real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from acousticsense.cli.main import main
from acousticsense.library.ledger import Ledger
from tests.library.conftest import EXAMPLES


@pytest.fixture
def songs(tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three songs, two of which are the same."""
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tiny_models))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "tiny")
    folder = tmp_path / "songs"
    folder.mkdir()
    for name, copy in (("starfall.mp3", "a.mp3"), ("starfall.mp3", "b.mp3"), ("sky-vibe.ogg", "c.ogg")):
        shutil.copy(EXAMPLES / name, folder / copy)
    return folder


def test_the_copy_is_the_nearest_and_the_song_itself_is_left_out(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = str(tmp_path / "l.sqlite")
    options = ["--ledger", ledger, "--workers", "1", "--json"]
    assert main(["similar", str(songs / "a.mp3"), "--in", str(songs), *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["songs"] == 3
    assert [Path(song["path"]).name for song in answer["similar"]] == ["b.mp3", "c.ogg"]
    assert answer["similar"][0]["similarity"] == pytest.approx(1, abs=1e-5)


def test_a_ledger_stands_for_what_was_tagged(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = str(tmp_path / "l.sqlite")
    assert main(["tag", str(songs / "c.ogg"), "--ledger", ledger, "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["similar", str(songs / "a.mp3"), "--in", ledger, "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.rstrip().endswith("c.ogg")
    assert err.startswith("1 song, 1 of them new")


def test_a_ledger_that_was_only_made_ready_is_a_library(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = str(tmp_path / "l.sqlite")
    assert main(["similar", "--in", str(songs), "--ledger", ledger, "--workers", "1"]) == 0
    assert main(["similar", str(songs / "a.mp3"), "--in", ledger, "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert [Path(line.split()[-1]).name for line in out.splitlines()] == ["b.mp3", "c.ogg"]
    assert err.endswith("3 songs, 0 of them new, 0 that cannot be compared\n")


def test_a_second_ledger_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, new = (str(tmp_path / name) for name in ("a.sqlite", "b.sqlite", "new.sqlite"))
    for ledger in (first, second):
        Ledger(Path(ledger)).close()
    for places in (["--in", first, "--in", second], ["--in", first, "--ledger", new]):
        assert main(["similar", *places]) == 1
        assert "2 ledgers are named" in capsys.readouterr().err
    assert not Path(new).exists()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_song_to_compare_with_is_a_1(songs: Path, tmp_path: Path, form: list[str]) -> None:
    places = ["--in", str(tmp_path / "none.sqlite"), "--ledger", str(tmp_path / "l.sqlite")]
    assert main(["similar", str(songs / "a.mp3"), *places, *form]) == 1


def test_a_place_that_is_not_there_is_said(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["similar", "--in", str(songs / "none"), "--ledger", str(tmp_path / "l"), "--workers", "1"]) == 1
    assert "There is no such file" in capsys.readouterr().err
