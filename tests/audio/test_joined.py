"""Recordings joined end to end are one track: its whole length, and any place in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import soxr

from acousticsense.audio.stream import open_stream
from tests.audio.files import (
    RATE_HZ,
    WANTED_HZ,
    Samples,
    bare_mp3,
    codes,
    ffmpeg_file,
    lag,
    make_signal,
    read,
    sound_file,
)

LENGTHS_S = (3.0, 5.0, 4.0)


def _at(samples: Samples, rate_hz: int) -> Samples:
    return np.asarray(soxr.resample(samples, RATE_HZ, rate_hz), np.float32)


def _opus(samples: Samples) -> bytes:
    return ffmpeg_file(_at(samples, 48_000), "ogg", "libopus", rate_hz=48_000)


def _parts() -> list[Samples]:
    ends = np.cumsum([0, *LENGTHS_S]) * RATE_HZ
    whole = make_signal(sum(LENGTHS_S))
    return [whole[int(a) : int(b)] for a, b in pairwise(ends)]


CHAINS: dict[str, Callable[[Samples], bytes]] = {
    "vorbis": lambda x: sound_file(x, kind="OGG", subtype="VORBIS"),
    "opus": _opus,
    "ogg flac": lambda x: ffmpeg_file(x, "ogg", "flac"),
    "flac": lambda x: sound_file(x, kind="FLAC"),
}


def _check_everywhere(file: bytes, *, tolerance_s: float) -> None:
    """The whole, single places and the stream of a file joined from `_parts`."""
    original = soxr.resample(np.concatenate(_parts()).mean(axis=1), RATE_HZ, WANTED_HZ)
    whole = read(file, duration_s=None)
    assert whole.info.duration_s == pytest.approx(sum(LENGTHS_S), abs=tolerance_s)
    for offset_s in (0.5, 4.0, 9.5):
        clip = read(file, duration_s=2.0, offset_s=offset_s)
        expected = original[round(offset_s * WANTED_HZ) :][: 2 * WANTED_HZ]
        assert abs(lag(clip.waveform, expected)) <= tolerance_s * WANTED_HZ
        assert np.std(clip.waveform) == pytest.approx(np.std(expected), rel=0.15)
    with open_stream(file, sample_rate_hz=WANTED_HZ) as stream:
        assert sum(map(len, stream.blocks())) == pytest.approx(len(whole.waveform), abs=2)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_is_read_to_its_end_and_from_anywhere(kind: str) -> None:
    file = b"".join(map(CHAINS[kind], _parts()))
    _check_everywhere(file, tolerance_s=0.05)
    assert "chained" in codes(read(file, duration_s=2.0))
    assert read(file, duration_s=2.0, anchor="center").info.offset_s == pytest.approx(5.0, abs=0.05)


def test_links_of_other_rates_and_channels_are_converted() -> None:
    first, second, third = _parts()
    mono = second.mean(axis=1, keepdims=True)
    file = (
        sound_file(first, kind="OGG", subtype="VORBIS")
        + sound_file(_at(mono, 32_000), 32_000, kind="OGG", subtype="VORBIS")
        + _opus(third)
    )
    _check_everywhere(file, tolerance_s=0.05)
    assert {"chained", "joined"} <= codes(read(file, duration_s=2.0))


def test_mp3s_of_several_rates() -> None:
    first, second, third = _parts()
    file = bare_mp3(_at(first, 48_000), 48_000) + bare_mp3(second) + bare_mp3(_at(third, 32_000), 32_000)
    _check_everywhere(file, tolerance_s=0.25)
    assert "joined" in codes(read(file, duration_s=None))


def test_aacs_of_several_rates() -> None:
    first, second, third = _parts()
    file = (
        ffmpeg_file(_at(first, 48_000), "adts", "aac", rate_hz=48_000)
        + ffmpeg_file(second, "adts", "aac")
        + ffmpeg_file(_at(third, 32_000), "adts", "aac", rate_hz=32_000)
    )
    _check_everywhere(file, tolerance_s=0.3)
    assert "joined" in codes(read(file, duration_s=None))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_link_whose_header_is_of_no_use_is_left_out_with_a_note(bad: int) -> None:
    parts = [bytearray(CHAINS["flac"](part)) for part in _parts()]
    parts[bad][10:12] = bytes(2)  # blocks without samples: FFmpeg then knows neither rate nor channels
    del parts[bad][4_000:]  # libsndfile, which does not look at that, gives up here
    clip = read(b"".join(parts), duration_s=None)
    assert clip.info.duration_s == pytest.approx(sum(LENGTHS_S) - LENGTHS_S[bad], abs=0.05)
    assert {"chained", "damaged"} <= codes(clip)


def test_a_file_of_one_recording_has_no_such_note() -> None:
    for make in CHAINS.values():
        assert read(make(make_signal(2)), duration_s=None).notes == ()
