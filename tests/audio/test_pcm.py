"""Uncompressed sound is read as what it is when its header is unusual, and a note tells when the header is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from tests.audio.files import RATE_HZ, Samples, codes, make_signal, pcm16, read, sound_file, wav_file

SECONDS = 2.0
GUID_TAIL = bytes.fromhex("00001000800000aa00389b71")


@pytest.fixture(scope="module")
def samples() -> Samples:
    return make_signal(SECONDS)


@pytest.fixture(scope="module")
def reference(samples: Samples) -> Samples:
    return read(sound_file(samples, kind="WAV", subtype="PCM_16"), duration_s=None).waveform


def _fitted(samples: Samples, bits: int, container: int, *, high: bool, order: str = "<") -> bytes:
    """Samples of `bits` in the upper or lower part of `container` bytes."""
    whole = np.round(samples.astype(np.float64) * (2 ** (bits - 1) - 1)).astype(np.int64)
    whole <<= 8 * container - bits if high else 0
    octets = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :container]
    return (octets if order == "<" else octets[:, ::-1]).tobytes()


def _extensible(data: bytes, bits: int, container: int, *, claimed_bits: int | None = None, order: str = "<") -> bytes:
    """A WAVE_FORMAT_EXTENSIBLE file; `claimed_bits` stand where the container's belong."""
    block = 2 * container
    fmt = struct.pack(
        order + "HHIIHHHHI", 0xFFFE, 2, RATE_HZ, RATE_HZ * block, block, claimed_bits or 8 * container, 22, bits, 3
    )
    fmt += struct.pack(order + "I", 1) + GUID_TAIL
    body = b"WAVEfmt " + struct.pack(order + "I", len(fmt)) + fmt + b"data" + struct.pack(order + "I", len(data)) + data
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body)) + body


@pytest.mark.parametrize("lies", ["high, little-endian", "high, big-endian", "low, little-endian", "low, big-endian"])
@pytest.mark.parametrize(("bits", "container"), [(16, 4), (24, 4), (16, 3)])
def test_fewer_valid_bits_than_the_container_has(
    samples: Samples, reference: Samples, bits: int, container: int, lies: str
) -> None:
    high, order = "high" in lies, "<" if "little" in lies else ">"
    file = _extensible(_fitted(samples, bits, container, high=high, order=order), bits, container, order=order)
    clip = read(file, duration_s=None)
    assert (clip.info.duration_s, clip.info.channels, clip.notes) == (SECONDS, 2, ())
    np.testing.assert_allclose(_level(clip.waveform), _level(reference), atol=2e-2 if bits < 16 else 1e-3)


def _level(waveform: Samples) -> Samples:
    """Without the level, which is not what this is about."""
    return np.asarray(waveform / np.abs(waveform).max())


@pytest.mark.parametrize(("bits", "container"), [(20, 4), (20, 3), (12, 2)])
def test_valid_bits_that_fill_no_byte(samples: Samples, reference: Samples, bits: int, container: int) -> None:
    clip = read(_extensible(_fitted(samples, bits, container, high=True), bits, container), duration_s=None)
    assert (clip.info.duration_s, clip.info.channels, clip.notes) == (SECONDS, 2, ())
    np.testing.assert_allclose(clip.waveform, reference, atol=2e-3 if bits < 16 else 1e-4)


@pytest.mark.parametrize("container", [3, 4])
def test_the_valid_bits_where_the_containers_belong(samples: Samples, reference: Samples, container: int) -> None:
    file = _extensible(_fitted(samples, 16, container, high=True), 16, container, claimed_bits=16)
    clip = read(file, duration_s=None)
    assert (clip.info.duration_s, clip.info.channels) == (SECONDS, 2)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)


def _aiff(samples: Samples) -> bytearray:
    return bytearray(sound_file(samples, kind="AIFF", subtype="PCM_16"))


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_an_aiff_that_was_never_finished(samples: Samples, reference: Samples, size: int) -> None:
    file = _aiff(samples)
    at = file.index(b"SSND") + 4
    file[at : at + 4] = struct.pack(">I", size)
    clip = read(bytes(file), duration_s=None)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)
    assert codes(clip) == {"length_unknown"}


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_that_was_written_to_a_pipe(samples: Samples, reference: Samples, size: int) -> None:
    clip = read(wav_file(pcm16(samples), claimed_bytes=size), duration_s=None)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)
    assert codes(clip) == {"length_unknown"}


def test_a_caf_without_a_size(samples: Samples, reference: Samples) -> None:
    file = bytearray(sound_file(samples, kind="CAF", subtype="PCM_16"))
    at = file.index(b"data") + 4
    file[at : at + 8] = struct.pack(">q", -1)
    np.testing.assert_allclose(read(bytes(file), duration_s=None).waveform, reference, atol=1e-4)


FORGED: dict[str, Callable[[bytearray], None]] = {
    # offsets of a plain wav header: 22 channels, 24 rate, 28 bytes a second, 32 block, 34 bits, 40 size of the data
    "one channel": lambda f: f.__setitem__(slice(22, 24), b"\x01\0"),
    "three channels": lambda f: f.__setitem__(slice(22, 24), b"\x03\0"),
    "no channels": lambda f: f.__setitem__(slice(22, 24), b"\0\0"),
    "rate + 1": lambda f: f.__setitem__(slice(24, 28), struct.pack("<I", RATE_HZ + 1)),
    "rate 0": lambda f: f.__setitem__(slice(24, 28), bytes(4)),
    "block 0": lambda f: f.__setitem__(slice(32, 34), b"\0\0"),
    "block 2": lambda f: f.__setitem__(slice(32, 34), b"\x02\0"),
    "block 3": lambda f: f.__setitem__(slice(32, 34), b"\x03\0"),
    "block 65535": lambda f: f.__setitem__(slice(32, 34), b"\xff\xff"),
    "17 bits": lambda f: f.__setitem__(slice(34, 36), b"\x11\0"),
    "0 bits": lambda f: f.__setitem__(slice(34, 36), b"\0\0"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_contradiction_is_settled_by_the_other_fields_and_said(
    samples: Samples, reference: Samples, name: str
) -> None:
    file = bytearray(wav_file(pcm16(samples)))
    FORGED[name](file)
    clip = read(bytes(file), duration_s=None)
    assert (clip.info.channels, clip.info.sample_rate_hz) == (2, RATE_HZ)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)
    assert codes(clip) == {"header_repaired"}


def test_a_file_that_ends_early_says_how_much_is_missing(samples: Samples) -> None:
    clip = read(wav_file(pcm16(samples))[: -RATE_HZ * 4], duration_s=0.5)
    assert [(note.code, round(note.value, 2)) for note in clip.notes] == [("truncated", 1.0)]


def test_a_size_that_is_too_small_loses_nothing(samples: Samples, reference: Samples) -> None:
    clip = read(wav_file(pcm16(samples), claimed_bytes=RATE_HZ * 4), duration_s=None)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)
    assert [(note.code, round(note.value, 2)) for note in clip.notes] == [("longer", 1.0)]


@pytest.mark.parametrize("tail", [b"LIST\x04\0\0\0abcd", b"id3 \x04\0\0\0abcd", b"TAG" + bytes(125), bytes(64), b"x"])
def test_what_follows_the_sound_is_no_sound(samples: Samples, tail: bytes) -> None:
    clip = read(wav_file(pcm16(samples)) + tail, duration_s=None)
    assert (clip.info.duration_s, clip.notes) == (SECONDS, ())


@pytest.mark.parametrize("in_front", [b"LIST\x05\0\0\0abcde", b"bext\x03\0\0\0abc"])
def test_a_pad_byte_that_a_program_forgot(samples: Samples, reference: Samples, in_front: bytes) -> None:
    file = wav_file(pcm16(samples))
    clip = read(file[:12] + in_front + file[12:], duration_s=None)
    np.testing.assert_allclose(clip.waveform, reference, atol=1e-4)
    assert clip.notes == ()


@pytest.mark.parametrize("options", [{"duration_s": None}, {"duration_s": 0.5, "offset_s": 0.8}])
def test_samples_in_several_chunks_are_one_track(samples: Samples, options: dict[str, float | None]) -> None:
    content = pcm16(samples)
    at = len(content) // 3 // 4 * 4
    rest = b"LIST\x04\0\0\0abcddata" + struct.pack("<I", len(content) - at) + content[at:]
    clip = read(wav_file(content[:at]) + rest, **options)
    expected = read(wav_file(content), **options)
    np.testing.assert_allclose(clip.waveform, expected.waveform, atol=1e-4)
    assert clip.info.track_duration_s == SECONDS
    assert codes(clip) == {"chained"}
