"""What the decoder makes of wrong headers: python -m benchmarks.fuzz_headers [--cases N] [--seed S].

In each case one field of size, rate, count or offset of an intact file gets another value: 0, 1, -1, the largest, one
more, one less. The seed shuffles the cases, of which there are some twenty thousand for each shape of the sound
(rate, channels) and more than 100,000 for all six. The decoder must neither crash nor take 5 s of processor time, nor
answer with another sound without a note.
"""

from __future__ import annotations

import argparse
import io
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from typing import Any, Final

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from acousticsense.audio.clip import AudioClip, read_clip
from acousticsense.audio.health import check
from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AudioError

Samples = NDArray[np.float32]
Shape = tuple[int, int]

#: Rate in Hz and number of channels of the sounds that are written; Opus takes the nearest rate that it knows.
SHAPES: Final = ((44_100, 2), (44_100, 1), (22_050, 2), (22_050, 1), (16_000, 2), (16_000, 1))
OPUS_RATES_HZ: Final = {44_100: 48_000, 22_050: 24_000, 16_000: 16_000}
WANTED_HZ: Final = 22_050
SECONDS: Final = 3.0
TOO_SLOW_S: Final = 5.0
_BLOCK: Final = 500
#: Sounds whose cross-correlation is lower than this, or which are this much later or longer, are not the same.
SAME_CORRELATION: Final = 0.7
SAME_S: Final = 0.2
#: An mp3's header may rightly cut off as many samples as the encoder's delay (LAME's two fields of 12 bits).
MP3_DELAY: Final = 2 * 4095
LIMITS: Final = AudioLimits(max_clip_s=60.0)
READINGS: Final[tuple[dict[str, Any], ...]] = ({"duration_s": None}, {"duration_s": 1.0, "offset_s": 1.0})


@dataclass(frozen=True)
class Field:
    """One field of a header: where it stands, how wide it is, in which byte order."""

    at: int
    width: int
    order: str = "little"


@dataclass(frozen=True)
class Finding:
    """What went wrong in a case."""

    kind: str
    what: str
    field: Field
    value: int
    detail: str


def tone(rate_hz: int, n_channels: int) -> Samples:
    """Noise (n, n_channels) with a beat in it."""
    rng = np.random.default_rng(3)
    noise = soxr.resample(rng.standard_normal((round(SECONDS * 12_000), n_channels)) * 0.1, 12_000, rate_hz)
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(len(noise)) / rate_hz)
    return np.asarray(noise * beat[:, None], np.float32)


def by_sndfile(shape: Shape, kind: str, subtype: str) -> bytes:
    """The test sound, written by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, tone(*shape), shape[0], format=kind, subtype=subtype)
    return file.getvalue()


def by_ffmpeg(shape: Shape, container: str, codec: str) -> bytes:
    """The test sound, written by FFmpeg."""
    rate_hz = OPUS_RATES_HZ[shape[0]] if codec == "libopus" else shape[0]
    layout = {1: "mono", 2: "stereo"}[shape[1]]
    samples = tone(rate_hz, shape[1])
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        context = stream.codec_context
        resampler = av.AudioResampler(
            format=context.format.name, layout=layout, rate=rate_hz, frame_size=context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode())
    return file.getvalue()


def riff_fields(data: bytes) -> Iterator[Field]:
    """Sizes, and what `fmt ` says of the samples."""
    yield Field(4, 4)
    fmt, sound = data.index(b"fmt "), data.index(b"data")
    yield from (Field(fmt + 4, 4), Field(sound + 4, 4))
    yield from (Field(fmt + at, width) for at, width in ((10, 2), (12, 4), (16, 4), (20, 2), (22, 2)))
    if data[fmt + 8 : fmt + 10] == b"\xfe\xff":
        yield from (Field(fmt + 24, 2), Field(fmt + 26, 2), Field(fmt + 28, 4))


def aiff_fields(data: bytes) -> Iterator[Field]:
    """Sizes, COMM's counts, SSND's offset; not the rate, a float of 80 bits.

    One bit of it makes 32,000 Hz of 16,000, another usual rate, and nothing else in the file tells which is right.
    """
    common, sound = data.index(b"COMM"), data.index(b"SSND")
    places: list[tuple[int, int]] = [(4, 4), (common + 4, 4), (common + 8, 2), (common + 10, 4), (common + 14, 2)]
    places += [(sound + 4, 4), (sound + 8, 4), (sound + 12, 4)]
    yield from (Field(at, width, "big") for at, width in places)


def flac_fields(data: bytes) -> Iterator[Field]:
    """STREAMINFO: its size, blocks, frames, and the words that hold rate, channels, bits and length."""
    del data
    places = ((5, 3), (8, 2), (10, 2), (12, 3), (15, 3), (18, 2), (20, 1), (21, 1), (22, 4))
    yield from (Field(at, width, "big") for at, width in places)


def ogg_fields(data: bytes) -> Iterator[Field]:
    """Of each page its time, serial, number, checksum and segments; of the first packet every number."""
    position = 0
    while position + 27 <= len(data):
        for at, width in ((6, 8), (14, 4), (18, 4), (22, 4), (26, 1), (27, 1)):
            yield Field(position + at, width)
        n_segments = data[position + 26]
        position += 27 + n_segments + sum(data[position + 27 : position + 27 + n_segments])
    for at, width in ((8, 1), (9, 1), (10, 2), (11, 1), (12, 4), (16, 2), (20, 4), (24, 4), (28, 1)):
        yield Field(28 + at, width)


def mp4_fields(data: bytes) -> Iterator[Field]:
    """The size of every box and every word in the boxes of `moov`, but for where an edit list says that sound begins.

    That may be anywhere: nothing tells that it is wrong.
    """
    moov = data.index(b"moov") - 4
    end = min(len(data), moov + struct.unpack_from(">I", data, moov)[0])
    begins = data.index(b"elst") + 16
    words = [Field(at, 4, "big") for at in range(moov, end - 4, 4)]
    pairs = [Field(at, 2, "big") for at in range(moov, min(end, moov + 800) - 2, 2)]
    yield from (field for field in words + pairs if not begins - field.width < field.at < begins + 4)


def matroska_fields(data: bytes) -> Iterator[Field]:
    """Every byte, pair and word in front of the first cluster and of the first block."""
    end = data.index(b"\x1f\x43\xb6\x75") + 12
    for width in (1, 2, 4, 8):
        yield from (Field(at, width, "big") for at in range(0, end, width))


def mp3_fields(data: bytes) -> Iterator[Field]:
    """The tag's size, the first frame's header, and the words behind "Xing" or "Info"."""
    yield from (Field(at, 1, "big") for at in (6, 7, 8, 9))
    size = sum(octet << shift for octet, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    yield from (Field(10 + size + at, 1, "big") for at in (1, 2, 3))
    found = max(data.find(b"Xing"), data.find(b"Info"))
    if found > 0:
        yield from (Field(found + at, 4, "big") for at in (4, 8, 12, 116, 140))
        yield from (Field(found + at, 3, "big") for at in (141,))


KINDS: Final[dict[str, tuple[Callable[[Shape], bytes], Callable[[bytes], Iterator[Field]]]]] = {
    "wav": (partial(by_sndfile, kind="WAV", subtype="PCM_16"), riff_fields),
    "wav extensible": (partial(by_sndfile, kind="WAVEX", subtype="PCM_24"), riff_fields),
    "wav float": (partial(by_sndfile, kind="WAV", subtype="FLOAT"), riff_fields),
    "aiff": (partial(by_sndfile, kind="AIFF", subtype="PCM_16"), aiff_fields),
    "flac": (partial(by_sndfile, kind="FLAC", subtype="PCM_16"), flac_fields),
    "ogg vorbis": (partial(by_sndfile, kind="OGG", subtype="VORBIS"), ogg_fields),
    "ogg opus": (partial(by_ffmpeg, container="ogg", codec="libopus"), ogg_fields),
    "mp4": (partial(by_ffmpeg, container="mp4", codec="aac"), mp4_fields),
    "m4a alac": (partial(by_ffmpeg, container="ipod", codec="alac"), mp4_fields),
    "mkv": (partial(by_ffmpeg, container="matroska", codec="aac"), matroska_fields),
    "webm": (partial(by_ffmpeg, container="webm", codec="libopus"), matroska_fields),
    "mp3": (partial(by_ffmpeg, container="mp3", codec="libmp3lame"), mp3_fields),
}


@cache
def intact(kind: str, shape: Shape) -> tuple[bytes, tuple[Field, ...], tuple[AudioClip, ...]]:
    """A file, its fields and its clips."""
    make, fields_of = KINDS[kind]
    data = make(shape)
    return data, tuple(fields_of(data)), tuple(_read(data, options) for options in READINGS)


def _read(data: bytes, options: dict[str, Any]) -> AudioClip:
    return read_clip(data, sample_rate_hz=WANTED_HZ, limits=LIMITS, **options)


@cache
def every_case(seed: int, shape: Shape = SHAPES[0]) -> tuple[tuple[str, Field, int], ...]:
    """Kind, field and which value it gets (0..5), for all of them, shuffled."""
    found = [(kind, field, which) for kind in KINDS for field in intact(kind, shape)[1] for which in range(6)]
    random.Random(seed).shuffle(found)
    return tuple(found)


def changed(kind: str, field: Field, which: int, shape: Shape) -> tuple[int, bytes]:
    """The new value of a field, and the file with it."""
    data = intact(kind, shape)[0]
    old = int.from_bytes(data[field.at : field.at + field.width], field.order)  # type: ignore[arg-type]  # "little", "big"
    most = 256**field.width - 1
    value = (0, 1, most, most >> 1, old + 1, old - 1)[which] & most
    octets = value.to_bytes(field.width, field.order)
    return value, data[: field.at] + octets + data[field.at + field.width :]


def run(number: int, seed: int = 0, shape: Shape = SHAPES[0]) -> Finding | None:
    """What is wrong with the decoder's answer to one of `every_case`; None when it is right."""
    return finding(*every_case(seed, shape)[number], shape)


def finding(kind: str, field: Field, which: int, shape: Shape = SHAPES[0]) -> Finding | None:
    """What is wrong with the decoder's answer to one changed field; None when it is right."""
    value, data = changed(kind, field, which, shape)
    same_s = max(SAME_S, MP3_DELAY / shape[0] if kind == "mp3" else 0.0)
    started = time.process_time()  # others may be at work, too
    for options, expected in zip(READINGS, intact(kind, shape)[2], strict=True):
        try:
            clip = _read(data, options)
        except AudioError:
            continue
        except Exception as error:  # noqa: BLE001  # what this looks for
            return Finding(kind, "error", field, value, repr(error))
        noted = {note.code for note in check(clip).notes} - {note.code for note in check(expected).notes}
        difference = _difference(clip, expected, same_s)
        if difference and not noted:
            return Finding(kind, "silent", field, value, f"{difference} {options}")
    took_s = time.process_time() - started
    return Finding(kind, "slow", field, value, f"{took_s:.1f} s") if took_s > TOO_SLOW_S else None


def _difference(clip: AudioClip, expected: AudioClip, same_s: float) -> str:
    """How another sound than expected came out, in words; empty when it did not."""
    longer_s = clip.info.duration_s - expected.info.duration_s
    if abs(longer_s) > same_s:
        return f"{longer_s:+.2f} s"
    size = max(len(clip.waveform), len(expected.waveform)) * 2
    spectra = [np.fft.rfft(one.waveform, size) for one in (clip, expected)]
    powers = [float(np.sum(one.waveform.astype(np.float64) ** 2)) for one in (clip, expected)]
    correlation = np.fft.irfft(spectra[0] * spectra[1].conj(), size) / np.sqrt(powers[0] * powers[1] + 1e-30)
    place = int(np.abs(correlation).argmax())
    lag_s = min(place, size - place) / WANTED_HZ
    if abs(correlation[place]) < SAME_CORRELATION or lag_s > same_s:
        return f"correlation {correlation[place]:.2f}, {lag_s:.2f} s late"
    return ""


def _block(numbers: range, seed: int, shape: Shape) -> list[tuple[int, Finding]]:
    found = ((number, run(number, seed, shape)) for number in numbers)
    return [(number, finding) for number, finding in found if finding is not None]


def main() -> None:
    """Prints every finding and their count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=None, help="of each shape; all of them when left out")
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="how many rates and numbers of channels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    started, done = time.monotonic(), 0
    tally: Counter[str] = Counter()
    for shape in SHAPES[: options.shapes]:
        n_cases = min(options.cases or sys.maxsize, len(every_case(options.seed, shape)))
        for first in range(0, n_cases, _BLOCK * options.processes):
            last = min(n_cases, first + _BLOCK * options.processes)
            blocks = [range(n, min(last, n + _BLOCK)) for n in range(first, last, _BLOCK)]
            for number, found in _run_blocks(blocks, options.seed, shape, tally):
                print(shape, number, found, flush=True)
                tally[found.what] += 1
            done += last - first
        print(f"{done} cases in {time.monotonic() - started:.0f} s: {dict(tally) or 'nothing found'}", flush=True)


def _run_blocks(blocks: list[range], seed: int, shape: Shape, tally: Counter[str]) -> list[tuple[int, Finding]]:
    """The findings of some blocks, in a process each; one that dies is counted."""
    try:
        with ProcessPoolExecutor(len(blocks)) as pool:
            waiting = [pool.submit(_block, block, seed, shape) for block in blocks]
            return [finding for block in waiting for finding in block.result()]
    except BrokenProcessPool:
        print(f"a process died in the cases from {blocks[0].start} on")
        tally["crash"] += 1
        return []


if __name__ == "__main__":
    main()
