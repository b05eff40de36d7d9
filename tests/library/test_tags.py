"""Genres in files' own tags: nothing else changes, nothing is lost, and all of it can be taken back to the byte."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import zlib
from functools import partial
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
from mutagen.id3 import ID3

from acousticsense.errors import LibraryError, TagError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library import tags
from acousticsense.library.tag_task import TagTask, carry_out
from acousticsense.library.tags import audio_sha256, plan_line, plan_tag, read_genre, write_tag
from acousticsense.library.undo import record_undo, undo
from tests.library.media import encode

#: Name -> its kind, and how FFmpeg writes it: with other tags, without any, the index of an mp4 at either end.
FORMATS: dict[str, tuple[str, dict[str, str]]] = {
    "id3v23.mp3": ("mp3", {"id3v2_version": "3"}),
    "id3v24.mp3": ("mp3", {"id3v2_version": "4"}),
    "id3v1.mp3": ("mp3", {"write_id3v1": "1"}),
    "untagged.mp3": ("mp3", {"id3v2_version": "0"}),
    "info.wav": ("wav", {}),
    "plain.aiff": ("aiff", {}),
    "id3.aiff": ("aiff", {"write_id3v2": "1"}),
    "vorbis.ogg": ("ogg", {}),
    "flac.ogg": ("oga", {}),
    "opus.opus": ("opus", {}),
    "flac.flac": ("flac", {}),
    "moov-last.m4a": ("m4a", {}),
    "moov-first.m4a": ("m4a", {"movflags": "faststart"}),
    "alac.m4a": ("alac", {}),
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each format, made of a real clip."""
    folder = tmp_path_factory.mktemp("formats")
    for name, (kind, options) in FORMATS.items():
        encode(folder / name, kind, seconds=4, metadata={"title": "曲名", "date": "1999"}, **options)
    return folder


@pytest.fixture
def files(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals, tmp_path / "files"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path: Path, genre: str, record: Path, **options: bool) -> None:
    plan = plan_tag(str(path), genre, overwrite=True)
    assert plan.action == "write", plan
    write_tag(plan, before_replace=partial(record_undo, record), **options)


def test_a_playlist_opens_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "song.mp3")
    playlist = tmp_path / "list.mp3"
    playlist.write_text("ffconcat version 1.0\nfile song.mp3\n")
    with pytest.raises(TagError, match="Its sound cannot be read"):
        audio_sha256(playlist)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_write_verify_undo_leaves_the_file_as_it_was(
    files: Path, tmp_path: Path, name: str, classifier: GenreClassifier
) -> None:
    path, record = files / name, tmp_path / "undo.jsonl"
    os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    path.chmod(0o640)
    before, sound = sha256(path), audio_sha256(path)
    title = {key: str(value) for key, value in (mutagen.File(path).tags or {}).items()}
    genre = classifier.predict(path).probabilities
    write(path, "R&B", record)
    assert read_genre(path) == "R&B"
    assert sha256(path) != before
    assert audio_sha256(path) == sound
    assert classifier.predict(path).probabilities == genre
    now = {key: str(value) for key, value in mutagen.File(path).tags.items()}
    assert title.items() <= now.items()
    if path.suffix != ".wav":  # FFmpeg does not look for ID3 behind a wav's sound
        assert ffmpeg_genre(path) == "R&B"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime > 1
    write(path, "Reggae 雷鬼", record)
    assert read_genre(path) == "Reggae 雷鬼"
    assert record.stat().st_size < 100_000  # a patch, not a copy
    assert [undone.outcome for undone in undo(record)] == ["restored", "restored"]
    assert sha256(path) == before
    assert path.stat().st_mtime_ns == 1_000_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [undone.outcome for undone in undo(record)] == ["failed", "untouched"]
    assert sorted(entry.name for entry in files.iterdir()) == sorted(FORMATS)  # no litter


def ffmpeg_genre(path: Path) -> str:
    """The genre as another program reads it."""
    with av.open(str(path)) as container:
        tags = {**container.metadata, **container.streams[0].metadata}
    return next((value for key, value in tags.items() if key.lower() == "genre"), "")


def test_id3_keeps_its_version(files: Path, tmp_path: Path) -> None:
    for name, version in (("id3v23.mp3", 3), ("id3v24.mp3", 4), ("untagged.mp3", 3), ("id3.aiff", 4)):
        write(files / name, "Jazz", tmp_path / "undo.jsonl")
        assert mutagen.File(files / name).tags.version[1] == version
    assert str(ID3(files / "id3v23.mp3", translate=False)["TYER"]) == "1999"


def test_a_genre_that_is_there_stays(files: Path) -> None:
    for name in ("id3v23.mp3", "vorbis.ogg", "moov-last.m4a"):
        file = mutagen.File(files / name, easy=True)
        file["genre"] = "Ska"
        file.save()
        assert read_genre(files / name) == "Ska"
        plan = plan_tag(str(files / name), "Reggae")
        assert (plan.action, plan.old) == ("keep", "Ska")
        assert "not overwritten" in plan_line(plan)
        assert plan_tag(str(files / name), "Ska").action == "keep"
        assert plan_tag(str(files / name), "Reggae", overwrite=True).action == "write"


def test_a_genre_in_another_kind_of_tag_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "info-genre.wav"
    encode(path, metadata={"genre": "Ska"})
    assert plan_tag(str(path), "Reggae").action == "keep"


def test_links_owners_and_permissions(files: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mp3"
    link.symlink_to(files / "id3v23.mp3")
    write(link, "Jazz", tmp_path / "undo.jsonl")
    assert link.is_symlink()
    assert read_genre(files / "id3v23.mp3") == "Jazz"
    os.link(files / "vorbis.ogg", tmp_path / "second-name.ogg")
    plan = plan_tag(str(files / "vorbis.ogg"), "Jazz")
    assert (plan.action, "2 names" in plan.reason) == ("refuse", True)
    (files / "flac.flac").chmod(0o444)
    assert "read-only" in plan_tag(str(files / "flac.flac"), "Jazz").reason


@pytest.mark.parametrize("tail", [b'\n{"path": "a disk that is full', b'\n{"pa', b""])
def test_a_record_goes_on_after_a_line_without_an_end(files: Path, tmp_path: Path, tail: bytes) -> None:
    songs, record = (files / "id3v23.mp3", files / "flac.flac"), tmp_path / "undo.jsonl"
    before = [song.read_bytes() for song in songs]
    for song in songs:
        write(song, "Jazz", record)
        record.write_bytes(record.read_bytes().rstrip(b"\n") + tail)
    assert [undone.outcome for undone in undo(record)] == ["restored", "restored"]
    assert [song.read_bytes() for song in songs] == before


def test_what_is_no_record_is_left_alone_and_so_is_the_song(files: Path, tmp_path: Path) -> None:
    song, notes = files / "flac.flac", tmp_path / "notes.txt"
    notes.write_text("To do:\nlisten to the album")
    before = song.read_bytes()
    with pytest.raises(TagError, match=r"notes\.txt is no undo record\."):
        write(song, "Jazz", notes)
    assert notes.read_text() == "To do:\nlisten to the album"
    assert song.read_bytes() == before


def test_taking_a_genre_back_leaves_a_link_one(files: Path, tmp_path: Path) -> None:
    song, link, record = files / "id3v23.mp3", tmp_path / "link.mp3", tmp_path / "undo.jsonl"
    before = song.read_bytes()
    link.symlink_to(song)
    plan = carry_out(TagTask(path=str(link), genre="Jazz", overwrite=True, record=record))
    assert (plan.action, plan.path, read_genre(song)) == ("write", str(link), "Jazz")
    assert [undone.outcome for undone in undo(record)] == ["restored"]
    assert link.is_symlink()
    assert song.read_bytes() == before


@pytest.mark.parametrize("fault", [KeyError("WM/Mood"), IndexError("index out of range"), MemoryError()])
def test_what_a_damaged_file_provokes_is_a_refusal(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    song = files / "flac.flac"
    before = sha256(song)

    def fail(_: Path) -> None:
        raise fault

    monkeypatch.setattr(mutagen, "File", fail)
    plan = carry_out(TagTask(path=str(song), genre="Jazz", overwrite=True, record=tmp_path / "undo.jsonl"))
    assert (plan.action, plan.path) == ("refuse", str(song))
    assert plan.reason.startswith(f"It is damaged, or too large to be read ({type(fault).__name__}")
    assert sha256(song) == before


def test_times_can_be_kept(files: Path, tmp_path: Path) -> None:
    os.utime(files / "flac.flac", ns=(5, 7_000_000_000))
    write(files / "flac.flac", "Jazz", tmp_path / "undo.jsonl", keep_mtime=True)
    assert (files / "flac.flac").stat().st_mtime_ns == 7_000_000_000


def test_formats_without_tags_and_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no audio")
    (tmp_path / "x.wma").write_bytes(b"0" * 100)
    for name in ("text.mp3", "x.wma", "gone.ogg"):
        assert plan_tag(str(tmp_path / name), "Jazz").action == "refuse"


@pytest.mark.parametrize(
    ("fault", "message"),
    [("genre", "read back"), ("others", "Other tags"), ("sound", "sound would have changed")],
)
def test_what_does_not_verify_is_not_written(
    files: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    path = files / "id3v23.mp3"
    before = sha256(path)
    real = tags._set_genre

    def careless(original: Path, copy: Path, genre: str) -> None:
        real(original, copy, "Polka" if fault == "genre" else genre)
        if fault == "others":
            other = ID3(copy)
            other.delall("TIT2")
            other.save(copy)
        if fault == "sound":
            content = bytearray(copy.read_bytes())
            content[-5000] ^= 0xFF
            copy.write_bytes(content)

    monkeypatch.setattr(tags, "_set_genre", careless)
    with pytest.raises(TagError, match=message):
        write_tag(plan_tag(str(path), "Jazz"))
    assert sha256(path) == before
    assert sorted(entry.name for entry in files.iterdir()) == sorted(FORMATS)


def test_a_record_that_cannot_be_written_stops_the_write(files: Path) -> None:
    path = files / "flac.flac"
    before = sha256(path)

    def full(_old: Path, _new: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TagError, match="No space left"):
        write_tag(plan_tag(str(path), "Jazz"), before_replace=full)
    assert sha256(path) == before


def test_an_edit_in_the_same_second_is_not_overwritten(files: Path) -> None:
    path = files / "flac.flac"
    edited = path.read_bytes()[:-1] + b"x"

    def edit(old: Path, _new: Path) -> None:
        times = old.stat()
        old.write_bytes(edited)
        os.utime(old, ns=(times.st_atime_ns, times.st_mtime_ns))

    with pytest.raises(TagError, match="changed by another program"):
        write_tag(plan_tag(str(path), "Jazz"), before_replace=edit)
    assert path.read_bytes() == edited


def test_undo_leaves_alone_what_was_changed_since(files: Path, tmp_path: Path) -> None:
    record = tmp_path / "undo.jsonl"
    write(files / "flac.flac", "Jazz", record)
    write(files / "opus.opus", "Jazz", record)
    with (files / "flac.flac").open("ab") as file:
        file.write(b"more")
    with record.open("ab") as file:
        file.write(b'{"path": "cut off by a ki')
    outcomes = {Path(undone.path).name: undone.outcome for undone in undo(record)}
    assert outcomes == {"flac.flac": "failed", "opus.opus": "restored"}


def test_a_record_that_is_damaged_or_gone_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "undo.jsonl").write_text('{"path": nonsense\n{"path": "cut off')
    with pytest.raises(LibraryError, match="Line 1"):
        list(undo(tmp_path / "undo.jsonl"))
    with pytest.raises(LibraryError, match="cannot be read"):
        list(undo(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("content", ["", "To do:\nlisten", "path,genre\n", "{}\n"])
def test_what_is_no_record_is_not_undone(tmp_path: Path, content: str) -> None:
    (tmp_path / "notes.txt").write_text(content)
    with pytest.raises(LibraryError, match=r"notes\.txt is no undo record"):
        undo(tmp_path / "notes.txt")


@pytest.mark.parametrize("alignment", ["start", "end"])
def test_a_record_of_an_earlier_version_is_undone(tmp_path: Path, alignment: str) -> None:
    old, new = b"a tag" + bytes(range(200)), b"a longer tag" + bytes(range(200))
    path = tmp_path / "x.bin"
    path.write_bytes(new)
    shift = len(new) - len(old) if alignment == "end" else 0
    patch = bytes(byte ^ new[place + shift] for place, byte in enumerate(old))
    entry = {
        "path": str(path),
        "old_size": len(old),
        "old_sha256": hashlib.sha256(old).hexdigest(),
        "old_mtime_ns": 5,
        "new_sha256": hashlib.sha256(new).hexdigest(),
        "alignment": alignment,
        "patch": base64.b64encode(zlib.compress(patch)).decode(),
    }
    (tmp_path / "undo.jsonl").write_text(json.dumps(entry) + "\n")
    assert [undone.outcome for undone in undo(tmp_path / "undo.jsonl")] == ["restored"]
    assert path.read_bytes() == old


def test_a_record_with_a_wrong_value_names_it(tmp_path: Path) -> None:
    (tmp_path / "undo.jsonl").write_text('{"path": "x", "old_size": "large"}\n')
    with pytest.raises(LibraryError, match=r"Line 1 of .* is damaged: old_size: Input should be a valid integer"):
        list(undo(tmp_path / "undo.jsonl"))


def test_moved_sound_is_not_copied_into_the_record(tmp_path: Path) -> None:
    """A file that grew in front and shrank behind, whatever lies between."""
    rng = np.random.default_rng(1)
    middle = rng.bytes(500_000)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(middle[:200_000] + b"tail" * 100 + middle[200_000:] + b"an old tag")
    new.write_bytes(b"a new tag" * 50 + middle[:200_000] + middle[200_000:] + b"x")
    original = old.read_bytes()
    record_undo(tmp_path / "undo.jsonl", old, new)
    old.write_bytes(new.read_bytes())
    assert (tmp_path / "undo.jsonl").stat().st_size < 30_000
    assert [undone.outcome for undone in undo(tmp_path / "undo.jsonl")] == ["restored"]
    assert old.read_bytes() == original
