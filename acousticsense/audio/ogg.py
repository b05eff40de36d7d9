"""The pages of an Ogg file (https://www.rfc-editor.org/rfc/rfc3533): which recordings they hold, and which are damaged.

libogg leaves a damaged page out without a word, and FFmpeg does not look at checksums.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from acousticsense.audio.source import Slice

_MARK: Final = b"OggS"
_HEADER_BYTES: Final = 27
_BEGINS_STREAM: Final = 2
_BEGINS_FLAC: Final = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_BLOCK_BYTES: Final = 1 << 22
#: More recordings than this in one file are not looked for.
_MOST_LINKS: Final = 1000
_REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


@dataclass(frozen=True)
class _Page:
    at: int
    begins_stream: bool
    serial: bytes
    number: int
    is_whole: bool


def find_links(file: Slice) -> tuple[list[tuple[int, int]], int]:
    """Byte ranges of the recordings in an Ogg or FLAC file, one after the other, and the number of damaged Ogg pages.

    Any other file is one range.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    starts, n_bad = [0], 0
    if head == _MARK:
        starts, n_bad = _ogg_starts(file)
    elif head == b"fLaC":
        starts = _flac_starts(file, size)
    starts = [0, *starts[1:]][:_MOST_LINKS]
    return list(zip(starts, [*starts[1:], size], strict=True)), n_bad


def _flac_starts(file: Slice, size: int) -> list[int]:
    found = []
    for position in range(0, size, _BLOCK_BYTES):
        file.seek(position)
        block = file.read(_BLOCK_BYTES + 8)
        found += [position + match.start() for match in _BEGINS_FLAC.finditer(block) if match.start() < _BLOCK_BYTES]
    return found


def _ogg_starts(file: Slice) -> tuple[list[int], int]:
    """Where recordings begin: at pages that begin a stream and follow one that does not."""
    starts: list[int] = []
    numbers: dict[bytes, int] = {}
    n_bad, after_beginning = 0, False
    for page in _pages(file):
        begins = page.begins_stream and page.is_whole
        if begins and not after_beginning:
            starts.append(page.at)
            numbers.clear()
        expected = numbers.get(page.serial, page.number)
        n_bad += not page.is_whole or page.number != expected
        if page.is_whole:
            numbers[page.serial] = page.number + 1
        after_beginning = begins
    return starts, n_bad


def _pages(file: Slice) -> Iterator[_Page]:
    """All pages, the damaged ones, too; what lies between two pages counts as a damaged one."""
    file.seek(0)
    content = file.read()
    position = 0
    while position + _HEADER_BYTES <= len(content):
        if not content.startswith(_MARK, position):
            yield _Page(position, False, b"", 0, False)
            position = content.find(_MARK, position)
            if position < 0:
                return
            continue
        n_segments = content[position + 26]
        end_of_header = position + _HEADER_BYTES + n_segments
        end = end_of_header + sum(content[position + _HEADER_BYTES : end_of_header])
        page = content[position:end]
        yield _Page(
            position,
            bool(page[5] & _BEGINS_STREAM),
            page[14:18],
            int.from_bytes(page[18:22], "little"),
            end <= len(content) and _checksum(page) == int.from_bytes(page[22:26], "little"),
        )
        following = content.find(_MARK, position + 4, end) if content[end : end + 4] != _MARK else -1
        position = following if following > 0 else end


def _checksum(page: bytes) -> int:
    """Ogg's checksum, which is zlib's with the bits of every byte and of the result in reverse."""
    content = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    return int(f"{zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)
