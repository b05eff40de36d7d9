"""Files of every kind that carries tags, made by PyAV: no ffmpeg program is needed."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import soundfile
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from tests.library.conftest import EXAMPLES

#: Name's suffix -> encoder and container.
ENCODERS: Final = {
    "mp3": ("libmp3lame", "mp3"),
    "mp2": ("mp2", "mp2"),
    "aac": ("aac", "adts"),
    "wav": ("pcm_s16le", "wav"),
    "rf64": ("pcm_s16le", "wav"),
    "aiff": ("pcm_s16be", "aiff"),
    "flac": ("flac", "flac"),
    "oga": ("flac", "ogg"),
    "opus": ("libopus", "opus"),
    "m4a": ("aac", "ipod"),
    "mp4": ("aac", "mp4"),
    "alac": ("alac", "ipod"),
    "wma": ("wmav2", "asf"),
    "wv": ("wavpack", "wv"),
    "tta": ("tta", "tta"),
    "mka": ("flac", "matroska"),
}


@cache
def sound() -> NDArray[np.float32]:
    """Ten seconds of music: (2, n_samples) at 44,100 Hz."""
    blocks = []
    with av.open(str(EXAMPLES / "sky-vibe.ogg")) as container:
        resampler = AudioResampler("fltp", "stereo", 44_100)
        for frame in container.decode(audio=0):
            blocks += [block.to_ndarray() for block in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1)[:, : 10 * 44_100].astype(np.float32)


def encode(
    path: Path, kind: str = "", *, seconds: float = 10.0, metadata: Mapping[str, str] | None = None, **options: str
) -> Path:
    """Encodes the music into `path`.

    Args:
        path: where to.
        kind: key of `ENCODERS`; empty takes the suffix.
        seconds: how much of it.
        metadata: tags that FFmpeg writes.
        options: of the container.
    """
    if (kind or path.suffix) in ("ogg", ".ogg"):  # PyAV comes without an encoder for Vorbis
        soundfile.write(path, sound().T[: int(seconds * 44_100)], 44_100, format="OGG", subtype="VORBIS")
        return path
    encoder, container_format = ENCODERS[kind or path.suffix[1:]]
    rate = 48_000 if encoder == "libopus" else 44_100
    with av.open(str(path), "w", format=container_format, options={"fflags": "+bitexact", **options}) as container:
        stream: Any = container.add_stream(encoder, rate=rate, layout="stereo")
        stream.bit_rate = 128_000
        container.metadata.update(metadata or {})
        stream.metadata.update(metadata or {})
        resampler = AudioResampler(stream.format.name, "stereo", rate, frame_size=stream.codec_context.frame_size or 0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound()[:, : int(seconds * 44_100)]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 44_100, 0, Fraction(1, 44_100)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux([packet for packet in stream.encode(None) if packet.pts is not None])
    return path
