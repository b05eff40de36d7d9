"""What containers do with time, and which of several audio tracks is read."""

from __future__ import annotations

import io
import warnings
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from acousticsense.audio.health import check
from acousticsense.audio.limits import AudioLimits
from acousticsense.audio.stream import open_stream
from tests.audio.files import RATE_HZ, WANTED_HZ, Samples, codes, ffmpeg_file, lag, make_signal, read, sound_file

SECONDS = 12.0


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64"])
def test_numbers_beyond_a_float32_are_damage_and_no_warning(kind: str) -> None:
    """In libsndfile and in FFmpeg, which reads the last two."""
    samples = make_signal(2.0).astype(np.float64)
    samples[500:510] = 1e300
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format=kind, subtype="DOUBLE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "bad_samples" in codes(read(file))
        with open_stream(file, sample_rate_hz=WANTED_HZ) as stream:
            assert np.isfinite(np.concatenate(list(stream.blocks()))).all()


def _tracks(
    container: str,
    codec: str,
    sounds: list[Samples],
    *,
    begins_s: float = 0.0,
    default: int | None = None,
    rate_hz: int = RATE_HZ,
) -> bytes:
    """A file with one audio track for each of the sounds (n, channels), whose time stamps begin somewhere."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options={"avoid_negative_ts": "disabled"}) as out:
        streams = []
        for place, samples in enumerate(sounds):
            stream: Any = out.add_stream(codec, rate=rate_hz)
            stream.layout = "stereo" if samples.shape[1] == 2 else "5.1"
            if default is not None:
                stream.disposition = av.stream.Disposition.default if place == default else av.stream.Disposition(0)
            streams.append(stream)
        for stream, samples in zip(streams, sounds, strict=True):
            size = stream.codec_context.frame_size or 1024
            layout = stream.layout.name
            form = stream.codec_context.format.name
            resampler = av.AudioResampler(format=form, layout=layout, rate=rate_hz, frame_size=size)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
            frame.pts = round(begins_s * rate_hz)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(stream.encode(part))
            out.mux(stream.encode())
    return file.getvalue()


@pytest.fixture(scope="module")
def song() -> Samples:
    return make_signal(SECONDS)


# --- time stamps that begin anywhere


@pytest.mark.parametrize("begins_s", [5_000.0, 20_000.0])
@pytest.mark.parametrize(
    ("container", "codec"), [("ogg", "flac"), ("matroska", "flac"), ("matroska", "aac"), ("nut", "pcm_s16le")]
)
def test_a_late_start_is_neither_length_nor_offset(song: Samples, container: str, codec: str, begins_s: float) -> None:
    late = _tracks(container, codec, [song], begins_s=begins_s)
    plain = _tracks(container, codec, [song])
    whole = read(late, duration_s=None, limits=AudioLimits(max_clip_s=60))
    assert whole.info.duration_s == pytest.approx(SECONDS, abs=0.05)
    assert "late_start" in codes(whole)
    for options in ({"offset_s": 0.0}, {"offset_s": 7.3}, {"anchor": "center"}):
        part, expected = (read(file, duration_s=2.0, **options) for file in (late, plain))
        assert part.info.track_duration_s == pytest.approx(SECONDS, abs=0.05)
        assert abs(lag(part.waveform, expected.waveform)) <= 0.03 * WANTED_HZ


def _crc(page: bytes) -> int:
    """Ogg's checksum: polynomial 0x04c11db7, not reflected."""
    crc = 0
    for octet in page:
        crc = (crc << 8 & 0xFFFF_FFFF) ^ _CRC_TABLE[crc >> 24 ^ octet]
    return crc


def _crc_step(octet: int) -> int:
    crc = octet << 24
    for _ in range(8):
        crc = crc << 1 & 0xFFFF_FFFF ^ (0x04C1_1DB7 if crc & 0x8000_0000 else 0)
    return crc


_CRC_TABLE = [_crc_step(octet) for octet in range(256)]


def _later(ogg: bytes, ticks: int) -> bytes:
    """An Ogg file whose pages of sound carry time stamps that are later by `ticks`."""
    pages = []
    position = 0
    while position < len(ogg):
        n_segments = ogg[position + 26]
        size = 27 + n_segments + sum(ogg[position + 27 : position + 27 + n_segments])
        page = bytearray(ogg[position : position + size])
        granule = int.from_bytes(page[6:14], "little", signed=True)
        if granule > 0:
            page[6:14] = (granule + ticks).to_bytes(8, "little")
            page[22:26] = bytes(4)
            page[22:26] = _crc(page).to_bytes(4, "little")
        pages.append(bytes(page))
        position += size
    return b"".join(pages)


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_a_recording_of_a_stream_that_ran_for_hours(codec: str) -> None:
    rate_hz = 48_000
    plain = sound_file(make_signal(6, rate_hz), rate_hz, kind="OGG", subtype=codec)
    late = _later(plain, 5_000 * rate_hz)
    assert read(late, duration_s=None, limits=AudioLimits(max_clip_s=60)).info.duration_s == pytest.approx(6, abs=0.05)
    for options in ({"offset_s": 0.0}, {"offset_s": 3.3}, {"anchor": "center"}):
        part, expected = (read(file, duration_s=2.0, **options) for file in (late, plain))
        assert part.info.track_duration_s == pytest.approx(6, abs=0.05)
        assert abs(lag(part.waveform, expected.waveform)) <= 0.03 * WANTED_HZ


def test_a_transport_stream_begins_where_it_likes(song: Samples) -> None:
    clip = read(_tracks("mpegts", "mp2", [song], begins_s=5_000.0), duration_s=2.0, offset_s=7.3)
    plain = read(ffmpeg_file(song, "mpegts", "mp2"), duration_s=2.0, offset_s=7.3)
    assert abs(lag(clip.waveform, plain.waveform)) <= 0.03 * WANTED_HZ
    assert clip.info.track_duration_s == pytest.approx(SECONDS, abs=0.1)


# --- several tracks


def test_a_silent_first_track_is_passed_over(song: Samples) -> None:
    file = _tracks("matroska", "aac", [np.zeros_like(song), song])
    clip = read(file, duration_s=4.0)
    assert [(note.code, note.value) for note in clip.notes] == [("track_choice", 2.0)]
    assert np.std(clip.waveform) > 0.01


@pytest.mark.parametrize("container", ["matroska", "mpegts", "mp4"])
def test_the_first_that_sounds_is_read_not_the_one_with_most_channels(song: Samples, container: str) -> None:
    surround = np.zeros((len(song), 6), np.float32)
    surround[:, :2] = song[::-1]
    clip = read(_tracks(container, "ac3", [song, surround]), duration_s=4.0)
    expected = read(_tracks(container, "ac3", [song]), duration_s=4.0)
    assert clip.info.channels == 2
    assert lag(clip.waveform, expected.waveform) == 0
    assert codes(clip) == {"track_choice"}


def test_the_default_track_comes_before_the_first(song: Samples) -> None:
    clip = read(_tracks("matroska", "flac", [song[::-1], song], default=1), duration_s=4.0)
    expected = read(_tracks("matroska", "flac", [song]), duration_s=4.0)
    np.testing.assert_allclose(clip.waveform, expected.waveform, atol=1e-6)
    assert [(note.code, note.value) for note in clip.notes] == [("track_choice", 2.0)]


def test_when_all_are_silent_the_first_is_read(song: Samples) -> None:
    clip = read(_tracks("matroska", "flac", [np.zeros_like(song), np.zeros_like(song)]), duration_s=4.0)
    assert [(note.code, note.value) for note in clip.notes] == [("track_choice", 1.0)]


@pytest.mark.parametrize(("place", "chosen"), [(15, 16), (16, 1)])
def test_sound_is_looked_for_in_sixteen_tracks(song: Samples, place: int, chosen: int) -> None:
    second = song[:RATE_HZ]
    sounds = [second if number == place else np.zeros_like(second) for number in range(20)]
    clip = read(_tracks("matroska", "flac", sounds), duration_s=None)
    assert [(note.code, note.value) for note in clip.notes] == [("track_choice", chosen)]


def test_a_track_that_begins_on_the_way_does_not_end_the_first(song: Samples) -> None:
    ours, other = (
        ffmpeg_file(song, "mpegts", "mp2", options={"mpegts_start_pid": number}) for number in ("256", "300")
    )
    stuffing = (b"G\x1f\xff\x10" + b"\xff" * 184) * 33_000  # more than FFmpeg looks at before and behind
    clip = read(ours + stuffing + other + stuffing + ours, duration_s=None)
    alone = read(ours, duration_s=None)
    assert clip.info.duration_s == pytest.approx(2 * alone.info.duration_s, abs=0.01)
    assert codes(clip) == {"gap"}  # time begins anew


# --- as many channels as FFmpeg has places for in a frame, and more


@pytest.mark.parametrize("n_channels", [2, 7, 8, 9, 16])
def test_many_channels_are_read(n_channels: int) -> None:
    """7.1 and Ambisonics: PyAV takes what lies behind the eighth channel's place for further ones, or crashes."""
    rate_hz, size = 48_000, 960
    time_s = np.arange(rate_hz) / rate_hz
    sound = np.stack([0.2 * np.sin(2 * np.pi * (200 + 100 * n) * time_s) for n in range(n_channels)], 1)
    layout, file = "stereo" if n_channels == 2 else f"{n_channels} channels", io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream: Any = out.add_stream(
            "libopus", rate=rate_hz, options={"mapping_family": "255", "b": f"{64 * n_channels}k"}
        )
        stream.layout = layout
        for first in range(0, rate_hz, size):
            frame = av.AudioFrame(format="flt", layout=layout, samples=size)
            frame.planes[0].update(np.ascontiguousarray(sound[first : first + size], np.float32).tobytes())
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    clip = read(file.getvalue())
    assert clip.info.channels == n_channels
    for n, channel in enumerate(clip.channels):
        loudest_hz = np.abs(np.fft.rfft(channel)).argmax() * rate_hz / len(channel)
        assert loudest_hz == pytest.approx(200 + 100 * n, abs=3)


# --- a sample rate that time stamps contradict


def _alac_says(file: bytes, rate_hz: int) -> bytes:
    """The file with another rate in what its ALAC decoder reads; the container's own time scale stays."""
    at = file.rindex(RATE_HZ.to_bytes(4, "big"))
    return file[:at] + rate_hz.to_bytes(4, "big") + file[at + 4 :]


@pytest.mark.parametrize("options", [{"duration_s": None}, {"duration_s": 3.0}, {"duration_s": 3.0, "offset_s": 5.0}])
def test_a_wrong_rate_of_alac_is_noted(song: Samples, options: dict[str, Any]) -> None:
    file = _tracks("ipod", "alac", [song])
    limits = AudioLimits(max_clip_s=60)
    assert "rate_doubtful" not in codes(read(file, limits=limits, **options))
    wrong = read(_alac_says(file, RATE_HZ + 441), limits=limits, **options)
    assert "rate_doubtful" in codes(wrong)
    (note,) = (note for note in check(wrong).notes if note.code == "rate_doubtful")
    assert note.value == pytest.approx(1.0, abs=0.05)
