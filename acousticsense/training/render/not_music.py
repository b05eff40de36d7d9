"""Sounds that are not music: speech, noise, rain, hum, tones, sweeps, clicks and next to nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from acousticsense.training.decode import Sound
from acousticsense.training.render.synth import SAMPLE_RATE_HZ
from acousticsense.training.render.voice import speech

__all__ = ["NOT_MUSIC", "not_music"]

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


def _talk(rng: random.Random, n: int) -> Samples:
    """Speech, alone or in a noisy place."""
    said = speech(rng, duration_s=n / SAMPLE_RATE_HZ, sample_rate_hz=SAMPLE_RATE_HZ)
    noise = _coloured(rng, n)
    return np.asarray(said + noise / (np.abs(noise).max() + 1e-9) * rng.choice((0.0, 0.003, 0.05)), np.float32)


#: Makers by name; speech counts four times, it is what users upload by mistake.
NOT_MUSIC: Final[tuple[tuple[str, Maker], ...]] = (
    *(("speech", _talk),) * 4,
    ("coloured noise", _coloured),
    ("band noise", _band_noise),
    ("rain", _rain),
    ("tone", _tone),
    ("sweep", _sweep),
    ("clicks", _clicks),
    ("next to nothing", _next_to_nothing),
)


def not_music(maker: Maker, rng: random.Random, *, duration_s: float) -> Sound:
    """One such sound; everything but next to nothing gets an ordinary level."""
    samples = maker(rng, round(duration_s * SAMPLE_RATE_HZ))
    if maker is not _next_to_nothing:
        samples = samples * np.float32(rng.uniform(0.1, 0.95) / (np.abs(samples).max() + 1e-9))
    return Sound(samples, SAMPLE_RATE_HZ)
