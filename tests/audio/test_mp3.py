"""An ID3 tag in front of a file hides neither sound nor what kind of file it is."""

from __future__ import annotations

import io

import numpy as np
import pytest

from acousticsense.audio.mp3 import hidden_start
from acousticsense.audio.source import Slice
from tests.audio.files import ENCODERS, Samples, bare_mp3, codes, ffmpeg_file, lag, make_signal, read

TAG_BYTES = 300


def _tagged(mp3: bytes, claimed: int) -> bytes:
    """An mp3 behind a tag of 300 bytes (one text frame and padding) that claims another size."""
    frame = b"TIT2\0\0\0\x05\0\0\0Song"
    size = bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame.ljust(TAG_BYTES, b"\0") + mp3


@pytest.fixture(scope="module")
def sound() -> Samples:
    return make_signal(4)


@pytest.mark.parametrize("rate_hz", [44_100, 24_000])
@pytest.mark.parametrize("claimed", [0, 1, TAG_BYTES - 1, TAG_BYTES + 1, 20_000, 1 << 27])
def test_the_sound_begins_where_its_frames_do(sound: Samples, claimed: int, rate_hz: int) -> None:
    mp3 = bare_mp3(sound, rate_hz)
    clip, expected = read(_tagged(mp3, claimed), duration_s=None), read(mp3, duration_s=None)
    assert clip.info.duration_s == pytest.approx(expected.info.duration_s, abs=0.1)
    assert abs(lag(clip.waveform, expected.waveform)) < 2_000
    np.testing.assert_allclose(np.std(clip.waveform), np.std(expected.waveform), rtol=0.05)
    assert claimed < 20_000 or "header_repaired" in codes(clip)


def test_a_right_tag_hides_nothing(sound: Samples) -> None:
    for file in (_tagged(bare_mp3(sound), TAG_BYTES), ffmpeg_file(sound, "mp3", "libmp3lame")):
        assert hidden_start(Slice(io.BytesIO(file))) is None
        assert read(file).notes == ()


@pytest.mark.parametrize("name", sorted(ENCODERS.keys() - {"matlab"}))
def test_a_tag_in_front_of_any_kind(sound: Samples, name: str) -> None:
    file = ENCODERS[name](sound)
    clip, expected = read(_tagged(file, TAG_BYTES), duration_s=None), read(file, duration_s=None)
    np.testing.assert_allclose(clip.waveform, expected.waveform, atol=1e-6)
    assert clip.notes == expected.notes
