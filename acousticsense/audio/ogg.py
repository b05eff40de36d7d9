"""Where the recordings in a file begin that was joined from several, as a radio station's Ogg streams are."""

from __future__ import annotations

import os
import re
from typing import Final

from acousticsense.audio.source import Slice

__all__ = ["find_links"]

#: A page that begins a stream, with the mark of a codec of sound: in a single-stream link nothing comes before it.
_BEGINS_OGG: Final = re.compile(rb"OggS\0[\x02\x03].{20}\x01.(?:\x01vorbis|OpusHead|\x7fFLAC|Speex   )", re.DOTALL)
_BEGINS_FLAC: Final = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_BLOCK_BYTES: Final = 1 << 22
#: Longer than what either expression matches.
_OVERLAP: Final = 64
#: More recordings than this in one file are not looked for.
_MOST_LINKS: Final = 1000


def find_links(file: Slice) -> list[tuple[int, int]]:
    """Byte ranges of the recordings in an Ogg or FLAC file, one after the other; one range for any other file."""
    size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(0)
    head = file.read(4)
    if head not in (b"OggS", b"fLaC"):
        return [(0, size)]
    begins = _BEGINS_OGG if head == b"OggS" else _BEGINS_FLAC
    found: list[int] = []
    for position in range(0, size, _BLOCK_BYTES):
        file.seek(position)
        block = file.read(_BLOCK_BYTES + _OVERLAP)
        found += [position + match.start() for match in begins.finditer(block) if match.start() < _BLOCK_BYTES]
    starts = [0, *found[1:]][:_MOST_LINKS]
    return list(zip(starts, [*starts[1:], size], strict=True))
