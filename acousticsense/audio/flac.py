"""A FLAC file's header against its frames: https://www.rfc-editor.org/rfc/rfc9639, sections 8.2 and 9.1."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from acousticsense.audio.notes import Notes
from acousticsense.audio.source import Slice

_RATES_HZ: Final = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_BITS: Final = (0, 8, 12, 0, 16, 20, 24, 32)
_SYNC: Final = re.compile(rb"\xff[\xf8\xf9]")
#: The last frame begins within this many bytes of the end.
_TAIL_BYTES: Final = 1 << 17
_HEADER_BYTES: Final = 16


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """One frame's header; rate and bits are 0 where it leaves them to the file's header."""

    at: int
    number: int
    is_variable: bool
    n_samples: int
    sample_rate_hz: int
    n_channels: int
    bits: int


def repaired(file: Slice, notes: Notes) -> Slice:
    """The file, with a header that says what its frames say; a note for each difference that matters."""
    file.seek(0)
    head = file.read(42)
    first = _first_frame(file)
    if len(head) < 42 or first is None:
        return file
    packed = int.from_bytes(head[18:26], "big")
    rate_hz, n_channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    total = packed & (1 << 36) - 1
    found = (first.sample_rate_hz or rate_hz, first.n_channels, first.bits or bits)
    n_wrong = sum(a != b for a, b in zip(found, (rate_hz, n_channels, bits), strict=True))
    smallest, largest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
    blocks_fit = 16 <= smallest <= largest >= first.n_samples
    real = _real_length(file, first)
    if n_wrong:
        notes.add("header_repaired", n_wrong)
    if real and total and real != total and found[0]:
        notes.add("longer" if real > total else "truncated", abs(real - total) / found[0])
    packed = found[0] << 44 | found[1] - 1 << 41 | found[2] - 1 << 36 | (real or total)
    patches = {18: packed.to_bytes(8, "big")}
    if not blocks_fit:
        patches[8] = first.n_samples.to_bytes(2, "big") * 2
    return Slice(file, patches=patches)


def _first_frame(file: Slice) -> _Frame | None:
    """The frame behind the metadata, or the first that can be found when the blocks' sizes lead nowhere."""
    position = 4
    for _ in range(1000):
        file.seek(position)
        block = file.read(4)
        if len(block) < 4:
            break
        position += 4 + int.from_bytes(block[1:], "big")
        if block[0] & 0x80:
            break
    for place in (position, 42):
        file.seek(place)
        content = file.read(_TAIL_BYTES)
        frames = (_parse(content, match.start()) for match in _SYNC.finditer(content))
        frame = next((frame for frame in frames if frame is not None and frame.number == 0), None)
        if frame is not None:
            return frame
    return None


def _real_length(file: Slice, first: _Frame) -> int:
    """Samples up to the end of the last frame; 0 when it cannot be found."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    content = file.read()
    frames = [_parse(content, match.start()) for match in _SYNC.finditer(content)]
    alike = [
        frame
        for frame in frames
        if frame is not None
        and (frame.is_variable, frame.n_channels, frame.sample_rate_hz, frame.bits)
        == (first.is_variable, first.n_channels, first.sample_rate_hz, first.bits)
    ]
    if not alike:
        return 0
    numbers = {frame.number for frame in alike}
    followed = [frame for frame in alike if frame.number - (frame.n_samples if frame.is_variable else 1) in numbers]
    last = (followed or alike)[-1]
    start = last.number if last.is_variable else last.number * first.n_samples
    return start + last.n_samples


def _parse(content: bytes, at: int) -> _Frame | None:
    """The frame header at a place, when it is one: its checksum must fit."""
    header = content[at : at + _HEADER_BYTES]
    if len(header) < 6:
        return None
    block_code, rate_code = header[2] >> 4, header[2] & 15
    channel_code, bits_code = header[3] >> 4, header[3] >> 1 & 7
    if block_code == 0 or rate_code == 15 or channel_code > 10 or bits_code == 3 or header[3] & 1:
        return None
    n_octets = max(1, 8 - (header[4] ^ 0xFF).bit_length()) if header[4] & 0x80 else 1
    end = 4 + n_octets
    number = header[4] & (0x7F if n_octets == 1 else 0x7F >> n_octets)
    for octet in header[5:end]:
        number = number << 6 | octet & 0x3F
    block_octets = {6: 1, 7: 2}.get(block_code, 0)
    rate_octets = {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    n_samples = int.from_bytes(header[end : end + block_octets], "big") + 1 if block_octets else _block_size(block_code)
    end += block_octets
    rate = int.from_bytes(header[end : end + rate_octets], "big") * {12: 1000, 14: 10}.get(rate_code, 1)
    end += rate_octets
    if len(header) <= end or _crc8(header[:end]) != header[end]:
        return None
    return _Frame(
        at=at,
        number=number,
        is_variable=bool(header[1] & 1),
        n_samples=n_samples,
        sample_rate_hz=rate if rate_octets else _RATES_HZ[rate_code],
        n_channels=channel_code + 1 if channel_code < 8 else 2,
        bits=_BITS[bits_code],
    )


def _block_size(code: int) -> int:
    return 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8


def _crc8(octets: bytes) -> int:
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
