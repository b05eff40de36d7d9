"""Playlists in the encodings and with the paths that players write."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from acousticsense.errors import LibraryError, SettingsError
from acousticsense.library.walk import Walk

NAMES = ["music/plain.mp3", "music/Über Tälern/Génève 100%.mp3", "music/a #1 [live].mp3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(folder: Path, content: bytes, name: str = "list.m3u") -> list[str]:
    (folder / name).write_bytes(content)
    return [os.path.relpath(entry.path, folder) for entry in Walk([f"@{folder / name}"])]


def lines(entries: list[str], end: str = "\r\n") -> str:
    return end.join(["#EXTM3U", "#EXTINF:12,x", *entries, ""])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(folder: Path, encoding: str, end: str) -> None:
    assert found(folder, lines(NAMES, end).encode(encoding)) == NAMES
    assert found(folder, lines([name.replace("/", "\\") for name in NAMES], end).encode(encoding)) == NAMES


def test_percent_signs_addresses_and_absolute_paths(folder: Path) -> None:
    assert found(folder, lines([quote(name) for name in NAMES]).encode()) == NAMES
    assert found(folder, lines([f"file://{quote(str(folder / name))}" for name in NAMES]).encode()) == NAMES
    assert found(folder, lines([f"file://{folder / name}" for name in NAMES[::2]]).encode()) == NAMES[::2]
    assert found(folder, lines([str(folder / name) for name in NAMES]).encode("cp1252")) == NAMES


def test_pls(folder: Path) -> None:
    entries = "".join(f"File{number}={NAMES[number - 1]}\nTitle{number}=x\n" for number in (2, 1, 3))
    assert found(folder, f"[playlist]\n{entries}NumberOfEntries=3\nVersion=2\n".encode(), "list.pls") == NAMES


XSPF = """<?xml version="1.0" encoding="UTF-8"?>
<playlist xmlns="http://xspf.org/ns/0/" version="1"><title>Mine</title><trackList>%s</trackList></playlist>"""
WPL = """<?wpl version="1.0"?><smil><head><title>Mine</title></head><body><seq>%s</seq></body></smil>"""
ASX = """<ASX VERSION="3.0"><TITLE>Mine</TITLE>%s</ASX>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("frame", "entry"),
    [
        (XSPF, "<track><location>{address}</location><title>{name}</title></track>"),
        (WPL, '<media src="{windows}" tid="x"/>'),
        (ASX, '<Entry><Ref HREF="{name}"/></Entry>'),
    ],
    ids=["XSPF", "WPL", "ASX"],
)
def test_playlists_that_are_xml(folder: Path, frame: str, entry: str, encoding: str) -> None:
    entries = [
        entry.format(name=name, windows=name.replace("/", "\\"), address=f"file://{quote(str(folder / name))}")
        for name in NAMES
    ]
    assert found(folder, (frame % "".join(entries)).encode(encoding), "list.xspf") == NAMES


def test_a_song_counts_once_and_the_playlist_is_none(folder: Path) -> None:
    own = "<location>music/list.xspf</location><attribution><location>old.xspf</location></attribution>"
    track = f"<track><location/><location>{NAMES[0]}</location><location>http://x.example/a.mp3</location></track>"
    xspf = f'<playlist version="1" xmlns="http://xspf.org/ns/0/">{own}<trackList>{track}</trackList></playlist>'
    assert found(folder, xspf.encode(), "list.xspf") == NAMES[:1]
    asx = f'<asx><entry><ref href="{NAMES[0]}"/><ref href="http://x.example/a.mp3"/></entry></asx>'
    assert found(folder, asx.encode(), "list.asx") == NAMES[:1]


def test_xml_that_is_broken_is_refused(folder: Path) -> None:
    with pytest.raises(LibraryError, match="begins as XML"):
        found(folder, b'<?xml version="1.0"?><playlist><trackList>', "list.xspf")


def test_a_table_with_paths_is_a_list(folder: Path) -> None:
    assert found(folder, f"genre;path\nJazz;{NAMES[0]}\n".encode("utf-16"), "rows.csv") == NAMES[:1]
    with pytest.raises(SettingsError, match="line 1 lacks a column 'path'"):
        found(folder, b"name\nx\n", "rows.csv")


def test_what_cannot_be_read_is_a_row_with_its_reason(folder: Path) -> None:
    entries = ["http://radio.example/stream.mp3", "no\0name.mp3", "music/gone.mp3", NAMES[0], "C:\\Music\\x.mp3"]
    (folder / "list.m3u").write_text("\n".join(entries))
    walk = Walk([f"@{folder}/list.m3u"])
    entry = list(walk)
    assert [e.error.message if e.error else "" for e in entry] == [
        "Addresses are not fetched.",
        "No name holds a zero byte.",
        "",
        "",
        "",
    ]
    assert walk.n_missing == 4


def test_a_name_that_begins_like_a_comment_is_a_name_when_it_exists(folder: Path) -> None:
    (folder / "#1 hit.mp3").touch()
    assert found(folder, b"#1 hit.mp3\n#2 hit.mp3\n") == ["#1 hit.mp3"]


def test_bytes_that_are_no_text_stay(folder: Path) -> None:
    name = b"Gen\xe8ve.mp3"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    assert [os.fsencode(path) for path in found(folder, b"#EXTM3U\n" + name + b"\n")] == [name]


def test_a_file_address_on_the_command_line(folder: Path) -> None:
    (entry,) = Walk([f"file://{quote(str(folder / NAMES[1]))}"])
    assert entry.path == str(folder / NAMES[1])
