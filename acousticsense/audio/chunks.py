"""Files that are a row of chunks with an id and a size: RIFF, RIFX, RF64, BW64, Wave64, AIFF and CAF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from acousticsense.audio.source import Slice

#: More chunks than this are no recording.
_MOST_CHUNKS: Final = 10_000
_W64_RIFF: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")
#: What may stand behind the last chunk: tags that players put there, with the place of their mark.
_TRAILERS: Final = (b"TAG", b"APETAGEX", b"ID3", b"LYRICS")


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the chunks of a file are laid out.

    Attributes:
        kind: "wav", "aiff" or "caf": whose words the chunks use.
        first: byte at which the first chunk begins.
        order: "<" or ">", the byte order of numbers.
        id_bytes, size_bytes: length of a chunk's id and size.
        size_counts_header: whether a size includes id and size.
        align: chunks begin at multiples of it, counted from `first`.
    """

    kind: str
    first: int
    order: str
    id_bytes: int = 4
    size_bytes: int = 4
    size_counts_header: bool = False
    align: int = 2


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk: its id, the byte at which its content begins, and the size its header gives (unchecked)."""

    id: bytes
    start: int
    size: int


def find_form(head: bytes) -> Form | None:
    """How a file's chunks are laid out, by its first 64 bytes; None when it has none."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Form(kind="wav", first=12, order="<")
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return Form(kind="wav", first=12, order=">")
    if head[:16] == _W64_RIFF and head[24:28] == b"wave":
        return Form(kind="wav", first=40, order="<", id_bytes=16, size_bytes=8, size_counts_header=True, align=8)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Form(kind="aiff", first=12, order=">")
    if head[:4] == b"caff":
        return Form(kind="caf", first=8, order=">", size_bytes=8, align=1)
    return None


def walk(file: Slice, form: Form, file_size: int) -> Iterator[Chunk]:
    """The chunks of a file one after the other, as far as their sizes lead."""
    position = form.first
    header_bytes = form.id_bytes + form.size_bytes
    for _ in range(_MOST_CHUNKS):
        if position + header_bytes > file_size:
            return
        file.seek(position)
        header = file.read(header_bytes)
        size = struct.unpack(form.order + ("q" if form.size_bytes == 8 else "I"), header[form.id_bytes :])[0]
        if form.size_counts_header:
            size -= header_bytes
        start = position + header_bytes
        yield Chunk(id=header[:4], start=start, size=size)
        if size < 0:
            return
        position = _next_chunk(file, form, start + size, file_size)


def _next_chunk(file: Slice, form: Form, end: int, file_size: int) -> int:
    """Where the chunk begins that follows one which ends at `end`: behind a pad byte, unless a program forgot it."""
    aligned = end + (form.first - end) % form.align
    forgotten = not _can_follow(file, form, aligned, file_size) and _can_follow(file, form, end, file_size)
    return end if forgotten else aligned


def looks_like_chunks(file: Slice, form: Form, position: int, file_size: int) -> bool:
    """Whether what stands at `position`, or one byte before (a missing pad byte), can follow a whole chunk."""
    aligned = position + (form.first - position) % form.align
    return any(_can_follow(file, form, at, file_size) for at in {aligned, position})


def _can_follow(file: Slice, form: Form, position: int, file_size: int) -> bool:
    header_bytes = form.id_bytes + form.size_bytes
    if file_size - position < header_bytes:
        return True
    file.seek(position)
    header = file.read(32)
    if header.startswith(_TRAILERS) or not any(header):
        return True
    chunk = next(walk(file, Form(**{**vars(form), "first": position}), file_size))
    name = chunk.id.rstrip(b" \0")
    fits = 0 <= chunk.size <= file_size - chunk.start
    return fits and len(name) > 1 and all(32 <= letter < 127 for letter in name)
