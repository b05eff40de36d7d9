"""Every place where a kind of file keeps its genre: read, left with one genre, all else to the byte, and taken back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.asf import ASF, ASFUnicodeAttribute
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3, TCON, TIT2, ParseID3v1
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from acousticsense.errors import TagError
from acousticsense.library.tagging import ape, id3, kinds
from acousticsense.library.tags import audio_sha256, plan_tag, read_genre, write_tag
from acousticsense.library.undo import record_undo, undo
from tests.library.media import encode

#: Of version 2.3, in version 2.4's words; mutagen does not write it into a 2.3 tag.
STRANGE_FRAME = b"TSOP" + struct.pack(">IH", 13, 0) + b"\0Beatles, The"
UNKNOWN_FRAME = b"XYZZ" + struct.pack(">IH", 5, 0) + b"\xff\xfe\0\1\2"


def id3v2(*frames: bytes, version: int = 3, flags: int = 0, padding: int = 0) -> bytes:
    body = b"".join(frames) + bytes(padding)
    return b"ID3" + bytes([version, 0, flags]) + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def frame(name: bytes, text: str) -> bytes:
    content = b"\0" + text.encode("latin-1")
    return name + len(content).to_bytes(4, "big") + bytes(2) + content


def id3v1(number: int) -> bytes:
    return b"TAG" + b"An old song".ljust(124, b"\0") + bytes([number])


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + bytes(len(content) % 2)


def info(*fields: tuple[bytes, bytes], order: str = "<") -> bytes:
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name, value, order) for name, value in fields), order)


def mp3(path: Path, front: bytes = b"", back: bytes = b"") -> bytes:
    encode(path, "mp3", seconds=1, id3v2_version="0", write_xing="0")
    return front + path.read_bytes() + back


def with_chunks(path: Path, *chunks: bytes, order: str = "<") -> bytes:
    raw = encode(path, path.suffix[1:], seconds=1).read_bytes() + b"".join(chunks)
    return raw[:4] + struct.pack(f"{order}I", len(raw) - 8) + raw[8:]


def rifx(_: Path) -> bytes:
    data = bytes(range(256)) * 400
    body = chunk(b"fmt ", struct.pack(">HHIIHH", 1, 2, 44_100, 176_400, 4, 16), ">") + chunk(b"data", data, ">")
    body += info((b"IGNR", b"Folk\0"), (b"INAM", b"odd"), order=">")
    return b"RIFX" + struct.pack(">I", len(body) + 4) + b"WAVE" + body


def rf64(path: Path) -> bytes:
    raw = encode(path, "wav", seconds=1, rf64="always").read_bytes() + info((b"IGNR", b"Folk\0"))
    return raw[:20] + struct.pack("<Q", len(raw) - 8) + raw[28:]


def endless_wav(path: Path) -> bytes:
    raw = with_chunks(path)
    place = raw.index(b"data")
    raw = raw[:place] + info((b"IGNR", b"Folk\0")) + raw[place : place + 4] + b"\xff" * 4 + raw[place + 8 :]
    return raw[:4] + b"\xff" * 4 + raw[8:]


def flac(path: Path, edit: Callable[[FLAC], None], front: bytes = b"", back: bytes = b"") -> bytes:
    file = FLAC(encode(path, "flac", seconds=1))
    edit(file)
    file.save(padding=lambda _: 0)
    return front + path.read_bytes() + back


def comments(**values: list[str]) -> Callable[[FLAC], None]:
    def edit(file: FLAC) -> None:
        file.tags.clear()
        for name, texts in values.items():
            file[name] = texts

    return edit


def chained(path: Path, kind: type[OggVorbis | OggOpus]) -> bytes:
    parts = []
    for genre in ("Folk", "Rock"):
        file = kind(encode(path, seconds=1))
        file["genre"] = [genre]
        file["title"] = ["曲名"]
        file.save()
        parts.append(path.read_bytes())
    return b"".join(parts)


def long_comments(path: Path) -> bytes:
    file = OggVorbis(encode(path, seconds=1))
    file["genre"] = ["Folk " * 4_000]
    file["metadata_block_picture"] = ["A" * 60_000]
    file.save()
    return path.read_bytes()


def mp4(path: Path, genre: bytes, **options: str) -> bytes:
    """With another atom for a genre in place of `©gen`; there is room for it."""
    encode(path, "m4a", seconds=1, **options)
    file = MP4(path)
    file.tags["\xa9cmt"] = "x" * (len(genre) - 24)
    file.tags["\xa9nam"] = "曲名"
    file.save()
    raw = path.read_bytes()
    place = raw.index(b"\xa9cmt") - 4
    size = int.from_bytes(raw[place : place + 4], "big")
    assert size == len(genre)
    return raw[:place] + genre + raw[place + size :]


def atom(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def data(kind: int, value: bytes) -> bytes:
    return atom(b"data", struct.pack(">II", kind, 0) + value)


def wma(path: Path) -> bytes:
    file = ASF(encode(path, "wma", seconds=1))
    file["WM/Genre"] = [ASFUnicodeAttribute("Folk"), ASFUnicodeAttribute("Rock", language=0, stream=1)]
    file["WM/GenreID"] = ["(80)"]
    file["WM/Mood"] = ["calm"]
    file.save()
    return path.read_bytes()


def ape_tagged(path: Path) -> bytes:
    encode(path, path.suffix[1:], seconds=1)
    tags = APEv2()
    tags.update({"Genre": ["Folk", "Rock"], "Title": "曲名"})
    tags.save(path)
    return path.read_bytes()


free_form = atom(
    b"----", atom(b"mean", bytes(4) + b"com.apple.iTunes") + atom(b"name", bytes(4) + b"GENRE") + data(1, b"Folk")
)
NAME = "曲名".encode()
TITLE = frame(b"TIT2", "song")
FOOTED = id3v2(frame(b"TIT2", "x" * 100), frame(b"TCON", "Folk"), version=4, flags=0x10)

#: Name of the file -> (how to make it, what its tags say, bytes that must be in it afterwards).
CASES: dict[str, tuple[Callable[[Path], bytes], str, tuple[bytes, ...]]] = {
    "ape.mp3": (lambda p: mp3(p, back=ape.new_ape("Folk")), "Folk", ()),
    "ape+id3v1.mp3": (lambda p: mp3(p, back=ape.new_ape("Folk") + id3v1(17)), "Folk; Rock", (b"An old song",)),
    "ape-front.mp3": (lambda p: mp3(p, front=ape.new_ape("Folk")), "Folk", ()),
    "id3v1.mp3": (lambda p: mp3(p, back=id3v1(80)), "Folk", (b"An old song",)),
    "enhanced.mp3": (
        lambda p: mp3(p, back=b"TAG+" + b"Long title".ljust(181, b"\0") + b"Folk".ljust(42, b"\0") + id3v1(255)),
        "Folk",
        (b"Long title", b"An old song"),
    ),
    "lyrics.mp3": (
        lambda p: mp3(p, back=ape.new_ape("Folk") + b"LYRICSBEGINLYR00003abc000022LYRICS200" + id3v1(80)),
        "Folk",
        (b"LYRICSBEGINLYR00003abc000022LYRICS200",),
    ),
    "v22.mp3": (
        lambda p: mp3(p, front=id3v2(b"TT2\0\0\5\0song", b"TCO\0\0\5\0Folk", version=2)),
        "Folk",
        (b"TT2\0\0\5\0song",),
    ),
    "v23-number.mp3": (lambda p: mp3(p, front=id3v2(TITLE, frame(b"TCON", "(80)Folk"))), "Folk", (TITLE,)),
    "v23-strange.mp3": (
        lambda p: mp3(p, front=id3v2(STRANGE_FRAME, UNKNOWN_FRAME, frame(b"TCON", "Folk"), padding=64)),
        "Folk",
        (STRANGE_FRAME, UNKNOWN_FRAME),
    ),
    "v23-unsynchronised.mp3": (
        lambda p: mp3(p, front=id3v2(b"TCON\0\0\0\x0b\0\0\1\xff\0\xfeF\0o\0l\0k\0", TITLE, flags=0x80)),
        "Folk",
        (TITLE,),
    ),
    "v23-extended.mp3": (
        lambda p: mp3(p, front=id3v2(b"\0\0\0\x0a\x80\0\0\0\0\0abcd", TITLE, frame(b"TCON", "Folk"), flags=0x40)),
        "Folk",
        (TITLE,),
    ),
    "v24-itunes.mp3": (
        lambda p: mp3(p, front=id3v2(frame(b"APIC", "x" * 300), frame(b"TCON", "Folk"), version=4)),
        "Folk",
        (frame(b"APIC", "x" * 300),),
    ),
    "v24-footer.mp3": (
        lambda p: mp3(p, front=FOOTED + b"3DI" + FOOTED[3:10]),
        "Folk",
        (frame(b"TIT2", "x" * 100),),
    ),
    "twice.mp3": (
        lambda p: mp3(p, front=id3v2(frame(b"TCON", "Folk"), frame(b"TCON", "Rock")) + id3v2(frame(b"TCON", "Pop"))),
        "Folk; Rock; Pop",
        (),
    ),
    "stream.aac": (lambda p: id3v2(frame(b"TCON", "Folk")) + encode(p, seconds=1).read_bytes(), "Folk", ()),
    "info.wav": (
        lambda p: with_chunks(p, info((b"INAM", b"odd"), (b"IGNR", b"Folk\0"), (b"IXYZ", b"kept"))),
        "Folk",
        (chunk(b"INAM", b"odd"), chunk(b"IXYZ", b"kept")),
    ),
    "both.wav": (
        lambda p: with_chunks(
            p,
            info((b"IGNR", b"Folk\0")),
            chunk(b"id3 ", id3v2(STRANGE_FRAME, frame(b"TCON", "Rock"))),
            chunk(b"odd ", b"123"),
        ),
        "Folk; Rock",
        (STRANGE_FRAME, chunk(b"odd ", b"123")),
    ),
    "cp1252.wav": (lambda p: with_chunks(p, info((b"IGNR", b"M\xfcsette\0"))), "Müsette", ()),
    "rifx.wav": (rifx, "Folk", (chunk(b"INAM", b"odd", ">"),)),
    "rf64.wav": (rf64, "Folk", ()),
    "endless.wav": (endless_wav, "Folk", ()),
    "id3.aiff": (
        lambda p: with_chunks(p, chunk(b"ID3 ", id3v2(STRANGE_FRAME, frame(b"TCON", "Folk")), ">"), order=">"),
        "Folk",
        (STRANGE_FRAME,),
    ),
    "several.flac": (
        lambda p: flac(p, comments(Genre=["Folk", "Rock"], title=["曲名"])),
        "Folk; Rock",
        (b"title=" + NAME,),
    ),
    "id3-front.flac": (
        lambda p: flac(p, comments(genre=["Folk"]), front=id3v2(UNKNOWN_FRAME, frame(b"TCON", "Rock")), back=id3v1(13)),
        "Folk; Rock; Pop",
        (UNKNOWN_FRAME, b"An old song"),
    ),
    "chained.ogg": (lambda p: chained(p, OggVorbis), "Folk; Rock", (b"title=" + NAME,)),
    "chained.opus": (lambda p: chained(p, OggOpus), "Folk; Rock", (b"title=" + NAME,)),
    "long.ogg": (long_comments, ("Folk " * 4_000).strip(), (b"A" * 3_000,)),
    "number.m4a": (lambda p: mp4(p, atom(b"gnre", data(0, b"\0\x51"))), "Folk", (NAME,)),
    "first.m4a": (lambda p: mp4(p, atom(b"gnre", data(0, b"\0\x51")), movflags="faststart"), "Folk", (NAME,)),
    "several.m4a": (lambda p: mp4(p, atom(b"\xa9gen", data(1, b"Folk") + data(1, b"Rock"))), "Folk; Rock", ()),
    "free.m4a": (lambda p: mp4(p, free_form), "Folk", (NAME,)),
    "attributes.wma": (wma, "Rock; Folk", ("calm".encode("utf-16-le"),)),
    "items.wv": (ape_tagged, "Folk; Rock", (NAME,)),
    "front.tta": (lambda p: id3v2(frame(b"TCON", "Folk")) + encode(p, seconds=1).read_bytes(), "Folk", ()),
}  # fmt: skip


KINDS = ("mp3", "aac", "wav", "aiff", "flac", "ogg", "oga", "opus", "m4a", "alac", "wma", "wv")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the file of a case."""

    def make(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(CASES[name][0](path))
        return path

    return make


@pytest.mark.parametrize("name", CASES)
def test_a_genre_is_seen_replaced_everywhere_and_taken_back(
    made: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    path = made(name)
    before, sound = path.read_bytes(), audio_sha256(path)
    assert read_genre(path) == CASES[name][1]
    assert plan_tag(str(path), "Reggae").action == "keep"
    record = tmp_path / "undo.jsonl"
    for genre in ("Reggae", "雷鬼 é", "R&B"):
        write_tag(plan_tag(str(path), genre, overwrite=True), before_replace=partial(record_undo, record))
        after = path.read_bytes()
        assert read_genre(path) == genre
        assert audio_sha256(path) == sound
        assert b"Folk" not in after
        assert all(kept in after for kept in CASES[name][2])
    assert plan_tag(str(path), "R&B").action == "keep"
    assert [undone.outcome for undone in undo(record)] == ["restored"] * 3
    assert path.read_bytes() == before
    assert record.stat().st_size < 60_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_genre_where_there_is_none_yet_is_what_other_programs_read(tmp_path: Path, kind: str) -> None:
    path = encode(tmp_path / f"plain.{kind}", kind, seconds=1)
    write_tag(plan_tag(str(path), "Reggae 雷鬼"))
    tags = ID3(path) if kind == "aac" else mutagen.File(path).tags
    found = [value for key, value in tags.items() if key.lower() in ("tcon", "\xa9gen", "genre", "wm/genre")]
    assert "Reggae 雷鬼" in str(found)


def test_other_programs_read_what_was_left(made: Callable[[str], Path]) -> None:
    for name in ("ape+id3v1.mp3", "both.wav", "id3-front.flac", "chained.opus", "number.m4a", "attributes.wma"):
        path = made(name)
        write_tag(plan_tag(str(path), "R&B", overwrite=True))
    folder = path.parent
    assert APEv2(folder / "ape+id3v1.mp3")["Genre"] == "R&B"
    assert ParseID3v1((folder / "ape+id3v1.mp3").read_bytes()[-128:])["TCON"].genres == ["R&B"]
    assert WAVE(folder / "both.wav").tags["TCON"].genres == ["R&B"]
    assert FLAC(folder / "id3-front.flac")["genre"] == ["R&B"]
    assert ID3(folder / "id3-front.flac")["TCON"].genres == ["R&B"]
    assert OggOpus(folder / "chained.opus")["genre"] == ["R&B"]
    assert MP4(folder / "number.m4a").tags["\xa9gen"] == ["R&B"]
    assert [str(value) for value in ASF(folder / "attributes.wma")["WM/Genre"]] == ["R&B"]


def test_a_tag_that_has_room_moves_nothing() -> None:
    tag = id3v2(TITLE, padding=200)
    new = id3.id3v2_with_genre(tag, "Reggae")
    assert len(new) == len(tag)
    assert ID3(BytesIO(new))["TCON"].genres == ["Reggae"]


def test_frames_keep_their_order_and_bytes() -> None:
    frames = [TITLE, frame(b"TCON", "Folk"), UNKNOWN_FRAME, STRANGE_FRAME]
    new = id3.id3v2_with_genre(id3v2(*frames), "Pop")
    assert b"".join([TITLE, frame(b"TCON", "Pop"), UNKNOWN_FRAME, STRANGE_FRAME]) in new


def test_a_picture_in_flac_stays(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac", seconds=1)
    file = FLAC(path)
    picture = Picture()
    picture.data = b"\xff\xd8picture" * 1000
    file.add_picture(picture)
    file.save()
    write_tag(plan_tag(str(path), "Pop"))
    assert FLAC(path).pictures[0].data == picture.data


def test_what_mutagen_wrote_is_read_as_mutagen_reads_it(tmp_path: Path) -> None:
    for version in (3, 4):
        path = encode(tmp_path / f"{version}.mp3", seconds=1, id3v2_version="0")
        tags = ID3()
        tags.add(TCON(encoding=1, text=["Folk", "雷鬼"]))
        tags.add(TIT2(encoding=3, text=["曲名"]))
        tags.save(path, v2_version=version)
        assert read_genre(path) == "; ".join(ID3(path)["TCON"].genres)


@pytest.mark.parametrize("name", ["ape.mp3", "v24-itunes.mp3", "both.wav", "id3.aiff", "several.flac", "first.m4a"])
def test_bytes_that_lie_are_a_sentence(made: Callable[[str], Path], name: str) -> None:
    content = made(name).read_bytes()
    for place in [*range(0, 120), *range(max(120, len(content) - 160), len(content))]:
        for value in (0, 1, 0x7F, 0xFF):
            lying = BytesIO(content[:place] + bytes([value]) + content[place + 1 :])
            with suppress(TagError):  # anything else ends the test
                kinds.genres_of(lying)
                kinds.genre_edits(lying, "Reggae")


def test_a_header_that_claims_more_than_there_is_takes_no_memory(made: Callable[[str], Path]) -> None:
    path = made("attributes.wma")
    content = path.read_bytes()
    path.write_bytes(content[:16] + struct.pack("<Q", 1 << 62) + content[24:])
    with path.open("rb") as file, pytest.raises(TagError, match="Its header is damaged"):
        kinds.genres_of(file)


def test_a_genre_in_small_letters_is_written_beside_a_number(made: Callable[[str], Path]) -> None:
    path = made("ape+id3v1.mp3")
    write_tag(plan_tag(str(path), "rock", overwrite=True))
    assert read_genre(path) == "rock"
    assert plan_tag(str(path), "rock").action == "keep"


def test_the_index_of_fragments_still_points_at_them(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.m4a", seconds=3, movflags="empty_moov", frag_duration="1000000")

    def fragments() -> list[int]:
        raw = path.read_bytes()
        table = raw.index(b"tfra") + 4
        version, lengths, count = raw[table], raw[table + 11], int.from_bytes(raw[table + 12 : table + 16], "big")
        width = 8 if version else 4
        step = 2 * width + sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))
        starts = [table + 16 + number * step + width for number in range(count)]
        found = [int.from_bytes(raw[start : start + width], "big") for start in starts]
        assert all(raw[place + 4 : place + 8] == b"moof" for place in found)
        return found

    before = fragments()
    write_tag(plan_tag(str(path), "Reggae"))
    after = fragments()
    assert len(after) == len(before) > 1
    assert after != before
