"""A FLAC file's frames are believed, its header only where it agrees with them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from tests.audio.files import RATE_HZ, Samples, codes, make_signal, read, sound_file

SECONDS = 6.0
TOTAL = round(SECONDS * RATE_HZ)


@pytest.fixture(scope="module")
def intact() -> bytes:
    return sound_file(make_signal(SECONDS), kind="FLAC")


@pytest.fixture(scope="module")
def reference(intact: bytes) -> Samples:
    return read(intact, duration_s=None).waveform


def _header(intact: bytes, *, rate_hz: int = RATE_HZ, channels: int = 2, bits: int = 16, total: int = TOTAL) -> bytes:
    packed = rate_hz << 44 | channels - 1 << 41 | bits - 1 << 36 | total
    return intact[:18] + packed.to_bytes(8, "big") + intact[26:]


@pytest.mark.parametrize("total", [1, RATE_HZ, TOTAL - RATE_HZ])
def test_a_header_that_says_too_little_hides_nothing(intact: bytes, reference: Samples, total: int) -> None:
    forged = _header(intact, total=total)
    clip = read(forged, duration_s=None)
    np.testing.assert_array_equal(clip.waveform, reference)
    assert codes(clip) == {"longer"}
    assert read(forged, duration_s=1.0, offset_s=4.5).info.duration_s == 1.0
    assert read(forged, duration_s=1.0, anchor="center").info.offset_s == 2.5


def test_a_header_that_says_too_much_is_corrected(intact: bytes, reference: Samples) -> None:
    clip = read(_header(intact, total=10 * TOTAL), duration_s=None)
    np.testing.assert_array_equal(clip.waveform, reference)
    assert (codes(clip), clip.info.track_duration_s) == ({"truncated"}, SECONDS)


def test_a_header_without_a_length(intact: bytes, reference: Samples) -> None:
    clip = read(_header(intact, total=0), duration_s=1.0)
    np.testing.assert_allclose(clip.waveform, reference[: len(clip.waveform)], atol=1e-6)
    assert (clip.info.track_duration_s, clip.notes) == (SECONDS, ())


@pytest.mark.parametrize(
    "wrong", [{"rate_hz": RATE_HZ + 1}, {"rate_hz": 0}, {"channels": 1}, {"channels": 8}, {"bits": 24}]
)
def test_what_the_frames_say_is_what_counts(intact: bytes, reference: Samples, wrong: dict[str, int]) -> None:
    clip = read(_header(intact, **wrong), duration_s=None)
    np.testing.assert_array_equal(clip.waveform, reference)
    assert codes(clip) == {"header_repaired"}


@pytest.mark.parametrize("size", [0, 1, 17, 0xFFFF])
@pytest.mark.parametrize("at", [8, 10])
def test_wrong_block_sizes(intact: bytes, reference: Samples, at: int, size: int) -> None:
    forged = intact[:at] + struct.pack(">H", size) + intact[at + 2 :]
    np.testing.assert_allclose(read(forged, duration_s=None).waveform, reference, atol=1e-6)


TAILS: dict[str, Callable[[], bytes]] = {
    "ID3v1": lambda: b"TAG" + bytes(125),
    "zeros": lambda: bytes(5_000),
    "APEv2": lambda: b"APETAGEX" + bytes(24) + b"x" * 300,
}


@pytest.mark.parametrize("name", TAILS)
def test_a_tag_behind_the_last_frame_is_no_length(intact: bytes, name: str) -> None:
    clip = read(intact + TAILS[name](), duration_s=1.0)
    assert (clip.info.track_duration_s, clip.notes) == (SECONDS, ())


def test_a_frame_that_is_lost_is_not_lost_in_silence(intact: bytes) -> None:
    middle = len(intact) // 2
    clip = read(intact[:middle] + bytes(500) + intact[middle + 500 :], duration_s=None)
    assert clip.info.duration_s < SECONDS
    assert codes(clip) & {"truncated", "damaged"}
