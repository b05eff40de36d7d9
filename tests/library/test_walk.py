"""Which files a command line stands for: all of them, once, and nothing left out silently."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from acousticsense.errors import LibraryError, printable
from acousticsense.library.identity import FileStamp
from acousticsense.library.walk import Walk


def names(arguments: Iterable[object], root: Path) -> list[str]:
    return [os.path.relpath(found.path, root) for found in Walk(map(str, arguments))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.flac", "b/1.MP3", "a.wav", "b/c/deep.opus", "b/cover.jpg", ".hidden.mp3", ".git/x.mp3", "notes"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_folders_are_walked_in_order(folder: Path) -> None:
    walk = Walk([str(folder)])
    found = [os.path.relpath(entry.path, folder) for entry in walk]
    assert found == ["a.wav", "b/1.MP3", "b/2.flac", "b/c/deep.opus"]
    assert walk.ignored == 2


def test_a_file_that_is_named_is_taken_whatever_its_name(folder: Path) -> None:
    assert names([folder / "notes", folder / "gone.mp3"], folder) == ["notes", "gone.mp3"]


def test_patterns(folder: Path) -> None:
    assert names([folder / "b" / "*.MP3"], folder) == ["b/1.MP3"]
    assert sorted(names([folder / "**" / "*.*"], folder)) == ["a.wav", "b/1.MP3", "b/2.flac", "b/c/deep.opus"]
    assert sorted(names([folder / "**"], folder)) == ["a.wav", "b/1.MP3", "b/2.flac", "b/c/deep.opus"]
    (found,) = Walk([str(folder / "*.xyz")])
    assert found.error is not None
    assert "No file matches" in found.error.message
    (folder / "odd [1].mp3").touch()
    assert names([folder / "odd [1].mp3"], folder) == ["odd [1].mp3"]


@pytest.mark.parametrize("pattern", ["**", "**/*", "**/**"])
def test_all_below_a_folder_is_the_folder(pattern: str, folder: Path) -> None:
    (folder / "b" / "circle").symlink_to(folder)
    walk = Walk([str(folder / pattern)])
    plain = Walk([str(folder)])
    assert [entry.path for entry in walk] == [entry.path for entry in plain]
    assert walk.ignored == plain.ignored == 2
    (found,) = Walk([str(folder / "a.wav" / pattern)])
    assert found.error is not None


def test_lists_name_paths_relative_to_themselves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "list.m3u").write_text(f"\ufeff#EXTM3U\n\nb/1.MP3\r\n{folder}/a.wav\nb/c\n", encoding="utf-8")
    assert names([f"@{folder}/list.m3u"], folder) == ["b/1.MP3", "a.wav", "b/c/deep.opus"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.wav\n")))
    assert names(["@-"], folder) == ["a.wav"]
    with pytest.raises(LibraryError, match="cannot be read"):
        Walk(["@nowhere.txt"])


@pytest.mark.parametrize("nothing", ["", "file:", "FILE://"])
def test_an_empty_path_leads_to_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, nothing: str) -> None:
    monkeypatch.chdir(folder / "b" / "c")
    (folder / "list.pls").write_text(f"[playlist]\nFile1={nothing}\nFile2=a.wav\n")
    walk = Walk([nothing, f"@{folder}/list.pls"])
    found = list(walk)
    assert [entry.path for entry in found] == [nothing, nothing, str(folder / "a.wav")]
    assert [entry.error.message for entry in found if entry.error] == ["An empty path names no file."] * 2
    assert walk.n_missing == 2


def test_links_in_circles_end(folder: Path) -> None:
    (folder / "b" / "up").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "song.mp3").symlink_to(folder / "a.wav")
    assert names([folder], folder) == ["a.wav", "b/1.MP3", "b/2.flac", "b/c/deep.opus", "song.mp3"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_must_not_be_read_is_said(folder: Path) -> None:
    (folder / "b").chmod(0)
    found = {os.path.relpath(entry.path, folder): entry for entry in Walk([str(folder)])}
    (folder / "b").chmod(0o755)
    assert found["b"].error is not None
    assert "a.wav" in found


def test_a_named_place_that_cannot_be_read_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(place: str) -> object:
        if place == str(folder / "b"):
            raise PermissionError(13, "Permission denied", place)
        return listing(place)

    listing = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)  # root may read every folder
    named, above = Walk([str(folder / "b")]), Walk([str(folder)])
    (found,) = named
    assert found.error is not None
    assert "cannot be read" in found.error.message
    assert named.n_missing == 1
    assert str(folder / "b") in [entry.path for entry in above]
    assert above.n_missing == 0


def test_a_link_to_nothing_that_is_named_is_missing(folder: Path) -> None:
    (folder / "gone.mp3").symlink_to("nowhere.mp3")
    named, above = Walk([str(folder / "gone.mp3")]), Walk([str(folder)])
    assert [entry.path for entry in named] == [str(folder / "gone.mp3")]
    assert named.n_missing == 1
    assert str(folder / "gone.mp3") in [entry.path for entry in above]
    assert above.n_missing == 0


@pytest.mark.parametrize("place", ["memory://walk/nothing", "memory://walk/*.mp3"])
def test_what_a_store_does_not_have_is_missing(place: str) -> None:
    walk = Walk([place])
    (found,) = walk
    assert found.path == place
    assert found.error is not None
    assert walk.n_missing == 1


def test_a_store_that_fails_is_missing_only_where_it_gave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def objects(place: str) -> Iterator[tuple[str, FileStamp]]:
        if place.endswith("half"):
            yield f"{place}/one.mp3", FileStamp(1, 1, 1)
        raise LibraryError("The store does not answer.")

    monkeypatch.setattr("acousticsense.library.storage.objects", objects)
    walk = Walk(["s3://none", "s3://half"])
    assert [entry.path for entry in walk] == ["s3://none", "s3://half/one.mp3", "s3://half"]
    assert walk.n_missing == 1


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xe9.mp3"
    Path(os.fsdecode(path)).touch()
    (found,) = Walk([str(tmp_path)])
    assert os.fsencode(found.path) == path
    assert printable(found.path).endswith("\\xff\\xe9.mp3")
