"""A excerpt of any audio file becomes a mono waveform, and nothing that is uploaded can do harm."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from acousticsense.audio.reading import AudioClip, AudioLimits, Source, open_stream, read_clip
from acousticsense.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioTooLargeError,
    RequestError,
)

RATE_HZ = 44_100
WANTED_HZ = 22_050
Samples = NDArray[np.float32]


def _signal(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """Stereo noise below 6 kHz that never repeats, (n, 2): any excerpt of it can be told from any other."""
    rng = np.random.default_rng(7)
    coarse = rng.standard_normal((round(seconds * 12_000), 2)).astype(np.float32) * 0.1
    return np.asarray(soxr.resample(coarse, 12_000, rate_hz), np.float32)


def _sound(samples: Samples, rate_hz: int = RATE_HZ, *, kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate_hz, samples.shape[1], subtype=subtype, format=kind) as sound:
        for start in range(0, len(samples), rate_hz):  # libsndfile's Vorbis encoder overflows on one large write
            sound.write(samples[start : start + rate_hz])
    return file.getvalue()


def _encode(
    samples: Samples,
    container: str,
    codec: str,
    *,
    rate_hz: int = RATE_HZ,
    video: bool = False,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> bytes:
    """Encodes with FFmpeg, with a moving image beside the sound when asked."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as out:
        video_stream: Any = out.add_stream("mpeg4", rate=25) if video else None
        if video_stream is not None:
            video_stream.width, video_stream.height, video_stream.pix_fmt = 160, 120, "yuv420p"
        sound: Any = out.add_stream(codec, rate=rate_hz, options=codec_options or {})
        sound.layout = "stereo"
        sample_format = sound.codec_context.format.name if sound.codec_context.format else "fltp"
        frame_size = sound.codec_context.frame_size or 1024
        to_codec = av.AudioResampler(format=sample_format, layout="stereo", rate=rate_hz, frame_size=frame_size)
        frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for number in range(round(len(samples) / rate_hz * 25) if video else 0):
            pixels = np.full((120, 160, 3), number % 256, np.uint8)
            still = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            still.pts = number
            out.mux(video_stream.encode(still))
        if video_stream is not None:
            out.mux(video_stream.encode())
        for part in [*to_codec.resample(frame), *to_codec.resample(None)]:
            out.mux(sound.encode(part))
        out.mux(sound.encode())
    return file.getvalue()


def _bare_mp3(samples: Samples, rate_hz: int = RATE_HZ, *, codec_options: dict[str, str] | None = None) -> bytes:
    """A mp3 of nothing but sound, without a length or tags, that can be put behind itself again and again."""
    options = {"write_xing": "0", "id3v2_version": "0"}
    return _encode(samples, "mp3", "libmp3lame", rate_hz=rate_hz, options=options, codec_options=codec_options)


def _wav(
    data: bytes,
    *,
    rate_hz: int = RATE_HZ,
    channels: int = 2,
    bits: int = 16,
    tag: int = 1,
    claimed_bytes: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A wav file whose header says what it is told to."""
    frame = channels * bits // 8 & 0xFFFF
    fmt = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame & 0xFFFFFFFF, frame, bits) + extra
    size = len(data) if claimed_bytes is None else claimed_bytes
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(0xFFFFFFFF, size + 36)) + body


def _pcm16(samples: Samples) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def _read(source: Source, **options: Any) -> AudioClip:
    return read_clip(source, sample_rate_hz=options.pop("sample_rate_hz", WANTED_HZ), **options)


def _lag(found: Samples, expected: Samples) -> int:
    """Samples by which `found` comes late, by cross-correlation."""
    size = min(len(found), len(expected))
    product = np.fft.rfft(found[:size]) * np.fft.rfft(expected[:size]).conj()
    lag = int(np.fft.irfft(product, size).argmax())
    return lag - size if lag > size // 2 else lag


@pytest.fixture(scope="module")
def signal() -> Samples:
    return _signal(30)


@pytest.fixture(scope="module")
def wav(signal: Samples) -> bytes:
    return _sound(signal, kind="WAV", subtype="PCM_16")


@pytest.fixture(scope="module")
def mp3(signal: Samples) -> bytes:
    return _sound(signal, kind="MP3")


@pytest.fixture(scope="module")
def flac(signal: Samples) -> bytes:
    return _sound(signal, kind="FLAC")


@pytest.fixture(scope="module")
def long_mp3() -> bytes:
    """A mp3 of 240 s."""
    return _bare_mp3(_signal(20)) * 12


ENCODERS: dict[str, Callable[[Samples], bytes]] = {
    "wav": lambda x: _sound(x, kind="WAV"),
    "wav 24 bit": lambda x: _sound(x, kind="WAV", subtype="PCM_24"),
    "wav 8 bit": lambda x: _sound(x, kind="WAV", subtype="PCM_U8"),
    "wav double": lambda x: _sound(x, kind="WAV", subtype="DOUBLE"),
    "wav adpcm": lambda x: _encode(x, "wav", "adpcm_ima_wav"),
    "w64": lambda x: _sound(x, kind="W64"),
    "aiff": lambda x: _sound(x, kind="AIFF"),
    "caf": lambda x: _sound(x, kind="CAF"),
    "matlab": lambda x: _sound(x, kind="MAT5", subtype="FLOAT"),
    "flac": lambda x: _sound(x, kind="FLAC"),
    "mp3": lambda x: _sound(x, kind="MP3"),
    "ogg": lambda x: _sound(x, kind="OGG"),
    "opus": lambda x: _sound(np.asarray(soxr.resample(x, RATE_HZ, 48_000)), 48_000, kind="OGG", subtype="OPUS"),
    "m4a": lambda x: _encode(x, "ipod", "aac"),
    "alac": lambda x: _encode(x, "ipod", "alac"),
    "mp4 with video": lambda x: _encode(x, "mp4", "aac", video=True),
    "webm": lambda x: _encode(np.asarray(soxr.resample(x, RATE_HZ, 48_000)), "webm", "libopus", rate_hz=48_000),
    "matroska": lambda x: _encode(x, "matroska", "flac"),
}


# --- formats


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("offset_s", [0.0, 7.3])
def test_every_format_gives_the_same_excerpt(kind: str, offset_s: float) -> None:
    original = _signal(12)
    clip = _read(ENCODERS[kind](original), duration_s=3.0, offset_s=offset_s)
    expected = soxr.resample(original.mean(axis=1), RATE_HZ, WANTED_HZ)[round(offset_s * WANTED_HZ) :][: 3 * WANTED_HZ]
    assert clip.waveform.shape == (3 * WANTED_HZ,)
    assert clip.waveform.dtype == np.float32
    assert abs(_lag(clip.waveform, expected)) <= 0.002 * WANTED_HZ
    assert np.std(clip.waveform) == pytest.approx(np.std(expected), rel=0.1)
    assert clip.info.duration_s == pytest.approx(3.0, abs=1e-3)
    assert clip.info.offset_s == pytest.approx(offset_s, abs=1e-3)
    assert clip.info.track_duration_s == pytest.approx(12.0, abs=0.1)
    assert clip.info.channels == 2


def test_path_bytes_and_file_object_are_one(tmp_path: Path, mp3: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(mp3)
    with path.open("rb") as file:
        file.read(1000)  # a file object is read from its beginning, wherever it stands
        from_file = _read(file).waveform
        assert not file.closed
    for source in (path, str(path), mp3):
        np.testing.assert_array_equal(_read(source).waveform, from_file)


def test_a_pipe_can_be_read(mp3: bytes) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(mp3[:100_000])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        assert len(_read(pipe, duration_s=2.0).waveform) == 2 * WANTED_HZ
    writer.join()


@pytest.mark.parametrize(
    "name", ["夜来香 “live” 'n\" 好.mp3", "song.raw", "song.m3u8", "no suffix", "-rf.flac", "song.au"]
)
def test_content_decides_and_never_the_name(tmp_path: Path, wav: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(wav)
    np.testing.assert_array_equal(_read(tmp_path / name).waveform, _read(wav).waveform)


def test_stereo_is_its_mono_mean(signal: Samples) -> None:
    stereo = _read(_sound(signal, kind="WAV", subtype="FLOAT"))
    mono = _read(_sound(signal.mean(axis=1, keepdims=True), kind="WAV", subtype="FLOAT"))
    np.testing.assert_allclose(stereo.waveform, mono.waveform, atol=1e-6)
    assert (stereo.channels.shape, mono.channels.shape) == ((2, 441_000), (1, 441_000))
    np.testing.assert_allclose(stereo.channels, signal[:441_000].T, atol=1e-7)


@pytest.mark.parametrize("rate_hz", [32_000, 44_100, 48_000, 96_000, 192_000])
def test_the_same_song_is_the_same_at_every_rate(rate_hz: int) -> None:
    reference = soxr.resample(_signal(12, 192_000).mean(axis=1), 192_000, WANTED_HZ)[: 10 * WANTED_HZ]
    clip = _read(_sound(_signal(12, rate_hz), rate_hz, kind="WAV", subtype="FLOAT"))
    assert clip.info.sample_rate_hz == rate_hz
    np.testing.assert_allclose(clip.waveform[100:], reference[100:], atol=2e-3)


def test_an_mp3_without_a_length_in_it_is_read_to_its_end() -> None:
    """Quiet then loud in variable bit rate: libsndfile would stop at the estimate it makes from the beginning."""
    quiet_then_loud = np.concatenate([_signal(10) * 1e-3, _signal(20)])
    file = _bare_mp3(quiet_then_loud, codec_options={"flags": "+qscale", "global_quality": "236"})
    clip = _read(file, duration_s=None)
    assert clip.info.duration_s == pytest.approx(30.0, abs=0.2)
    assert clip.info.track_duration_s == clip.info.duration_s


# --- the excerpt


@pytest.mark.parametrize("offset_s", [0.0, 0.05, 3.7, 21.0])
def test_a_excerpt_is_cut_from_the_resampled_track_without_edges(wav: bytes, offset_s: float) -> None:
    whole = _read(wav, duration_s=None).waveform
    part = _read(wav, duration_s=4.0, offset_s=offset_s).waveform
    start = round(offset_s * WANTED_HZ)
    np.testing.assert_allclose(part, whole[start : start + 4 * WANTED_HZ], atol=2e-4)


def test_the_middle_of_the_track(wav: bytes) -> None:
    middle = _read(wav, duration_s=4.0, anchor="center")
    assert middle.info.offset_s == 13.0
    np.testing.assert_array_equal(middle.waveform, _read(wav, duration_s=4.0, offset_s=13.0).waveform)
    assert _read(wav, duration_s=99.0, anchor="center").info.duration_s == 30.0


def test_the_middle_is_found_without_a_length_in_the_header() -> None:
    clip = _read(_encode(_signal(12), "adts", "aac"), duration_s=2.0, anchor="center")
    assert clip.info.offset_s == pytest.approx(5.0, abs=0.1)
    assert clip.info.track_duration_s is None


def test_a_track_that_ends_early_gives_what_there_is(wav: bytes) -> None:
    clip = _read(wav, duration_s=10.0, offset_s=28.0)
    assert clip.info.duration_s == 2.0
    assert clip.waveform.shape == (2 * WANTED_HZ,)
    assert clip.channels.shape == (2, 2 * RATE_HZ)


def test_an_offset_behind_the_end_names_the_length(wav: bytes, flac: bytes, mp3: bytes) -> None:
    for file in (wav, flac, mp3):
        with pytest.raises(AudioEmptyError, match=r"no sound at 500 s: the track is 30\.\d s long"):
            _read(file, offset_s=500.0)


def test_only_as_much_of_the_file_is_read(long_mp3: bytes) -> None:
    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.n_read += len(data)
            return data

    file = Counting(long_mp3)
    _read(file)
    assert 0 < file.n_read < len(long_mp3) / 8


# --- arguments


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
        _read(wav, **options)


def test_what_is_no_source() -> None:
    with pytest.raises(RequestError, match="given as int"):
        _read(5)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(RequestError, match="gives text"):
        _read(io.StringIO("text"))  # type: ignore[arg-type]  # the point of the test
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(RequestError, match="is closed"):
        _read(closed)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # would block for ever when opened
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(AudioDecodeError, match="is not a file"):
            _read(path)
    for missing in (tmp_path / "missing.wav", "a\0b", "http://127.0.0.1/song.mp3"):
        with pytest.raises(AudioDecodeError, match="There is no file"):
            _read(missing)


# --- bad input

_NOISE = _pcm16(_signal(1))
_NAN = np.full((RATE_HZ, 2), np.nan, np.float32)

REFUSED: dict[str, tuple[bytes, type[AudioError], str]] = {
    "empty": (b"", AudioEmptyError, "0 bytes"),
    "zero samples": (_wav(b""), AudioEmptyError, "0 samples"),
    "one sample": (_wav(_NOISE[:4]), AudioEmptyError, "only 1 samples"),
    "text": (b"This is a text that somebody called song.mp3.\n" * 50, AudioDecodeError, "cannot be decoded"),
    "zeros": (bytes(100_000), AudioDecodeError, "cannot be decoded"),
    "rate 0": (_wav(_NOISE, rate_hz=0), AudioDecodeError, "sample rate of 0 Hz; 2000 to 768000 Hz"),
    "rate 1": (_wav(_NOISE, rate_hz=1), AudioDecodeError, "sample rate of 1 Hz"),
    "rate 4 GHz": (_wav(_NOISE, rate_hz=4_000_000_000), AudioDecodeError, "sample rate of 4000000000 Hz"),
    "no channels": (_wav(_NOISE, channels=0), AudioDecodeError, "0 channels; 1 to 32"),
    "65535 channels": (_wav(_NOISE, channels=65_535), AudioDecodeError, "65535 channels"),
    "0 bits": (_wav(_NOISE, bits=0), AudioDecodeError, "cannot be decoded"),
    "all NaN": (_wav(_NAN.tobytes(), bits=32, tag=3), AudioDecodeError, r"100\.0% of the samples are not numbers"),
    "ADPCM bomb": (
        _wav(_NOISE, tag=0x11, bits=4, extra=struct.pack("<HH", 2, 65_535)),
        AudioDecodeError,
        "cannot be decoded",
    ),
    "ADPCM behind a tag": (
        b"ID3\x04\0\0\0\0\0\0" + _wav(_NOISE, tag=0x11, bits=4, extra=struct.pack("<HH", 2, 65_535)),
        AudioDecodeError,
        "cannot be decoded",
    ),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(1000), AudioDecodeError, "cannot be decoded"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_files_are_refused_with_the_reason(name: str) -> None:
    data, error, message = REFUSED[name]
    started = time.perf_counter()
    with pytest.raises(error, match=message) as caught:
        _read(data)
    assert caught.value.hint
    assert time.perf_counter() - started < 5


def test_video_without_sound() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        video_stream: Any = out.add_stream("mpeg4", rate=25)
        video_stream.width, video_stream.height, video_stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(5):
            still = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            still.pts = number
            out.mux(video_stream.encode(still))
        out.mux(video_stream.encode())
    with pytest.raises(AudioDecodeError, match="no sound track"):
        _read(file.getvalue())


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_never_crash(seed: int) -> None:
    data = np.random.default_rng(seed).bytes(100_000)
    with pytest.raises(AudioError):
        _read(data)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aiff", "webm"])
def test_damaged_files_give_sound_or_an_audio_error(kind: str) -> None:
    rng = np.random.default_rng(3)
    intact = ENCODERS[kind](_signal(4))
    for _ in range(12):
        data = bytearray(intact)
        for at in rng.integers(0, len(data), 20):
            data[at] = rng.integers(256)
        for at in rng.integers(0, 200, 2):
            data[at] = rng.integers(256)
        try:
            clip = _read(bytes(data), anchor="center")
        except AudioError:
            continue
        assert np.isfinite(clip.waveform).all()
        assert clip.info.track_duration_s is None or clip.info.track_duration_s >= clip.info.duration_s


def test_a_header_that_claims_4_gib_gives_what_there_is() -> None:
    file = _wav(_NOISE, claimed_bytes=0xFFFF_FFF0)
    for options in ({}, {"duration_s": None}, {"anchor": "center"}):
        assert _read(file, **options).info.duration_s == 1.0
    with pytest.raises(AudioEmptyError, match=r"track is 1\.0 s long"):
        _read(file, offset_s=1000.0)


def test_a_tenth_of_a_second_is_read() -> None:
    clip = _read(_wav(_NOISE[: 4_410 * 4]))
    assert clip.waveform.shape == (2_205,)
    assert clip.info.duration_s == 0.1


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "opus"])
def test_truncated_files_give_what_can_be_decoded(kind: str) -> None:
    intact = ENCODERS[kind](_signal(30))
    truncated = intact[: len(intact) // 4]
    assert 6 < _read(truncated, duration_s=None).info.duration_s < 9
    assert _read(truncated, duration_s=2.0, anchor="center").info.duration_s == pytest.approx(2.0)


def test_a_few_bad_samples_become_silence(signal: Samples) -> None:
    damaged = signal[:RATE_HZ].copy()
    damaged[100:110] = np.nan
    damaged[200], damaged[300] = np.inf, 1e30
    clip = _read(_sound(damaged, kind="WAV", subtype="FLOAT"))
    assert np.isfinite(clip.waveform).all()
    assert np.abs(clip.waveform).max() < 1
    assert not clip.channels[:, 100:110].any()


def test_a_damaged_mp3_frame_makes_no_thunder(mp3: bytes) -> None:
    damaged = bytearray(mp3)
    for at in range(0, len(damaged), 997):
        damaged[at] ^= 0x55
    clip = _read(bytes(damaged), duration_s=None)
    assert np.abs(clip.channels).max() <= 2.0  # without a limit: 400


def test_eight_channels_at_192_khz() -> None:
    wide = np.tile(_signal(2, 192_000), (1, 4))
    clip = _read(_sound(wide, 192_000, kind="WAV", subtype="PCM_16"))
    assert clip.channels.shape == (8, 384_000)
    assert clip.waveform.shape == (2 * WANTED_HZ,)


# --- files that reach for other files


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A local address, and what was asked of it."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(100))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret.mp3", requests
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{url}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{url}</BaseURL>'
    "</Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_are_refused_and_fetch_nothing(
    kind: str, listener: tuple[str, list[bytes]], tmp_path: Path, wav: bytes
) -> None:
    url, requests = listener
    (tmp_path / "secret.wav").write_bytes(wav)
    for target in (url, f"{tmp_path}/secret.wav", "secret.wav"):
        list_file = tmp_path / "list.mp3"
        list_file.write_text(PLAYLISTS[kind].format(url=target))
        with pytest.raises(AudioDecodeError, match="cannot be decoded"):
            _read(list_file)
    assert requests == []


# --- limits


def test_a_file_over_the_limit(wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "big.wav").write_bytes(wav)
    for source in (wav, io.BytesIO(wav), tmp_path / "big.wav"):
        with pytest.raises(AudioTooLargeError, match="the limit is 1 MiB"):
            _read(source, limits=AudioLimits(max_file_bytes=2**20))


def test_a_excerpt_over_the_limit(wav: bytes) -> None:
    limits = AudioLimits(max_clip_s=20.0)
    with pytest.raises(AudioTooLargeError, match="longer than 20 s"):
        _read(wav, duration_s=None, limits=limits)
    with pytest.raises(AudioTooLargeError, match="longer than 20 s"):
        _read(wav, duration_s=21.0, limits=limits)
    assert _read(wav, duration_s=20.0, limits=limits).info.duration_s == 20.0
    assert _read(wav, duration_s=99.0, offset_s=15.0, limits=limits).info.duration_s == 15.0


def test_the_limits_hold_where_the_header_says_nothing() -> None:
    endless = _encode(_signal(12), "adts", "aac")
    with pytest.raises(AudioTooLargeError, match="longer than 5 s"):
        _read(endless, duration_s=None, limits=AudioLimits(max_clip_s=5.0))
    with pytest.raises(AudioTooLargeError, match="more than 1 MiB decoded"):
        _read(endless, duration_s=None, limits=AudioLimits(max_pcm_bytes=2**20))


def test_decoded_bytes_count_too(wav: bytes) -> None:
    with pytest.raises(AudioTooLargeError, match=r"more than 1 MiB decoded.*2 channels at 44100 Hz"):
        _read(wav, limits=AudioLimits(max_pcm_bytes=2**20))


def _forged_flac(flac: bytes, rate_hz: int, channels: int, n_frames: int) -> bytes:
    """The file with other numbers in its STREAMINFO block."""
    forged = bytearray(flac)
    forged[18:26] = (rate_hz << 44 | channels - 1 << 41 | 15 << 36 | n_frames).to_bytes(8, "big")
    return bytes(forged)


_MEASURE = """
import resource, sys, time
from acousticsense.audio.reading import read_clip
from acousticsense.errors import AudioError
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.process_time()
duration = None if sys.argv[2] == "None" else float(sys.argv[2])
try:
    outcome = str(read_clip(sys.argv[1], sample_rate_hz=22050, duration_s=duration).info.duration_s)
except AudioError as error:
    outcome = type(error).__name__
print(outcome, peak() - before, time.process_time() - started)
"""


def _measured(file: Path, duration_s: float | None) -> tuple[str, float, float]:
    """Outcome, growth of the peak memory in MiB, and seconds of CPU, in a process of its own."""
    command = [sys.executable, "-c", _MEASURE, str(file), str(duration_s)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    outcome, growth, seconds = output.stdout.split()
    return outcome, float(growth), float(seconds)


@pytest.mark.parametrize("duration_s", [10.0, None])
@pytest.mark.parametrize(("rate_hz", "channels"), [(655_350, 8), (44_100, 2)])
def test_a_forged_flac_takes_neither_memory_nor_time(
    tmp_path: Path, flac: bytes, rate_hz: int, channels: int, duration_s: float | None
) -> None:
    file = tmp_path / "forged.flac"
    file.write_bytes(_forged_flac(flac, rate_hz, channels, 2**36 - 1))
    _, growth_mib, cpu_s = _measured(file, duration_s)
    assert growth_mib < 150
    assert cpu_s < 20


@pytest.fixture(scope="module")
def twelve_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mp3 of 12 hours in 173 MB: one minute at 32 kbit/s, 720 times."""
    minute = _bare_mp3(_signal(60, 16_000), 16_000, codec_options={"b": "32000"})
    file = tmp_path_factory.mktemp("long") / "12h.mp3"
    with file.open("wb") as out:
        for _ in range(720):
            out.write(minute)
    return file


@pytest.mark.parametrize(("duration_s", "outcome"), [(10.0, "10.0"), (None, "AudioTooLargeError")])
def test_a_file_of_twelve_hours(twelve_hours: Path, duration_s: float | None, outcome: str) -> None:
    found, growth_mib, cpu_s = _measured(twelve_hours, duration_s)
    assert found == outcome
    assert growth_mib < 150
    assert cpu_s < 20


def test_a_flac_bomb_without_a_length_is_stopped_while_it_decodes(tmp_path: Path) -> None:
    """Forty minutes of digital silence in half a megabyte, 920 MB when decoded; the header does not tell."""
    packed = io.BytesIO()
    silence = np.zeros((48_000 * 60, 2), np.int16)
    with soundfile.SoundFile(packed, "w", 48_000, 2, format="FLAC") as sound:
        for _ in range(40):
            sound.write(silence)
    file = tmp_path / "bomb.flac"
    file.write_bytes(_forged_flac(packed.getvalue(), 48_000, 2, 0))
    found, growth_mib, cpu_s = _measured(file, None)
    assert found == "AudioTooLargeError"
    assert growth_mib < 1.8 * AudioLimits().max_pcm_bytes / 2**20  # the buffer, and its predecessor when it grows
    assert cpu_s < 20


def test_an_opus_bomb() -> None:
    file = _sound(np.zeros((8_000 * 120, 1), np.float32), 8_000, kind="OGG", subtype="OPUS")
    assert len(file) < 50_000
    with pytest.raises(AudioTooLargeError, match="longer than 60 s"):
        _read(file, duration_s=None, limits=AudioLimits(max_clip_s=60.0))
    with pytest.raises(AudioTooLargeError, match="more than 4 MiB decoded"):
        _read(file, duration_s=60.0, limits=AudioLimits(max_pcm_bytes=4 * 2**20))


# --- block by block


def _streamed(source: Source, **options: Any) -> tuple[Samples, AudioClip]:
    """A excerpt read block by block, and at once."""
    with open_stream(source, sample_rate_hz=WANTED_HZ, **options) as stream:
        blocks = list(stream.blocks())
        info = stream.info
    clip = _read(source, **{"duration_s": None, **options})
    assert info == clip.info
    return np.concatenate(blocks), clip


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("options", [{}, {"offset_s": 3.3}, {"offset_s": 0.05, "duration_s": 5.0}])
def test_blocks_are_the_clip_in_pieces(kind: str, options: dict[str, float]) -> None:
    streamed, clip = _streamed(ENCODERS[kind](_signal(12)), **options)
    assert abs(len(streamed) - len(clip.waveform)) <= 1
    np.testing.assert_allclose(streamed[: len(clip.waveform)], clip.waveform[: len(streamed)], atol=1e-6)


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 192_000])
def test_blocks_at_other_rates(rate_hz: int) -> None:
    streamed, clip = _streamed(_sound(_signal(8, rate_hz), rate_hz, kind="WAV"), offset_s=1.1)
    np.testing.assert_allclose(streamed[: len(clip.waveform)], clip.waveform[: len(streamed)], atol=1e-6)


def test_a_stream_has_limits_of_its_own(wav: bytes) -> None:
    limits = AudioLimits(max_clip_s=1.0, max_pcm_bytes=1000, max_stream_s=20.0)
    with (
        pytest.raises(AudioTooLargeError, match="longer than 20 s"),
        open_stream(wav, sample_rate_hz=WANTED_HZ, limits=limits),
    ):
        pass
    with open_stream(wav, sample_rate_hz=WANTED_HZ, limits=limits, duration_s=20.0) as stream:
        assert stream.expected_s == 20.0
        assert sum(map(len, stream.blocks())) == 20 * WANTED_HZ


def test_a_streams_limit_holds_where_the_header_says_nothing() -> None:
    limits = AudioLimits(max_stream_s=5.0)
    with open_stream(_encode(_signal(12), "adts", "aac"), sample_rate_hz=WANTED_HZ, limits=limits) as stream:
        assert stream.expected_s is None
        with pytest.raises(AudioTooLargeError, match="longer than 5 s"):
            list(stream.blocks())


def test_a_stream_behind_the_end(wav: bytes) -> None:
    with (
        open_stream(wav, sample_rate_hz=WANTED_HZ, offset_s=500.0) as stream,
        pytest.raises(AudioEmptyError, match="no sound at 500 s"),
    ):
        list(stream.blocks())


def test_a_stream_that_is_no_audio() -> None:
    with (
        pytest.raises(AudioDecodeError, match="cannot be decoded"),
        open_stream(b"text" * 99, sample_rate_hz=WANTED_HZ),
    ):
        pass


def test_a_stream_of_damage(signal: Samples) -> None:
    damaged = signal[: 2 * RATE_HZ].copy()
    damaged[100:110] = np.nan
    streamed, _ = _streamed(_sound(damaged, kind="WAV", subtype="FLOAT"))
    assert np.isfinite(streamed).all()
    damaged[RATE_HZ:] = np.nan
    with (
        open_stream(_sound(damaged, kind="WAV", subtype="FLOAT"), sample_rate_hz=WANTED_HZ) as stream,
        pytest.raises(AudioDecodeError, match="are not numbers"),
    ):
        list(stream.blocks())


def test_errors_of_the_reader_of_a_stream_are_its_own(wav: bytes) -> None:
    """No second decoder is tried for them."""
    with pytest.raises(AudioDecodeError, match="mine"), open_stream(wav, sample_rate_hz=WANTED_HZ):
        raise AudioDecodeError("mine")


def test_a_file_of_the_wanted_rate_loses_the_same_treble_as_any_other(tmp_path: Path) -> None:
    """Else the darkest part of a image, and with it the contrast, would depend on the file's sample rate."""
    noise = np.random.default_rng(0).normal(0, 0.1, 88_200)
    tops = []
    for rate_hz in (22_050, 44_100):
        path = tmp_path / f"{rate_hz}.wav"
        soundfile.write(path, noise[: 2 * rate_hz], rate_hz, subtype="FLOAT")
        waveform = read_clip(path, sample_rate_hz=22_050).waveform
        power = np.abs(np.fft.rfft(waveform, norm="ortho")) ** 2
        tops.append(np.log(power[-1000:].mean() / power[1000:5000].mean()))
    assert tops[0] == pytest.approx(tops[1], abs=0.3)
    assert tops[0] < -2
