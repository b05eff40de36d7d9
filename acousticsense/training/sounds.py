"""Sounds that are not music, made here: speech (espeak-ng, GPL), noise, rain, hum, tones, sweeps, clicks and next to
nothing."""

from __future__ import annotations

import io
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import signal

from acousticsense.training.decode import Sound
from acousticsense.training.recordings import SOUNDS, Recording, Split, read_data

SAMPLE_RATE_HZ: Final = 44_100

Samples = NDArray[np.float32]
Maker = Callable[[random.Random, int], Samples]


def _white(rng: random.Random, n: int) -> Samples:
    return np.random.default_rng(rng.randrange(1 << 30)).standard_normal(n).astype(np.float32)


def _coloured(rng: random.Random, n: int) -> Samples:
    """Noise whose power falls as 1/f^a with a in 0..2.5 (white, pink, brown and between)."""
    spectrum = np.fft.rfft(_white(rng, n))
    slope = rng.uniform(0.0, 1.25)
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** slope
    return np.asarray(np.fft.irfft(spectrum, n), np.float32)


def _band_noise(rng: random.Random, n: int) -> Samples:
    """Wind and machines: a noise band whose level moves slowly."""
    low = rng.uniform(60, 2000)
    sos = signal.butter(2, (low, low * rng.uniform(1.5, 6.0)), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    level = 1.0 + 0.8 * np.sin(2 * np.pi * rng.uniform(0.05, 1.5) * time_s + rng.uniform(0, 6))
    return np.asarray(signal.sosfilt(sos, _white(rng, n)) * level, np.float32)


def _rain(rng: random.Random, n: int) -> Samples:
    """Drops at random times, each a short burst, over a soft hiss."""
    source = np.random.default_rng(rng.randrange(1 << 30))
    drops = np.zeros(n, np.float32)
    where = source.integers(0, n, round(n / SAMPLE_RATE_HZ * rng.uniform(30, 900)))
    drops[where] = source.exponential(1.0, len(where))
    sos = signal.butter(
        2, (rng.uniform(400, 1500), rng.uniform(4000, 11000)), "bandpass", fs=SAMPLE_RATE_HZ, output="sos"
    )
    return np.asarray(signal.sosfilt(sos, drops) + rng.uniform(0.001, 0.02) * _white(rng, n), np.float32)


def _tone(rng: random.Random, n: int) -> Samples:
    """A steady tone or mains hum with a few harmonics."""
    frequency = rng.choice((50.0, 60.0, 440.0, 1000.0, rng.uniform(80, 4000)))
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    harmonics = range(1, rng.randint(2, 8))
    return np.asarray(np.sum([np.sin(2 * np.pi * k * frequency * time_s) / k for k in harmonics], axis=0), np.float32)


def _sweep(rng: random.Random, n: int) -> Samples:
    """A sine that glides up or down, once or again and again (sirens)."""
    period = n if rng.random() < 0.5 else round(SAMPLE_RATE_HZ * rng.uniform(0.5, 4.0))
    time_s = np.arange(period) / SAMPLE_RATE_HZ
    low, high = rng.uniform(40, 400), rng.uniform(1500, 12000)
    first, last = rng.choice(((low, high), (high, low)))
    glide = signal.chirp(time_s, first, time_s[-1], last, method=rng.choice(("linear", "logarithmic")))
    return np.asarray(np.resize(glide, n), np.float32)


def _clicks(rng: random.Random, n: int) -> Samples:
    """Ticks, knocks and typing at regular or random times."""
    out = np.zeros(n, np.float32)
    step = SAMPLE_RATE_HZ * rng.uniform(0.1, 1.2)
    position = 0.0
    while position < n:
        length = rng.randint(40, 2500)
        burst = _white(rng, length) * np.exp(-np.arange(length) / (length / 5))
        end = min(n, int(position) + length)
        out[int(position) : end] += burst[: end - int(position)]
        position += step * rng.uniform(0.3, 1.8)
    return out


def _next_to_nothing(rng: random.Random, n: int) -> Samples:
    """The noise of a recorder with nothing before it."""
    return np.asarray(_coloured(rng, n) * np.float32(10 ** rng.uniform(-4.5, -3.0)), np.float32)


_ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "de", "fr-fr", "es", "it", "pt-br")
_VOICES: Final = ("", "+m1", "+m2", "+m3", "+m5", "+m7", "+f1", "+f2", "+f4")


@cache
def _words() -> tuple[str, ...]:
    return tuple(json.loads(read_data("words.json")))


def _say(text: str, voice: str, *, words_per_minute: int, pitch: int) -> Samples:
    """Mono speech with silence trimmed off both ends."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60)
    samples, rate = soundfile.read(io.BytesIO(answer.stdout), dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    trimmed = samples[loud[0] : loud[-1] + 1] if len(loud) else samples
    return np.asarray(soxr.resample(trimmed, rate, SAMPLE_RATE_HZ), np.float32)


def _speech(rng: random.Random, n: int) -> Samples:
    """Somebody talking, with pauses."""
    voice = rng.choice(_ACCENTS) + rng.choice(_VOICES)
    pace, pitch = rng.randint(120, 190), rng.randint(25, 75)
    out = np.zeros(n, np.float32)
    position = 0
    while position < len(out):
        text = " ".join(rng.choices(_words(), k=rng.randint(5, 14)))
        said = _say(text, voice, words_per_minute=pace, pitch=pitch)
        said = said[: len(out) - position]
        out[position : position + len(said)] += said
        position += len(said) + round(rng.uniform(0.1, 0.9) * SAMPLE_RATE_HZ)
    return out


def _talk(rng: random.Random, n: int) -> Samples:
    """Speech, alone or in a noisy place."""
    said = _speech(rng, n)
    noise = _coloured(rng, n)
    return np.asarray(said + noise / (np.abs(noise).max() + 1e-9) * rng.choice((0.0, 0.003, 0.05)), np.float32)


#: Makers; speech counts four times, it is what users upload by mistake.
_MAKERS: Final[tuple[Maker, ...]] = (
    *(_talk, _talk, _talk, _talk, _coloured, _band_noise, _rain, _tone, _sweep, _clicks),
    _next_to_nothing,
)

#: How many sounds each split gets.
_COUNTS: Final[dict[Split, int]] = {"train": 160, "val": 48, "test": 48}

#: Every third is as short as an excerpt of a song.
_DURATIONS_S: Final = (2.7, 10.5, 10.5)


def made_sounds() -> Iterator[Recording]:
    """What can be made: the same sounds whenever they are asked for."""
    for split, count in _COUNTS.items():
        for number in range(count):
            yield Recording(package=SOUNDS, path=f"{split}/{number}", split=split)


def sound_of(recording: Recording) -> Sound:
    """One of `made_sounds`; everything but next to nothing gets an ordinary level."""
    split, _, number = recording.path.partition("/")
    rng, maker = random.Random(f"{split}-{number}"), _MAKERS[int(number) % len(_MAKERS)]
    samples = maker(rng, round(_DURATIONS_S[int(number) % len(_DURATIONS_S)] * SAMPLE_RATE_HZ))
    if maker is not _next_to_nothing:
        samples = samples * np.float32(rng.uniform(0.1, 0.95) / (np.abs(samples).max() + 1e-9))
    return Sound(samples, SAMPLE_RATE_HZ)
