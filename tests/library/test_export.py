"""Rows in the hands of spreadsheets, programs and data tools."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.errors import LibraryError
from acousticsense.inference.prediction import ModelInfo
from acousticsense.library.export import COLUMNS, csv_bytes, finetune_csv, m3u, write_csv, write_jsonl, write_parquet
from acousticsense.library.playlist import listed
from acousticsense.library.routing import decide, expectation
from acousticsense.library.rows import Row, RowError
from acousticsense.models.spec import Calibration

CLIP = ClipInfo(offset_s=0.0, duration_s=10.0, track_duration_s=200.5, sample_rate_hz=44_100, channels=2)
GOOD = Row(
    path='/音乐/雷鬼, "live".mp3',
    model=ModelInfo(name="tiny", architecture="vit", weights_sha256="ab" * 32, spectrogram="mel", backend="none"),
    settings_digest="cd" * 32,
    probabilities={"Jazz": 0.9, "Blues": 0.06, "Rock": 0.04},
    not_music=0.01,
    verdict="confident",
    health=(HealthNote(code="clipping", severity="warning", value=1.0),),
    clip=CLIP,
    images_sha256="ef" * 32,
)
BAD = replace(
    GOOD,
    path='=HYPERLINK("http://x")',
    probabilities={},
    verdict=None,
    clip=None,
    health=(),
    error=RowError(code="audio_undecodable", message="-no audio", hint="Try another."),
)
ROWS = [(GOOD, decide(GOOD, 0.85)), (BAD, decide(BAD, 0.85))]


def test_csv_opens_in_excel_and_runs_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", ROWS)
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,genre,confidence,")
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        good, bad = csv.DictReader(file)
    assert tuple(good) == COLUMNS
    assert (good["path"], good["genre"], good["confidence"]) == (GOOD.path, "Jazz", "0.9")
    assert (good["genre_2"], good["confidence_3"], good["genre_4"]) == ("Blues", "0.04", "")
    assert (good["decision"], good["health"], good["track_duration_s"]) == ("accepted", "clipping", "200.5")
    assert (bad["genre"], bad["decision"], bad["error_code"]) == ("", "rejected", "audio_undecodable")
    assert bad["path"].startswith("'=HYPERLINK")
    assert bad["error"].startswith("'-no audio")


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_becomes_a_formula(tmp_path: Path, beginning: str) -> None:
    write_csv(tmp_path / "rows.csv", [(replace(GOOD, path=f"{beginning}1+1"), None)])
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == f"'{beginning}1+1"


def test_json_lines_hold_everything(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    good, bad = map(json.loads, (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines())
    assert good["path"] == GOOD.path
    assert good["probabilities"] == GOOD.probabilities
    assert good["prediction"][0] == {"label": "Jazz", "confidence": 0.9}
    assert good["model"]["weights_sha256"] == GOOD.model.weights_sha256
    assert (good["settings_digest"], good["decision"], good["error"]) == (GOOD.settings_digest, "accepted", None)
    assert bad["error"] == {"code": "audio_undecodable", "message": "-no audio", "hint": "Try another."}


def test_parquet_has_the_same_columns_typed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(tmp_path / "rows.parquet", iter(ROWS))
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table.column("confidence").to_pylist() == [0.9, None]
    assert table.column("path").to_pylist() == [GOOD.path, BAD.path]


def test_a_list_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("old")

    def breaking():  # type: ignore[no-untyped-def]
        yield ROWS[0]
        raise LibraryError("The ledger is gone.")

    with pytest.raises(LibraryError, match="ledger is gone"):
        write_csv(path, breaking())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(LibraryError, match="cannot be written"):
        write_csv(tmp_path / "none" / "rows.csv", ROWS)


def test_decisions() -> None:
    assert decide(GOOD, 0.9) == "accepted"
    assert decide(GOOD, 0.91) == "review"
    assert decide(replace(GOOD, verdict="not_music"), 0.1) == "rejected"
    assert decide(BAD, 0.0) == "rejected"


def test_less_than_three_seconds_of_sound_are_never_accepted() -> None:
    assert GOOD.clip
    short = replace(GOOD, clip=replace(GOOD.clip, duration_s=2.9))
    assert decide(short, 0.0) == "review"
    assert decide(replace(GOOD, clip=replace(GOOD.clip, duration_s=3.0)), 0.0) == "accepted"


def test_expectations_rest_on_what_was_measured() -> None:
    measured = Calibration(level_accuracy={"confident": 0.95, "plausible": 0.8})
    assert "about 3 to be wrong (1 in 10.0)" in expectation({"confident": 20, "plausible": 10}, measured)
    assert "采纳的 30 个" in expectation({"confident": 20, "plausible": 10}, measured, "zh")
    assert "hardly any" in expectation({"confident": 2}, measured)
    assert "For 4 more" in expectation({"confident": 20, "mixed": 4}, measured)
    assert "not been measured" in expectation({"confident": 20}, Calibration())


def test_corrections_have_a_column_of_their_own_and_a_list_for_fine_tuning() -> None:
    header, good, bad = csv_bytes(ROWS, {GOOD.path: "Reggae"}).decode("utf-8-sig").splitlines()
    assert header.startswith("path,corrected_genre,genre,")
    assert good.startswith('"/音乐/雷鬼, ""live"".mp3",Reggae,Jazz,')
    assert ",,," in bad
    assert finetune_csv({"a/b.mp3": "Reggae"}) == b"\xef\xbb\xbfpath,genre\r\na/b.mp3,Reggae\r\n"


def test_what_audits_a_row_stands_last() -> None:
    assert COLUMNS[-3:] == ("model", "weights_sha256", "settings_digest")


def test_a_line_break_in_a_name_adds_no_line_to_a_playlist() -> None:
    path = "x/a\n#EXTM3U\nb.mp3"
    lines = m3u([replace(GOOD, path=path)], {path: "Jazz"}).decode().splitlines()
    assert lines[1:] == ["#EXTINF:200,a #EXTM3U b.mp3", "#EXTGRP:Jazz", "x/a%0A%23EXTM3U%0Ab.mp3"]


@pytest.mark.parametrize(
    "path",
    [
        *("#1 hit.mp3", "#a/b.mp3", " #x.mp3", "~a.mp3", "~root/a.mp3", "file: a.mp3", "FILE:/a.mp3"),
        *(
            " a.mp3",
            "a.mp3 ",
            " a b ",
            "a/ b.mp3",
            "a /b.mp3",
            "  ",
            "#\na.mp3 ",
            "a%20b.mp3",
            "%23a.mp3 ",
            "\u3000a.mp3",
        ),
    ],
)
def test_a_playlist_that_is_put_where_its_paths_begin_finds_every_file(path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).touch()
    playlist = tmp_path / "genres.m3u8"
    playlist.write_bytes(m3u([replace(GOOD, path=path)], {path: "Jazz"}))
    line = playlist.read_text(encoding="utf-8").split("\n")[-2]
    assert not line.startswith("#")
    assert line == line.strip()
    (found,) = listed(str(playlist))
    assert Path(found).samefile(tmp_path / path)


def test_a_playlist_lists_genre_by_genre_with_lengths() -> None:
    other = replace(GOOD, path="x/blues.mp3", clip=None)
    text = m3u([GOOD, BAD, other], {GOOD.path: "Jazz", other.path: "Blues"}).decode()
    assert text.splitlines() == [
        "#EXTM3U",
        "#EXTINF:-1,blues.mp3",
        "#EXTGRP:Blues",
        "x/blues.mp3",
        '#EXTINF:200,雷鬼, "live".mp3',
        "#EXTGRP:Jazz",
        GOOD.path,
    ]
