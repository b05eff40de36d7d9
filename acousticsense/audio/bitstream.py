"""Sound that is coded once more: DTS and AC-3 that a wav or FLAC file carries as if they were PCM samples."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from acousticsense.audio.source import Slice

#: How a DTS frame begins, with 16 or 14 bits used of each sample, in either byte order (ETSI TS 102 114, annex C).
_DTS: Final = re.compile(
    rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\x00\x07[\xf0-\xff]|\xff\x1f\x00\xe8[\xf0-\xff]\x07"
)
#: How a burst begins on a digital cable: IEC 61937-1, Pa and Pb.
_IEC_61937: Final = re.compile(rb"\x72\xf8\x1f\x4e")
_BLOCK_BYTES: Final = 1 << 18
#: Marks that must be found: one may be chance.
_MARKS: Final = 2


@dataclass(frozen=True)
class Bitstream:
    """What was found: its name, the format FFmpeg calls it, and the byte at which it begins."""

    name: str
    kind: str
    start: int


def find_bitstream(file: Slice) -> Bitstream | None:
    """What the 16-bit samples of a file really are, judged by the first 256 KiB that are not zero; None for sound."""
    size = file.seek(0, os.SEEK_END)
    for position in range(0, size, _BLOCK_BYTES):
        file.seek(position)
        block = file.read(_BLOCK_BYTES)
        sound = block.lstrip(b"\0")
        if sound:
            begin = position + len(block) - len(sound)
            return _recognised(sound + file.read(_BLOCK_BYTES - len(sound)), begin)
    return None


def _recognised(content: bytes, begin: int) -> Bitstream | None:
    for name, kind, mark in (("IEC 61937", "spdif", _IEC_61937), ("DTS", "dts", _DTS)):
        found = [match.start() for match in mark.finditer(content)]
        if len(found) >= _MARKS:
            return Bitstream(name, kind, begin + found[0])
    return None
