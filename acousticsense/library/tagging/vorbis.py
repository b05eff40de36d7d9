"""Vorbis comments: `GENRE=...`, in FLAC's metadata blocks and in the second packet of each Ogg stream."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from mutagen.ogg import OggPage

from acousticsense.errors import TagError
from acousticsense.library.tagging.edits import Edit, read_at, size_of
from acousticsense.library.tagging.ends import ends

_VENDOR: Final = b"AcousticSense"
_PADDING, _COMMENT, _LAST, _TYPE = 1, 4, 0x80, 0x7F
_MAX_BLOCK: Final = 2**24 - 1
#: First packet of a stream -> what stands before the comments in the second one. FLAC has a block's header there.
_OGG_PREFIXES: Final = {b"\x01vorbis": b"\x03vorbis", b"OpusHead": b"OpusTags", b"\x7fFLAC": b"", b"Speex   ": b""}
#: Of a page's header: before its sequence number and checksum, before its table of segments.
_SEQUENCE_AT, _SEGMENTS_AT = 18, 27


# --- the comments themselves


def _comments(body: bytes) -> tuple[bytes, list[bytes], bytes]:
    """(the vendor with its length, comments, what stands behind them)."""
    try:
        position = 4 + struct.unpack_from("<I", body)[0]
        vendor = body[:position]
        (count,) = struct.unpack_from("<I", body, position)
        position += 4
        comments = []
        for _ in range(count):
            (size,) = struct.unpack_from("<I", body, position)
            comments.append(body[position + 4 : position + 4 + size])
            position += 4 + size
    except struct.error as error:
        raise TagError("Its Vorbis comments are damaged.") from error
    if position > len(body):
        raise TagError("Its Vorbis comments are damaged.")
    return vendor, comments, body[position:]


def _is_genre(comment: bytes) -> bool:
    return comment[:6].upper() == b"GENRE="


def _genres(body: bytes) -> list[str]:
    return [comment[6:].decode("utf-8", "replace") for comment in _comments(body)[1] if _is_genre(comment)]


def _with_genre(body: bytes, genre: str) -> bytes:
    vendor, comments, rest = _comments(body)
    kept = [comment for comment in comments if not _is_genre(comment)]
    first = next((n for n, comment in enumerate(comments) if _is_genre(comment)), len(kept))
    kept.insert(first, b"GENRE=" + genre.encode())
    packed = [struct.pack("<I", len(comment)) + comment for comment in kept]
    return b"".join([vendor, struct.pack("<I", len(kept)), *packed, rest])


# --- FLAC


def flac_genres(file: BinaryIO) -> list[str]:
    """What its comments say, and tags of other kinds around it."""
    around = ends(file)
    return [genre for body in _flac_comments(file, around.start) for genre in _genres(body)] + around.genres


def flac_edits(file: BinaryIO, genre: str) -> list[Edit]:
    """One genre in its comments, made where there are none, and in other tags that have one."""
    around = ends(file)
    blocks = list(_flac_blocks(file, around.start))
    made: list[Edit] = []
    for start, head, body in blocks:
        if head & _TYPE == _COMMENT and (not made or _genres(body)):
            made.append(Edit(start, start + 4 + len(body), _flac_block(head, _with_genre(body, genre))))
    if not made:
        start, head, body = blocks[0]
        comments = _with_genre(struct.pack("<I", len(_VENDOR)) + _VENDOR + bytes(4), genre)
        made.append(Edit(start, start + 1, bytes([head & _TYPE])))
        end = start + 4 + len(body)
        made.append(Edit(end, end, _flac_block(_COMMENT | head & _LAST, comments)))
    growth = sum(edit.growth for edit in made)
    for start, head, body in blocks:
        if head & _TYPE == _PADDING and 0 <= len(body) - growth <= _MAX_BLOCK:
            made.append(Edit(start, start + 4 + len(body), _flac_block(head, bytes(len(body) - growth))))
            break
    return [*made, *around.edits(genre)]


def _flac_comments(file: BinaryIO, start: int) -> Iterator[bytes]:
    return (body for _, head, body in _flac_blocks(file, start) if head & _TYPE == _COMMENT)


def _flac_blocks(file: BinaryIO, start: int) -> Iterator[tuple[int, int, bytes]]:
    """(place, first byte, content) of each metadata block."""
    position, head = start + 4, 0
    while not head & _LAST:
        header = read_at(file, position, 4)
        body = read_at(file, position + 4, int.from_bytes(header[1:], "big"))
        if len(header) < 4 or len(body) < int.from_bytes(header[1:], "big"):
            raise TagError("Its metadata blocks are damaged.")
        head = header[0]
        yield position, head, body
        position += 4 + len(body)


def _flac_block(head: int, body: bytes) -> bytes:
    if len(body) > _MAX_BLOCK:
        raise TagError("Its comments would be longer than 16 MB.")
    return bytes([head]) + len(body).to_bytes(3, "big") + body


# --- Ogg


def ogg_genres(file: BinaryIO) -> list[str]:
    """What the comments of all its streams say: a chained file has one after the other."""
    around = ends(file)
    packets = (OggPage.to_packets(pages, strict=False)[0] for pages, _ in _comment_pages(file, around.start))
    return [genre for packet in packets for genre in _genres(_unwrapped(packet)[1])] + around.genres


def ogg_edits(file: BinaryIO, genre: str) -> list[Edit]:
    """One genre in the comments of each stream."""
    around = ends(file)
    streams = list(_comment_pages(file, around.start))
    if not streams:
        raise TagError("None of its streams has comments.")
    made: list[Edit] = []
    for old, later in streams:
        packets = OggPage.to_packets(old, strict=False)
        prefix, body = _unwrapped(packets[0])
        comments = _with_genre(body, genre)
        if prefix[:1] == bytes([_COMMENT]) or prefix[:1] == bytes([_COMMENT | _LAST]):
            prefix = prefix[:1] + len(comments).to_bytes(3, "big")
        new = _pages([prefix + comments, *packets[1:]], old)
        made.append(_instead_of(old[0], b"".join(page.write() for page in new)))
        made += [_instead_of(page, b"") for page in old[1:]]
        made += _renumbered(file, later, len(new) - len(old))
    return [*made, *around.edits(genre)]


def _instead_of(page: OggPage, data: bytes) -> Edit:
    place = int(page.offset or 0)
    return Edit(place, place + int(page.size), data)


def _unwrapped(packet: bytes) -> tuple[bytes, bytes]:
    """(what stands before the comments in their packet, the comments)."""
    for prefix in (b"\x03vorbis", b"OpusTags"):
        if packet.startswith(prefix):
            return prefix, packet[len(prefix) :]
    is_block = packet[:1] in (b"\x04", b"\x84") and int.from_bytes(packet[1:4], "big") == len(packet) - 4
    return (packet[:4], packet[4:]) if is_block else (b"", packet)


def _comment_pages(file: BinaryIO, start: int) -> Iterator[tuple[list[OggPage], list[int]]]:
    """For each stream of sound: the pages that hold its comments, and where its later pages lie."""
    found: list[tuple[list[OggPage], list[int]]] = []
    open_streams: dict[int, tuple[list[OggPage], list[int]]] = {}
    for place, serial, is_first in _page_places(file, start):
        if is_first:
            open_streams.pop(serial, None)
            if _page(file, place).packets[0].startswith(tuple(_OGG_PREFIXES)):
                open_streams[serial] = ([], [])
                found.append(open_streams[serial])
        elif serial in open_streams:
            pages, later = open_streams[serial]
            if pages and (pages[-1].complete or len(pages[-1].packets) > 1):
                later.append(place)
            else:
                pages.append(_page(file, place))
    return (stream for stream in found if stream[0])


def _page_places(file: BinaryIO, start: int) -> Iterator[tuple[int, int, bool]]:
    """(place, serial number, whether it begins a stream) of each page."""
    position, size = start, size_of(file)
    while position < size:
        header = read_at(file, position, _SEGMENTS_AT + 255)
        if header[:4] != b"OggS" or len(header) < _SEGMENTS_AT:
            return
        n_segments = header[_SEGMENTS_AT - 1]
        yield position, int.from_bytes(header[14:18], "little"), bool(header[5] & 2)
        position += _SEGMENTS_AT + n_segments + sum(header[_SEGMENTS_AT : _SEGMENTS_AT + n_segments])


def _page(file: BinaryIO, place: int) -> OggPage:
    file.seek(place)
    return OggPage(file)


def _pages(packets: Sequence[bytes], old: Sequence[OggPage]) -> list[OggPage]:
    """Pages for other packets, in the place of the old ones; as many as before where the lengths allow it."""
    new: list[OggPage] = OggPage.from_packets(list(packets), old[0].sequence)
    for page in new:
        page.serial = old[0].serial
    new[0].first, new[0].continued = old[0].first, old[0].continued
    new[-1].last, new[-1].complete, new[-1].position = old[-1].last, old[-1].complete, old[-1].position
    if not new[-1].complete and len(new[-1].packets) == 1:
        new[-1].position = -1
    return new


def _renumbered(file: BinaryIO, places: Sequence[int], by: int) -> Iterator[Edit]:
    """The later pages of a stream that has more or fewer pages now: their numbers, and with them their checksums."""
    for place in places if by else ():
        page = _page(file, place)
        page.sequence += by
        yield Edit(place + _SEQUENCE_AT, place + _SEQUENCE_AT + 8, page.write()[_SEQUENCE_AT : _SEQUENCE_AT + 8])
