"""Audio files that the tests make for themselves, and how they read them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from acousticsense.audio.clip import AudioClip, read_clip
from acousticsense.audio.source import Source

RATE_HZ = 44_100
WANTED_HZ = 22_050
Samples = NDArray[np.float32]


def make_signal(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """Stereo noise below 6 kHz that never repeats, (n, 2): any excerpt of it can be told from any other."""
    rng = np.random.default_rng(7)
    coarse = rng.standard_normal((round(seconds * 12_000), 2)).astype(np.float32) * 0.1
    return np.asarray(soxr.resample(coarse, 12_000, rate_hz), np.float32)


def sound_file(
    samples: Samples, rate_hz: int = RATE_HZ, *, kind: str, subtype: str | None = None, endian: str | None = None
) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate_hz, samples.shape[1], subtype=subtype, endian=endian, format=kind
    ) as sound:
        for start in range(0, len(samples), rate_hz):  # libsndfile's Vorbis encoder overflows on one large write
            sound.write(samples[start : start + rate_hz])
    return file.getvalue()


def ffmpeg_file(
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
            image = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            image.pts = number
            out.mux(video_stream.encode(image))
        if video_stream is not None:
            out.mux(video_stream.encode())
        for part in [*to_codec.resample(frame), *to_codec.resample(None)]:
            out.mux(sound.encode(part))
        out.mux(sound.encode())
    return file.getvalue()


def bare_mp3(samples: Samples, rate_hz: int = RATE_HZ, *, codec_options: dict[str, str] | None = None) -> bytes:
    """A mp3 of nothing but sound, without a length or tags, that can be put behind itself again and again."""
    options = {"write_xing": "0", "id3v2_version": "0"}
    return ffmpeg_file(samples, "mp3", "libmp3lame", rate_hz=rate_hz, options=options, codec_options=codec_options)


def wav_file(
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


def pcm16(samples: Samples) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def read(source: Source, **options: Any) -> AudioClip:
    return read_clip(source, sample_rate_hz=options.pop("sample_rate_hz", WANTED_HZ), **options)


def codes(clip: AudioClip) -> set[str]:
    """Of the notes that decoding left."""
    return {note.code for note in clip.notes}


def lag(found: Samples, expected: Samples) -> int:
    """Samples by which `found` comes late, by cross-correlation."""
    size = min(len(found), len(expected))
    product = np.fft.rfft(found[:size]) * np.fft.rfft(expected[:size]).conj()
    lag = int(np.fft.irfft(product, size).argmax())
    return lag - size if lag > size // 2 else lag


ENCODERS: dict[str, Callable[[Samples], bytes]] = {
    "wav": lambda x: sound_file(x, kind="WAV"),
    "wav 24 bit": lambda x: sound_file(x, kind="WAV", subtype="PCM_24"),
    "wav 8 bit": lambda x: sound_file(x, kind="WAV", subtype="PCM_U8"),
    "wav double": lambda x: sound_file(x, kind="WAV", subtype="DOUBLE"),
    "wav adpcm": lambda x: ffmpeg_file(x, "wav", "adpcm_ima_wav"),
    "w64": lambda x: sound_file(x, kind="W64"),
    "aiff": lambda x: sound_file(x, kind="AIFF"),
    "caf": lambda x: sound_file(x, kind="CAF"),
    "matlab": lambda x: sound_file(x, kind="MAT5", subtype="FLOAT"),
    "flac": lambda x: sound_file(x, kind="FLAC"),
    "mp3": lambda x: sound_file(x, kind="MP3"),
    "ogg": lambda x: sound_file(x, kind="OGG"),
    "opus": lambda x: sound_file(np.asarray(soxr.resample(x, RATE_HZ, 48_000)), 48_000, kind="OGG", subtype="OPUS"),
    "m4a": lambda x: ffmpeg_file(x, "ipod", "aac"),
    "alac": lambda x: ffmpeg_file(x, "ipod", "alac"),
    "mp4 with video": lambda x: ffmpeg_file(x, "mp4", "aac", video=True),
    "webm": lambda x: ffmpeg_file(np.asarray(soxr.resample(x, RATE_HZ, 48_000)), "webm", "libopus", rate_hz=48_000),
    "matroska": lambda x: ffmpeg_file(x, "matroska", "flac"),
}
