"""Recordings as they come to people: faster or slower, through other loudspeakers, in rooms, under other music.

What `augment` does to images changes what a student sees and not what the teachers said. Here the sound itself is
changed and the teachers hear the result, so that a few hundred recordings become thousands of sounds with true answers
(L. Beyer et al., arXiv 2106.05237: a student learns its teacher's function from many views that both see).
"""

from __future__ import annotations

import hashlib
import logging
import random
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pedalboard
import soxr
from numpy.typing import NDArray
from pedalboard._pedalboard import Pedalboard  # the package does not re-export it for type checkers

from acousticsense.training.decode import Sound, read_sound
from acousticsense.training.fetch import fetch
from acousticsense.training.ingest import ingest
from acousticsense.training.render.synth import SAMPLE_RATE_HZ, level
from acousticsense.training.sources import Recording
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.teachers.panel import TeacherPanel

__all__ = ["DURATION_S", "Alteration", "altered", "ingest_altered", "plan"]

logger = logging.getLogger(__name__)

#: Length of an altered stretch.
DURATION_S: Final = 30.0

#: Root mean square level, in dB below full scale, at which sounds meet each other and the chain.
_LEVEL_DB: Final = -18.0

#: Playing speeds; the original must be this much longer.
_SPEEDS: Final = (0.84, 1.19)

#: Stretches begin anywhere in the first minutes.
_LATEST_START_S: Final = 150.0

#: Share of stretches that begin where their track begins, which is what users' files are judged by.
_FROM_THE_START: Final = 0.3

#: Share of stretches with another recording over them.
_MIXED: Final = 0.35


@dataclass(frozen=True, kw_only=True)
class Alteration:
    """One stretch to make.

    Attributes:
        key: its name in the store.
        seed: of every choice in it.
        recording: what is altered.
        over: another recording to mix in; the label is unknown then.
    """

    key: str
    seed: str
    recording: Recording
    over: Recording | None


def plan(recordings: Sequence[Recording], count: int, *, seed: int) -> list[Alteration]:
    """`count` alterations of training recordings; big collections are drawn less often than their size asks for."""
    training = [recording for recording in recordings if recording.split == "train"]
    sizes = Counter(recording.group for recording in training)
    keys = [recording.key for recording in training]
    weights = np.array([sizes[recording.group] ** -0.5 for recording in training])
    planned = []
    for index in range(count):
        lot, key = f"{seed} altered {index}", f"altered--{index:05d}"
        first = training[_drawn(lot, keys, weights)]
        is_mixed = random.Random(lot).random() < _MIXED
        over = training[_drawn(f"{lot} over", keys, weights)] if is_mixed else None
        planned.append(Alteration(key=key, seed=f"{seed} {key}", recording=first, over=over))
    return planned


def _drawn(lot: str, keys: Sequence[str], weights: NDArray[np.float64]) -> int:
    """The index of the key that draws a lot, by weight; keys that come later change only the lots that they draw.

    Each key waits for an exponential time of its own, which a hash tells, and the first has it (rendezvous hashing:
    Thaler and Ravishankar 1998).
    """
    hashes = [hashlib.blake2b(f"{lot} {key}".encode(), digest_size=8).digest() for key in keys]
    numbers = np.array([int.from_bytes(value, "big") for value in hashes], np.float64)
    return int((-np.log((numbers + 0.5) / 2.0**64) / weights).argmin())


def ingest_altered(
    planned: Sequence[Alteration], store: TrackStore, panel: TeacherPanel, *, work: Path, free_recordings: Path | None
) -> None:
    """Makes every alteration that is not in the store yet, or is there of other recordings, drawn from another list;
    what cannot be made is logged and left out."""
    for alteration in planned:
        track = _track(alteration)
        stored = store.track(alteration.key)
        if stored is not None and stored.origin == track.origin:
            continue
        rng = random.Random(alteration.seed)
        try:
            sound, over = (
                _stretch(recording, rng, work, free_recordings) if recording else None
                for recording in (alteration.recording, alteration.over)
            )
            if sound is not None:
                ingest(altered(sound, rng, over=over), track, store, panel, most_windows=1)
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            logger.warning("%s cannot be made: %s", alteration.key, error)


def _stretch(recording: Recording, rng: random.Random, work: Path, free_recordings: Path | None) -> Sound | None:
    """A stretch of a recording, long enough to be played fast; None when the recording cannot be had."""
    offset_s = 0.0 if rng.random() < _FROM_THE_START else rng.uniform(0.0, _LATEST_START_S)
    for fetched in fetch((recording,), work, free_recordings=free_recordings):
        return read_sound(fetched.path, max_s=DURATION_S * _SPEEDS[1], offset_s=offset_s)
    return None


def _track(alteration: Alteration) -> Track:
    recording = alteration.recording
    return Track(
        key=alteration.key,
        kind="altered",
        genre=None if alteration.over else recording.genre,
        split="train",
        group=recording.group,
        is_measurable=recording.is_measurable,
        labelled_by_people=recording.labelled_by_people,
        licence=recording.licence,
        origin=" over ".join(part.key for part in (alteration.over, recording) if part),
    )


def altered(sound: Sound, rng: random.Random, *, over: Sound | None = None) -> Sound:
    """The sound as it might reach somebody, at most DURATION_S long.

    Args:
        sound: what is altered; not changed itself.
        rng: source of every choice.
        over: other music to mix in, from as loud as the sound to 14 dB softer.
    """
    samples = level(_played(sound, rng), _LEVEL_DB)
    if over is not None:
        samples = _sum(samples, level(_played(over, rng), _LEVEL_DB) * np.float32(10 ** (rng.uniform(-14, 0) / 20)))
    chain = _chain(rng)
    treated = np.asarray(Pedalboard(chain)(samples, SAMPLE_RATE_HZ), np.float32)[: len(samples)] if chain else samples
    peak = rng.uniform(0.05, 1.0) if rng.random() < 0.3 else rng.uniform(0.5, 1.0)
    treated = treated * np.float32(peak / (np.abs(treated).max() + 1e-6))
    if rng.random() < 0.08:  # overdriven at the end of everything
        treated = np.clip(treated * np.float32(rng.uniform(1.5, 4.0)), -1.0, 1.0)
    return Sound(_edges(treated, rng), SAMPLE_RATE_HZ)


def _played(sound: Sound, rng: random.Random) -> NDArray[np.float32]:
    """The samples at our rate, in most cases at another speed, tempo and pitch alike."""
    speed = rng.uniform(*_SPEEDS) if rng.random() < 0.65 else 1.0
    resampled = soxr.resample(sound.samples, sound.sample_rate_hz * speed, SAMPLE_RATE_HZ, quality="MQ")
    return np.asarray(resampled[: round(DURATION_S * SAMPLE_RATE_HZ)], np.float32)


def _sum(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both together, the second repeated or cut to the length of the first."""
    return first + np.resize(second, len(first)) if len(second) else first


def _chain(rng: random.Random) -> list[pedalboard.Plugin]:
    """Equaliser, loudspeaker, amplifier, compressor, room and codec: each on some sounds only."""
    chain: list[pedalboard.Plugin] = []
    if rng.random() < 0.7:
        chain += [
            pedalboard.LowShelfFilter(rng.uniform(80, 400), rng.uniform(-10, 8)),
            pedalboard.PeakFilter(rng.uniform(300, 4000), rng.uniform(-8, 8), rng.uniform(0.4, 1.4)),
            pedalboard.HighShelfFilter(rng.uniform(2000, 7000), rng.uniform(-12, 9)),
        ]
    if rng.random() < 0.15:
        chain.append(pedalboard.LowpassFilter(rng.uniform(2500, 9000)))
    if rng.random() < 0.15:
        chain.append(pedalboard.HighpassFilter(rng.uniform(80, 500)))
    if rng.random() < 0.1:
        chain.append(pedalboard.Distortion(rng.uniform(3, 20)))
    if rng.random() < 0.35:
        chain += [pedalboard.Compressor(rng.uniform(-32, -16), rng.uniform(2, 8)), pedalboard.Gain(6.0)]
    if rng.random() < 0.25:
        chain.append(pedalboard.Reverb(room_size=rng.uniform(0.1, 0.95), wet_level=rng.uniform(0.05, 0.45)))
    if rng.random() < 0.15:
        chain.append(pedalboard.MP3Compressor(rng.uniform(1, 9)))
    return chain


def _edges(samples: NDArray[np.float32], rng: random.Random) -> NDArray[np.float32]:
    """Some sounds begin with silence or fade in, as tracks do."""
    if rng.random() < 0.25:
        silent = np.zeros(round(rng.uniform(0.05, 2.5) * SAMPLE_RATE_HZ), np.float32)
        samples = np.concatenate([silent, samples])[: len(samples)]
    if rng.random() < 0.15:
        length = min(len(samples), round(rng.uniform(0.5, 8.0) * SAMPLE_RATE_HZ))
        samples = samples.copy()
        samples[:length] *= np.linspace(0.0, 1.0, length, dtype=np.float32) ** 2
    return samples
