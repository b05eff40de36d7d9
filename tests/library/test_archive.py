"""Zip archives from strangers: names, bounds, and nothing written but what was asked for."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from acousticsense.errors import AudioDecodeError, AudioError, AudioTooLargeError
from acousticsense.library.archive import Archive, is_archive_name
from tests.library.conftest import EXAMPLES


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def with_raw_names(path: Path, names: list[bytes]) -> Path:
    """An archive as a program writes it that knows of no encoding: the names' bytes, and no flag."""
    stand_ins = [f"{index:0{len(name)}d}" for index, name in enumerate(names)]
    packed(path, dict.fromkeys(stand_ins, b"sound"))
    content = path.read_bytes()
    for stand_in, name in zip(stand_ins, names, strict=True):
        assert content.count(stand_in.encode()) == 2
        content = content.replace(stand_in.encode(), name)
    path.write_bytes(content)
    return path


def test_an_entry_is_unpacked_to_the_byte(tmp_path: Path) -> None:
    song = (EXAMPLES / "starfall.mp3").read_bytes()
    archive = Archive(packed(tmp_path / "a.zip", {"disc 1/starfall.mp3": song}))
    (entry,) = archive.entries
    assert (entry.name, entry.suffix) == ("disc 1/starfall.mp3", ".mp3")
    assert archive.unpack(entry, tmp_path / "out", max_bytes=len(song)) == len(song)
    assert (tmp_path / "out").read_bytes() == song


def test_what_is_not_audio_is_counted_and_not_listed(tmp_path: Path) -> None:
    files = dict.fromkeys(
        ("a.mp3", "cover.jpg", "inner.zip", ".hidden.mp3", "__MACOSX/._a.mp3", "b/.c/d.ogg", "UP.FLAC", "mp3"), b"x"
    )
    archive = Archive(packed(tmp_path / "a.zip", {**files, "folder.mp3/": b""}))
    assert [entry.name for entry in archive.entries] == ["a.mp3", "UP.FLAC"]
    assert archive.ignored == 6


def test_names_that_lead_out_of_the_archive_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    names = ("../../evil.mp3", "/etc/evil.mp3", "..\\..\\evil.wav", "C:\\evil.ogg", "a/./b/../c.mp3")
    archive = Archive(packed(tmp_path / "a.zip", dict.fromkeys(names, b"x")))
    assert [entry.name for entry in archive.entries] == [
        "evil.mp3",
        "etc/evil.mp3",
        "evil.wav",
        "C:/evil.ogg",
        "a/b/c.mp3",
    ]
    for place, entry in enumerate(archive.entries):
        archive.unpack(entry, folder / str(place), max_bytes=10)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["0", "1", "2", "3", "4", "a.zip"]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["第一张/雷鬼.mp3", "Café del Mar.mp3"]),
        ("gb18030", ["第一张/雷鬼音乐.mp3", "周杰伦 - 晴天.flac", "plain.mp3"]),
        ("cp437", ["Björk - Jóga.mp3", "Motörhead.ogg"]),
        ("cp437", ["Sigur Rós.mp3"]),
        ("ascii", ["plain.mp3"]),
    ],
)
def test_names_of_programs_that_do_not_say_how_they_are_written(
    tmp_path: Path, encoding: str, names: list[str]
) -> None:
    archive = Archive(with_raw_names(tmp_path / "a.zip", [name.encode(encoding) for name in names]))
    assert [entry.name for entry in archive.entries] == names
    archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=10)
    assert (tmp_path / "out").read_bytes() == b"sound"


def test_names_that_say_they_are_unicode(tmp_path: Path) -> None:
    archive = Archive(packed(tmp_path / "a.zip", {"音乐/日本語 ごめん 🎵.mp3": b"x"}))
    assert archive.entries[0].name == "音乐/日本語 ごめん 🎵.mp3"


def test_a_bomb_is_unpacked_no_further_than_allowed(tmp_path: Path) -> None:
    bomb = packed(tmp_path / "bomb.zip", {"bomb.wav": bytes(64 * 2**20)})
    assert bomb.stat().st_size < 100_000
    archive = Archive(bomb)
    with pytest.raises(AudioTooLargeError, match="more than 1 MiB"):
        archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=2**20)
    assert (tmp_path / "out").stat().st_size <= 2**20


def test_a_size_that_is_a_lie_is_not_believed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.wav": bytes(2**20)})
    content = bytearray(path.read_bytes())
    listing = content.index(b"PK\x01\x02")
    content[listing + 24 : listing + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    archive = Archive(path)
    assert archive.entries[0].packed.file_size == 10
    with pytest.raises(AudioError):
        archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=2**19)
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size <= 2**19


def test_an_endless_list_of_contents_is_not_read(tmp_path: Path) -> None:
    listing = packed(tmp_path / "a.zip", {"a.mp3": b"x"}).read_bytes()
    start = listing.index(b"PK\x01\x02")
    end = listing.index(b"PK\x05\x06")
    copies = 100_000
    size = (end - start) * copies
    closing = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, start, 0)
    path = tmp_path / "long.zip"
    path.write_bytes(listing[:start] + listing[start:end] * copies + closing)
    with pytest.raises(AudioTooLargeError, match="list of contents is longer than 4 MiB"):
        Archive(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_steps_have_no_bound_are_refused(tmp_path: Path, method: int) -> None:
    archive = Archive(packed(tmp_path / "a.zip", {"a.mp3": bytes(2**20)}, method))
    with pytest.raises(AudioDecodeError, match=f"method {method}"):
        archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=2**30)


def test_an_encrypted_file_says_so(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.mp3": b"x"})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    archive = Archive(path)
    with pytest.raises(AudioDecodeError, match="encrypted"):
        archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=10)


@pytest.mark.parametrize("content", [b"", b"PK", b"words", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(AudioDecodeError, match="not a readable zip archive"):
        Archive(tmp_path / "a.zip")


def test_damage_anywhere_is_an_error_with_words(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.mp3", random.Random(0).randbytes(500))
        made.writestr("音乐.ogg", bytes(500))
    rng = random.Random(1)
    path, errors = tmp_path / "a.zip", []
    for attempt in range(400):
        content = bytearray(whole.getvalue())
        for _ in range(rng.choice((1, 4))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            archive = Archive(path)
            for place, entry in enumerate(archive.entries):
                archive.unpack(entry, tmp_path / f"{attempt}-{place}", max_bytes=600)
            archive.close()
        except AudioError as error:
            errors.append(error.message)
    assert len(errors) > 100
    assert all(errors)


def test_a_closed_archive_opens_again(tmp_path: Path) -> None:
    archive = Archive(packed(tmp_path / "a.zip", {"a.mp3": b"x"}))
    archive.close()
    assert archive.unpack(archive.entries[0], tmp_path / "out", max_bytes=10) == 1


@pytest.mark.parametrize(("name", "expected"), [("a.zip", True), ("A.ZIP", True), ("a.zip.mp3", False), ("zip", False)])
def test_archives_are_known_by_name(name: str, expected: bool) -> None:
    assert is_archive_name(name) is expected
