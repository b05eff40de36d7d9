"""An excerpt of any audio file becomes a mono waveform."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soxr

from acousticsense.errors import (
    AudioEmptyError,
    RequestError,
)
from tests.audio.files import (
    ENCODERS,
    RATE_HZ,
    WANTED_HZ,
    Samples,
    bare_mp3,
    ffmpeg_file,
    lag,
    make_signal,
    read,
    sound_file,
)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("offset_s", [0.0, 7.3])
def test_every_format_gives_the_same_excerpt(kind: str, offset_s: float) -> None:
    original = make_signal(12)
    clip = read(ENCODERS[kind](original), duration_s=3.0, offset_s=offset_s)
    expected = soxr.resample(original.mean(axis=1), RATE_HZ, WANTED_HZ)[round(offset_s * WANTED_HZ) :][: 3 * WANTED_HZ]
    assert clip.waveform.shape == (3 * WANTED_HZ,)
    assert clip.waveform.dtype == np.float32
    assert abs(lag(clip.waveform, expected)) <= 0.002 * WANTED_HZ
    assert np.std(clip.waveform) == pytest.approx(np.std(expected), rel=0.1)
    assert clip.info.duration_s == pytest.approx(3.0, abs=1e-3)
    assert clip.info.offset_s == pytest.approx(offset_s, abs=1e-3)
    assert clip.info.track_duration_s == pytest.approx(12.0, abs=0.1)
    assert clip.info.channels == 2


def test_stereo_is_its_mono_mean(signal: Samples) -> None:
    stereo = read(sound_file(signal, kind="WAV", subtype="FLOAT"))
    mono = read(sound_file(signal.mean(axis=1, keepdims=True), kind="WAV", subtype="FLOAT"))
    np.testing.assert_allclose(stereo.waveform, mono.waveform, atol=1e-6)
    assert (stereo.channels.shape, mono.channels.shape) == ((2, 441_000), (1, 441_000))
    np.testing.assert_allclose(stereo.channels, signal[:441_000].T, atol=1e-7)


@pytest.mark.parametrize("rate_hz", [32_000, 44_100, 48_000, 96_000, 192_000])
def test_the_same_song_is_the_same_at_every_rate(rate_hz: int) -> None:
    reference = soxr.resample(make_signal(12, 192_000).mean(axis=1), 192_000, WANTED_HZ)[: 10 * WANTED_HZ]
    clip = read(sound_file(make_signal(12, rate_hz), rate_hz, kind="WAV", subtype="FLOAT"))
    assert clip.info.sample_rate_hz == rate_hz
    np.testing.assert_allclose(clip.waveform[100:], reference[100:], atol=2e-3)


def test_an_mp3_without_a_length_in_it_is_read_to_its_end() -> None:
    """Quiet then loud in variable bit rate: libsndfile would stop at the estimate it makes from the beginning."""
    quiet_then_loud = np.concatenate([make_signal(10) * 1e-3, make_signal(20)])
    file = bare_mp3(quiet_then_loud, codec_options={"flags": "+qscale", "global_quality": "236"})
    clip = read(file, duration_s=None)
    assert clip.info.duration_s == pytest.approx(30.0, abs=0.2)
    assert clip.info.track_duration_s == clip.info.duration_s


@pytest.mark.parametrize("offset_s", [0.0, 0.05, 3.7, 21.0])
def test_an_excerpt_is_cut_from_the_resampled_track_without_edges(wav: bytes, offset_s: float) -> None:
    whole = read(wav, duration_s=None).waveform
    part = read(wav, duration_s=4.0, offset_s=offset_s).waveform
    start = round(offset_s * WANTED_HZ)
    np.testing.assert_allclose(part, whole[start : start + 4 * WANTED_HZ], atol=2e-4)


def test_the_middle_of_the_track(wav: bytes) -> None:
    middle = read(wav, duration_s=4.0, anchor="center")
    assert middle.info.offset_s == 13.0
    np.testing.assert_array_equal(middle.waveform, read(wav, duration_s=4.0, offset_s=13.0).waveform)
    assert read(wav, duration_s=99.0, anchor="center").info.duration_s == 30.0


def test_the_middle_is_found_without_a_length_in_the_header() -> None:
    clip = read(ffmpeg_file(make_signal(12), "adts", "aac"), duration_s=2.0, anchor="center")
    assert clip.info.offset_s == pytest.approx(5.0, abs=0.1)
    assert clip.info.track_duration_s == pytest.approx(12.0, abs=0.1)


def test_a_track_that_ends_early_gives_what_there_is(wav: bytes) -> None:
    clip = read(wav, duration_s=10.0, offset_s=28.0)
    assert clip.info.duration_s == 2.0
    assert clip.waveform.shape == (2 * WANTED_HZ,)
    assert clip.channels.shape == (2, 2 * RATE_HZ)


def test_an_offset_behind_the_end_names_the_length(wav: bytes, flac: bytes, mp3: bytes) -> None:
    for file in (wav, flac, mp3):
        with pytest.raises(AudioEmptyError, match=r"no sound at 500 s: the track is 30\.\d s long"):
            read(file, offset_s=500.0)


def test_only_as_much_of_the_file_is_read(long_mp3: bytes) -> None:
    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.n_read += len(data)
            return data

    file = Counting(long_mp3)
    read(file)
    assert 0 < file.n_read < len(long_mp3) / 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration_s": 0.0}, r"duration asked for is 0\.0 s"),
        ({"duration_s": float("nan")}, "duration asked for is nan s"),
        ({"duration_s": float("inf")}, "duration asked for is inf s"),
        ({"offset_s": -1.0}, r"offset asked for is -1\.0 s"),
        ({"offset_s": float("nan")}, "offset asked for is nan s"),
        ({"sample_rate_hz": 0}, "sample rate asked for is 0 Hz"),
        ({"anchor": "middle"}, "anchor is 'middle'"),
        ({"anchor": "center", "offset_s": 3.0}, r"offset of 3\.0 s was given for the middle"),
    ],
)
def test_impossible_arguments(wav: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        read(wav, **options)
