"""Lists of labelled audio as spreadsheets write them: read, or the line, the column and what to change."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from acousticsense.errors import SettingsError
from acousticsense.evaluation.dataset import LabelledClip, listed_paths, read_items
from acousticsense.evaluation.places import locate
from acousticsense.library.playlist import listed

A, B, U = "m/a.mp3", "m/b, c.mp3", "m/ü.mp3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With three files that lists name."""
    (tmp_path / "m").mkdir()
    for name in (A, B, U, "m/d e.mp3"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, content: bytes) -> list[tuple[str, str]]:
    (folder / "list.csv").write_bytes(content)
    return [(str(item.path.relative_to(folder)), item.genre) for item in read_items(folder / "list.csv")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f'path,genre\n{A},Jazz\n"{B}",Rock\n', [A, B]),
        (f"\ufeffpath,genre\r\n{A},Jazz\r\n", [A]),
        (f"path;genre\n{B};Jazz\n{A};Rock\n", [B, A]),
        (f"path;genre\n{A};Jazz\n{B};Rock\n", [A, B]),
        (f"path\tgenre\n{B}\tJazz\n", [B]),
        (f"path|genre\n{B}|Jazz\n", [B]),
        (f"sep=,\npath,genre\n{A},Jazz\n", [A]),
        (f"sep=;\r\ngenre;path\r\nJazz;{B}\r\n", [B]),
        (f'"sep=;"\r\ngenre;path\r\nJazz;{B}\r\n', [B]),
        (f"Path,GENRE\n{A},Jazz\n", [A]),
        (f"path, genre\n{A}, Jazz\n", [A]),
        (f' path , "genre"\n{A}, "Jazz"\n', [A]),
        (f"path,genre\r{A},Jazz\r", [A]),
        (f"path,genre\n\n{A},Jazz\n\n,\n;;\n".replace(";;", " , "), [A]),
        (f"path,genre\n{A},Jazz,a comment\n", [A]),
        ("path,genre\nm/gone.mp3,Jazz,a comment\n", ["m/gone.mp3"]),
        (f"path,genre,bpm,group\n{A},Jazz\n", [A]),
        (f'"path","genre"\n"{A}","Jazz\n"\n', [A]),
        ("path,genre\nm\\a.mp3,Jazz\n", [A]),
        ("path,genre\nm/d%20e.mp3,Jazz\n", ["m/d e.mp3"]),
    ],
)
def test_what_spreadsheets_write_is_read(folder: Path, content: str, expected: list[str]) -> None:
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be"):
        assert [path for path, _ in read(folder, content.encode(encoding))] == expected
    assert read(folder, content.encode())[0][1] == "Jazz"


def test_western_windows_is_read(folder: Path) -> None:
    assert read(folder, f"path,genre\r\n{U},Müsette\r\n".encode("cp1252")) == [(U, "Müsette")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "list.csv is empty. Its first line names the columns: path,genre"),
        ("path,genre\n", "names no clips"),
        (
            f"file,label\n{A},Jazz,extra\n",
            "line 1 lacks a column 'path': separated by commas, it reads 'file', 'label'",
        ),
        (f"{A},Jazz\n{A},Jazz\n", "Make the first line path,genre"),
        (f"path;name\n{A};x\n", "line 1 lacks a column 'genre': separated by semicolons"),
        ("path,path,genre\nx,y,z\n", "line 1 has two columns 'path'"),
        (f"path,genre\n{A}\0,Jazz\n", "line 2, column 'path' holds a zero byte"),
        (f'path,genre\n{A},Jazz\n"m/d e.mp3,Jazz\n{A},Jazz\n', "line 3, column 'path': a quotation mark"),
        (f'path,genre\n{A},"Jazz\n{A},Jazz\n', "line 2, column 'genre': a quotation mark"),
        (f'path,genre\n"{A},Jazz\n"{B}",Jazz\n', "line 2, column 'path': a quotation mark"),
        (f'sep=,\npath,genre\n{A},Jazz\n"x,Jazz\n', "line 4, column 'path': a quotation mark"),
        (f"path,genre\n{A}," + "x" * 200_000, "line 2 has 200008 characters; 131072 can be read"),
        ("x" * 200_000, "line 1 has 200000 characters; 131072 can be read"),
        (f"{'x' * 1000},genre\n{A},Jazz\n", "it reads 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…xxx"),
        ('path,genre\n"m/a.mp3,Jazz\n' + "m/d e.mp3,Jazz\n" * 10_000, "line 2, column 'path': a quotation mark"),
        (f"path,genre\n{A},Jazz\n,Rock\n", "line 3: the path is empty"),
        (f"path,genre\n{A},Jazz\nb.wav\n", "line 3: the genre is empty"),
        ("path,genre\nm/no, c.mp3,Jazz\n", "line 2 has 3 cells under 2 columns"),
    ],
)
def test_what_cannot_be_read_is_the_line_and_what_to_change(folder: Path, content: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(folder, content.encode())
    assert sentence in str(caught.value)


def test_what_is_no_text_is_no_list(folder: Path) -> None:
    song = Path(__file__).resolve().parents[2] / "examples" / "starfall.mp3"
    silence = b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\1\0\2\0" + bytes(10_000)
    for content in (song.read_bytes(), silence, np.random.default_rng(1).bytes(10_000)):
        with pytest.raises(SettingsError, match=r"list\.csv is no list: it holds binary data"):
            read(folder, content)
        with pytest.raises(SettingsError, match=r"starfall\.mp3' is no list"):
            list(listed(str(song)))


def test_a_file_that_is_not_there_is_for_whoever_opens_it(folder: Path) -> None:
    assert read(folder, f"path,genre\nm/not here.mp3,Jazz\n{A},Jazz\n".encode())[0][0] == "m/not here.mp3"


def test_a_genre_is_a_label_whatever_its_letters(folder: Path) -> None:
    (folder / "list.csv").write_text(f"path,genre\n{A},jazz\n{A},Tango\n")
    jazz, tango = read_items(folder / "list.csv")
    assert jazz.label_among(("Blues", "Jazz")) == "Jazz"
    assert LabelledClip(Path("x"), "jazz").label_among(("Jazz", "jazz")) == "jazz"
    with pytest.raises(SettingsError, match="line 3: 'Tango' is not a label of this model"):
        tango.label_among(("Blues", "Jazz"))


def test_a_list_of_paths_needs_no_genres(folder: Path) -> None:
    (folder / "rows.csv").write_text(f'genre;PATH\nJazz;"{B}"\n;{A}\n')
    assert listed_paths(folder / "rows.csv") == [str(folder / B), str(folder / A)]


def test_names_are_what_exists(folder: Path) -> None:
    strange = os.fsencode(folder) + b"/Gen\xe8ve.mp3"
    Path(os.fsdecode(strange)).touch()
    (folder / unicodedata.normalize("NFD", "é.mp3")).touch()
    (folder / "50%20off.mp3").touch()
    (folder / " blanks .mp3").touch()
    found = {
        os.fsdecode(b"Gen\xe8ve.mp3"): strange,
        os.fsdecode("m/ü.mp3".encode("cp1252")): os.fsencode(folder / U),
        "é.mp3": os.fsencode(folder / unicodedata.normalize("NFD", "é.mp3")),
        "50%20off.mp3": os.fsencode(folder / "50%20off.mp3"),
        "50%2520off.mp3": os.fsencode(folder / "50%20off.mp3"),
        "Gen%E8ve.mp3": strange,
        " blanks .mp3": os.fsencode(folder / " blanks .mp3"),
        f"file://{folder}/m/d%20e.mp3": os.fsencode(folder / "m/d e.mp3"),
        f"file://localhost{folder}/m/d e.mp3": os.fsencode(folder / "m/d e.mp3"),
        f"FILE:{folder}/m\\d e.mp3": os.fsencode(folder / "m/d e.mp3"),
        f"{folder}/m/a.mp3": os.fsencode(folder / A),
        "gone\\x.mp3": os.fsencode(folder / "gone\\x.mp3"),
    }
    found["file:///no\0name.mp3"] = os.fsencode(f"{folder}/file:///no\0name.mp3")
    for name, path in found.items():
        assert os.fsencode(locate(name, str(folder))) == path, name
