"""Nothing that is uploaded can do harm: damage is mended or refused, no file reaches for another."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from acousticsense.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
)
from tests.audio.files import (
    ENCODERS,
    RATE_HZ,
    WANTED_HZ,
    Samples,
    ffmpeg_file,
    make_signal,
    pcm16,
    read,
    sound_file,
    wav_file,
)

_NOISE = pcm16(make_signal(1))
_NAN = np.full((RATE_HZ, 2), np.nan, np.float32)

REFUSED: dict[str, tuple[bytes, type[AudioError], str]] = {
    "empty": (b"", AudioEmptyError, "0 bytes"),
    "zero samples": (wav_file(b""), AudioEmptyError, "0 samples"),
    "one sample": (wav_file(_NOISE[:4]), AudioEmptyError, "only 1 samples"),
    "text": (b"This is a text that somebody called song.mp3.\n" * 50, AudioDecodeError, "cannot be decoded"),
    "zeros": (bytes(100_000), AudioDecodeError, "cannot be decoded"),
    "rate 0": (wav_file(_NOISE, rate_hz=0), AudioDecodeError, "sample rate of 0 Hz; 2000 to 768000 Hz"),
    "rate 1": (wav_file(_NOISE, rate_hz=1), AudioDecodeError, "sample rate of 1 Hz"),
    "rate 4 GHz": (wav_file(_NOISE, rate_hz=4_000_000_000), AudioDecodeError, "sample rate of 4000000000 Hz"),
    "no channels": (wav_file(_NOISE, channels=0), AudioDecodeError, "0 channels; 1 to 32"),
    "65535 channels": (wav_file(_NOISE, channels=65_535), AudioDecodeError, "65535 channels"),
    "0 bits": (wav_file(_NOISE, bits=0), AudioDecodeError, "cannot be decoded"),
    "all NaN": (wav_file(_NAN.tobytes(), bits=32, tag=3), AudioDecodeError, r"100\.0% of the samples are not numbers"),
    "ADPCM bomb": (
        wav_file(_NOISE, tag=0x11, bits=4, extra=struct.pack("<HH", 2, 65_535)),
        AudioDecodeError,
        "cannot be decoded",
    ),
    "ADPCM behind a tag": (
        b"ID3\x04\0\0\0\0\0\0" + wav_file(_NOISE, tag=0x11, bits=4, extra=struct.pack("<HH", 2, 65_535)),
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
        read(data)
    assert caught.value.hint
    assert time.perf_counter() - started < 5


def test_video_without_sound() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        video_stream: Any = out.add_stream("mpeg4", rate=25)
        video_stream.width, video_stream.height, video_stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(5):
            image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            image.pts = number
            out.mux(video_stream.encode(image))
        out.mux(video_stream.encode())
    with pytest.raises(AudioDecodeError, match="no sound track"):
        read(file.getvalue())


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_never_crash(seed: int) -> None:
    data = np.random.default_rng(seed).bytes(100_000)
    with pytest.raises(AudioError):
        read(data)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aiff", "webm"])
def test_damaged_files_give_sound_or_an_audio_error(kind: str) -> None:
    rng = np.random.default_rng(3)
    intact = ENCODERS[kind](make_signal(4))
    for _ in range(12):
        data = bytearray(intact)
        for at in rng.integers(0, len(data), 20):
            data[at] = rng.integers(256)
        for at in rng.integers(0, 200, 2):
            data[at] = rng.integers(256)
        try:
            clip = read(bytes(data), anchor="center")
        except AudioError:
            continue
        assert np.isfinite(clip.waveform).all()
        assert clip.info.track_duration_s is None or clip.info.track_duration_s >= clip.info.duration_s


def test_a_header_that_claims_4_gib_gives_what_there_is() -> None:
    file = wav_file(_NOISE, claimed_bytes=0xFFFF_FFF0)
    for options in ({}, {"duration_s": None}, {"anchor": "center"}):
        assert read(file, **options).info.duration_s == 1.0
    with pytest.raises(AudioEmptyError, match=r"track is 1\.0 s long"):
        read(file, offset_s=1000.0)


def test_a_tenth_of_a_second_is_read() -> None:
    clip = read(wav_file(_NOISE[: 4_410 * 4]))
    assert clip.waveform.shape == (2_205,)
    assert clip.info.duration_s == 0.1


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "opus"])
def test_truncated_files_give_what_can_be_decoded(kind: str) -> None:
    intact = ENCODERS[kind](make_signal(30))
    truncated = intact[: len(intact) // 4]
    assert 6 < read(truncated, duration_s=None).info.duration_s < 9
    assert read(truncated, duration_s=2.0, anchor="center").info.duration_s == pytest.approx(2.0)


def test_a_few_bad_samples_become_silence(signal: Samples) -> None:
    damaged = signal[:RATE_HZ].copy()
    damaged[100:110] = np.nan
    damaged[200], damaged[300] = np.inf, 1e30
    clip = read(sound_file(damaged, kind="WAV", subtype="FLOAT"))
    assert np.isfinite(clip.waveform).all()
    assert np.abs(clip.waveform).max() < 1
    assert not clip.channels[:, 100:110].any()


def test_a_damaged_mp3_frame_makes_no_thunder(mp3: bytes) -> None:
    damaged = bytearray(mp3)
    for at in range(0, len(damaged), 997):
        damaged[at] ^= 0x55
    clip = read(bytes(damaged), duration_s=None)
    assert np.abs(clip.channels).max() <= 2.0  # without a limit: 400


def test_eight_channels_at_192_khz() -> None:
    wide = np.tile(make_signal(2, 192_000), (1, 4))
    clip = read(sound_file(wide, 192_000, kind="WAV", subtype="PCM_16"))
    assert clip.channels.shape == (8, 384_000)
    assert clip.waveform.shape == (2 * WANTED_HZ,)


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
            read(list_file)
    assert requests == []


def test_an_mp4_without_its_index_says_so() -> None:
    file = ffmpeg_file(make_signal(2), "mp4", "aac")
    with pytest.raises(AudioDecodeError, match="Its index"):
        read(file[: file.index(b"moov") - 4])
