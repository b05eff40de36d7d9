"""Speech by espeak-ng (GPL): rapped over beats, and as something that is not music."""

from __future__ import annotations

import io
import json
import random
import subprocess
from functools import cache
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from acousticsense.training.sources import read_data

__all__ = ["rap", "speech"]


_ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "de", "fr-fr", "es", "it", "pt-br")
_VOICES: Final = ("", "+m1", "+m2", "+m3", "+m5", "+m7", "+f1", "+f2", "+f4")


@cache
def _words() -> tuple[str, ...]:
    return tuple(json.loads(read_data("words.json")))


def _say(text: str, voice: str, *, words_per_minute: int, pitch: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Mono speech with silence trimmed off both ends."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60)
    samples, rate = soundfile.read(io.BytesIO(answer.stdout), dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    trimmed = samples[loud[0] : loud[-1] + 1] if len(loud) else samples
    return np.asarray(soxr.resample(trimmed, rate, sample_rate_hz), np.float32)


def speech(rng: random.Random, *, duration_s: float, sample_rate_hz: int) -> NDArray[np.float32]:
    """Somebody talking, with pauses."""
    voice = rng.choice(_ACCENTS) + rng.choice(_VOICES)
    pace, pitch = rng.randint(120, 190), rng.randint(25, 75)
    out = np.zeros(round(duration_s * sample_rate_hz), np.float32)
    position = 0
    while position < len(out):
        text = " ".join(rng.choices(_words(), k=rng.randint(5, 14)))
        said = _say(text, voice, words_per_minute=pace, pitch=pitch, sample_rate_hz=sample_rate_hz)
        said = said[: len(out) - position]
        out[position : position + len(said)] += said
        position += len(said) + round(rng.uniform(0.1, 0.9) * sample_rate_hz)
    return out


def rap(rng: random.Random, *, bar_s: float, duration_s: float, sample_rate_hz: int) -> NDArray[np.float32]:
    """Fast lines that begin on the beat, one or two bars each."""
    voice = rng.choice(_ACCENTS[:3]) + rng.choice(_VOICES)
    pitch = rng.randint(20, 60)
    out = np.zeros(round(duration_s * sample_rate_hz), np.float32)
    start_s = bar_s * rng.choice((0, 1))
    while start_s < duration_s - 1:
        text = " ".join(rng.choices(_words(), k=rng.randint(8, 12)))
        said = _say(text, voice, words_per_minute=rng.randint(190, 260), pitch=pitch, sample_rate_hz=sample_rate_hz)
        position = round(start_s * sample_rate_hz)
        said = said[: len(out) - position]
        out[position : position + len(said)] += said
        start_s += bar_s * max(1, round(len(said) / sample_rate_hz / bar_s + 0.3))
    return out
