"""What the headers of wav, AIFF and CAF say of a sample, and what the samples say of the headers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.limits import MOST_CHANNELS
from acousticsense.audio.source import Slice

Octets = NDArray[np.uint8]
Coding = Literal["unsigned", "signed", "float", "alaw", "ulaw"]

_WAV_CODINGS: Final[dict[int, Coding]] = {1: "signed", 3: "float", 6: "alaw", 7: "ulaw"}
_EXTENSIBLE: Final = 0xFFFE
#: Codings of an AIFF-C or CAF file, each with the bits that the name fixes (0: COMM tells) and whether it is reversed.
_APPLE_CODINGS: Final[dict[bytes, tuple[Coding, int, bool]]] = {
    b"NONE": ("signed", 0, False),
    b"lpcm": ("signed", 0, False),
    b"twos": ("signed", 0, False),
    b"sowt": ("signed", 0, True),
    b"raw ": ("unsigned", 8, False),
    b"in24": ("signed", 24, False),
    b"in32": ("signed", 32, False),
    b"fl32": ("float", 32, False),
    b"FL32": ("float", 32, False),
    b"fl64": ("float", 64, False),
    b"FL64": ("float", 64, False),
    b"alaw": ("alaw", 8, False),
    b"ALAW": ("alaw", 8, False),
    b"ulaw": ("ulaw", 8, False),
    b"ULAW": ("ulaw", 8, False),
}
SUBTYPES: Final[dict[tuple[Coding, int], str]] = {
    ("unsigned", 1): "PCM_U8",
    ("signed", 1): "PCM_S8",
    ("signed", 2): "PCM_16",
    ("signed", 3): "PCM_24",
    ("signed", 4): "PCM_32",
    ("float", 4): "FLOAT",
    ("float", 8): "DOUBLE",
    ("alaw", 1): "ALAW",
    ("ulaw", 1): "ULAW",
}
_USUAL_RATES_HZ: Final = frozenset(
    {8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000}
)
#: Bits that samples have in AIFF files.
_USUAL_BITS: Final = (8, 12, 16, 20, 24, 32)
#: A size that says "not known": what a program writes that cannot go back to the header.
UNKNOWN_SIZES: Final = frozenset({0, -1, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFE, 2**63 - 1})
#: Bytes of samples that are looked at to tell in which half of a container they lie.
_PROBE_BYTES: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SampleFormat:
    """What the header says of a sample; `n_frames` None when it does not say how many there are."""

    coding: Coding
    order: str
    sample_rate_hz: int
    n_channels: int
    container_bytes: int
    valid_bits: int
    n_repaired: int = 0
    n_frames: int | None = None


def octets_of(file: Slice, start: int, size: int, container: int, order: str) -> Octets:
    """The first samples' bytes (n, container), lowest first."""
    file.seek(start)
    content = file.read(size)
    octets = np.frombuffer(content[: len(content) // container * container], np.uint8).reshape(-1, container)
    return octets if order == "<" else octets[:, ::-1]


def wav_format(head: bytes, order: str, file: Slice, data_start: int) -> SampleFormat | None:
    """The content of `fmt ` of a wav file whose samples begin at `data_start`; None when they are no plain PCM."""
    if len(head) < 14:
        return None
    tag, n_channels, rate_hz, byte_rate, block = struct.unpack_from(order + "HHIIH", head)
    bits = struct.unpack_from(order + "H", head, 14)[0] if len(head) >= 16 else 8 * block // max(1, n_channels)
    valid = bits
    if tag == _EXTENSIBLE:
        if len(head) < 40:
            return None
        valid = struct.unpack_from(order + "H", head, 18)[0] or bits
        tag = struct.unpack_from(order + "I", head, 24)[0]
    coding = _WAV_CODINGS.get(tag)
    if coding is None or max(bits, block) == 0:
        return None
    packed = -(-bits // 8)
    repaired = 0
    if block < n_channels * packed and byte_rate == rate_hz * n_channels * packed:  # three fields against one
        block, repaired = n_channels * packed, 1
    read = (n_channels, block // n_channels if n_channels else 0)
    candidates = [(n_channels, packed), read] + ([(block // packed, packed)] if bits and bits % 8 == 0 else [])
    fitting = [
        (c, size)
        for c, size in candidates
        if c <= MOST_CHANNELS
        and c * size == block > 0
        and (coding != "float" or (coding, size) in SUBTYPES)  # no float has 16 bits here
        and (size <= packed or not packed or _is_padded(file, data_start, order, size, packed))
    ]
    repaired += int(not fitting or fitting[0] != read or not 0 < packed <= fitting[0][1])
    n_channels, container = fitting[0] if fitting else (n_channels, packed)
    block = n_channels * container
    implied_hz = byte_rate // block if block and byte_rate % block == 0 else 0
    if implied_hz != rate_hz and byte_rate:
        repaired += 1
        if rate_hz not in _USUAL_RATES_HZ and implied_hz in _USUAL_RATES_HZ:
            rate_hz = implied_hz
    valid = valid if 0 < valid <= 8 * container else 8 * container
    return SampleFormat(
        coding=coding,
        order=order,
        sample_rate_hz=rate_hz,
        n_channels=n_channels,
        container_bytes=container,
        valid_bits=valid,
        n_repaired=repaired,
    )


def _is_padded(file: Slice, data_start: int, order: str, container: int, packed: int) -> bool:
    """Whether samples of `packed` bytes lie in wider containers: zeros below them, or nothing but their sign above."""
    octets = octets_of(file, data_start, _PROBE_BYTES, container, order)
    return packed > 0 and (not octets[:, : container - packed].any() or lies_low(octets, container - packed))


def lies_low(octets: Octets, unused: int) -> bool:
    """Whether the upper bytes of all samples (n, container) repeat the sign of what lies below."""
    sign = np.where(octets[:, -1 - unused] & 0x80, 0xFF, 0)
    return bool((octets[:, -unused:] == sign[:, None]).all())


def aiff_format(head: bytes, data_size: int) -> SampleFormat | None:
    """The content of COMM of an AIFF file whose SSND says `data_size`; None when its samples are no plain PCM."""
    if len(head) < 18:
        return None
    n_channels, n_frames, bits = struct.unpack_from(">HIH", head)
    coding, fixed_bits, reverse = _APPLE_CODINGS.get(head[18:22] or b"NONE", (None, 0, False))
    bits = fixed_bits or bits
    container = -(-bits // 8)
    if coding is None:
        return None
    sound, repaired = data_size - 8, 0
    if data_size not in UNKNOWN_SIZES and n_frames > 1 and sound != n_frames * n_channels * container:
        found, rest = divmod(sound, n_frames * max(1, n_channels))
        if rest == 0 and 1 <= found <= 4 and bits not in _USUAL_BITS:
            container, bits, repaired = found, 8 * found, 1
        found, rest = divmod(sound, n_frames * max(1, container))
        if rest == 0 and 1 <= found <= MOST_CHANNELS and not repaired:
            n_channels, repaired = found, 1
    return SampleFormat(
        coding=coding,
        order="<" if reverse else ">",
        sample_rate_hz=_extended(head[8:18]),
        n_channels=n_channels,
        container_bytes=container,
        valid_bits=bits,
        n_repaired=repaired,
        n_frames=n_frames,
    )


def _extended(octets: bytes) -> int:
    """A positive 80-bit float as a whole number, 0 when it is none."""
    exponent, mantissa = struct.unpack(">HQ", octets)
    shift = 16_383 + 63 - exponent
    return round(mantissa / 2**shift) if 0 <= shift < 64 else 0


def caf_format(head: bytes) -> SampleFormat | None:
    """The content of `desc` of a CAF file; None when its samples are no plain PCM."""
    if len(head) < 32:
        return None
    rate_hz, name, flags, packet_bytes, packet_frames, n_channels, bits = struct.unpack_from(">d4sIIIII", head)
    coding, fixed_bits, _ = _APPLE_CODINGS.get(name, (None, 0, False))
    if coding is None or not 0 < rate_hz < 2**31 or not 0 < n_channels <= MOST_CHANNELS:
        return None
    if name == b"lpcm" and flags & 1:
        coding = "float"
    packed = -(-(fixed_bits or bits) // 8)
    container, rest = divmod(packet_bytes, n_channels * max(1, packet_frames))
    consistent = rest == 0 and (coding, container) in SUBTYPES and container >= packed > 0 and packet_frames == 1
    return SampleFormat(
        coding=coding,
        order="<" if name == b"lpcm" and flags & 2 else ">",
        sample_rate_hz=round(rate_hz),
        n_channels=n_channels,
        container_bytes=container if consistent else packed,
        valid_bits=fixed_bits or bits,
        n_repaired=int(not consistent),
    )
