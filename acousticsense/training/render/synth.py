"""From parts to sound: FluidSynth with a SoundFont, then the production that a genre is used to."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pedalboard
import soundfile
from numpy.typing import NDArray
from pedalboard._pedalboard import Pedalboard  # the package does not re-export it for type checkers

from acousticsense.training.decode import SOUND_FONTS, Sound, play_midi
from acousticsense.training.render.parts import Part, write_midi

__all__ = ["SAMPLE_RATE_HZ", "Production", "drive_of", "level", "produce", "synthesise"]

#: Rate of rendered audio: the highest that a teacher asks for.
SAMPLE_RATE_HZ: Final = 32_000

#: General MIDI programs of guitars that an amplifier distorts.
_GUITARS: Final = range(26, 32)


@dataclass(frozen=True, kw_only=True)
class Production:
    """How a genre's recordings are treated: each value is a probability or an amount in 0..1."""

    loud: float = 0.4
    room: float = 0.25
    old: float = 0.05
    drive_db: float = 0.0


#: What is usual; genres that are not listed take the defaults.
_PRODUCTION: Final = {
    "Blues": Production(loud=0.3, old=0.3),
    "Classical": Production(loud=0.0, room=0.5, old=0.1),
    "Country": Production(loud=0.4, old=0.15),
    "Disco": Production(loud=0.6),
    "Electronic": Production(loud=0.9),
    "Folk": Production(loud=0.2, old=0.2),
    "Hip-Hop": Production(loud=0.8, room=0.15, old=0.1),
    "Jazz": Production(loud=0.15, old=0.25),
    "Metal": Production(loud=0.95, room=0.1, drive_db=32.0),
    "Pop": Production(loud=0.85),
    "R&B": Production(loud=0.6),
    "Rap": Production(loud=0.85, room=0.1),
    "Rock": Production(loud=0.75, room=0.2, drive_db=18.0),
    "World": Production(loud=0.2, room=0.4, old=0.1),
}


def synthesise(
    parts: tuple[Part, ...], rng: random.Random, *, duration_s: float, drive_db: float = 0.0
) -> NDArray[np.float32]:
    """Mono samples (duration_s * SAMPLE_RATE_HZ,) of all parts; `drive_db` distorts the guitars."""
    font = rng.choice(SOUND_FONTS)
    guitars = tuple(part for part in parts if not part.is_drums and part.program in _GUITARS and drive_db)
    others = tuple(part for part in parts if part not in guitars)
    total = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    if others:
        total += level(_fluidsynth(others, font, duration_s), -20)
    if guitars:
        total += level(_amplifier(_fluidsynth(guitars, font, duration_s), drive_db, rng), rng.uniform(-21, -16))
    return total


def produce(samples: NDArray[np.float32], genre: str, rng: random.Random) -> Sound:
    """Equalisation, room, compression, age and codec, drawn from what is usual for the genre."""
    usual = _PRODUCTION.get(genre, Production())
    chain: list[pedalboard.Plugin] = [
        pedalboard.LowShelfFilter(rng.uniform(80, 250), rng.uniform(-5, 5)),
        pedalboard.PeakFilter(rng.uniform(300, 3000), rng.uniform(-4, 4), rng.uniform(0.4, 1.2)),
        pedalboard.HighShelfFilter(rng.uniform(2500, 6500), rng.uniform(-5, 7)),
        pedalboard.Reverb(room_size=rng.uniform(0.1, 0.9), wet_level=rng.uniform(0, usual.room), dry_level=0.8),
    ]
    if rng.random() < usual.loud:
        chain += [pedalboard.Compressor(rng.uniform(-26, -14), rng.uniform(2, 6)), pedalboard.Gain(rng.uniform(2, 9))]
        chain.append(pedalboard.Limiter(-3.0))
    if rng.random() < usual.old:
        chain += [pedalboard.HighpassFilter(rng.uniform(100, 250)), pedalboard.LowpassFilter(rng.uniform(3000, 5500))]
    if rng.random() < 0.4:
        chain.append(pedalboard.MP3Compressor(rng.uniform(1, 8)))
    treated = Pedalboard(chain)(level(samples, -20), SAMPLE_RATE_HZ)[: len(samples)]
    noise = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(len(treated)).astype(np.float32)
    treated = treated + noise * 10 ** (rng.uniform(-95, -55) / 20)
    return Sound(treated * (rng.uniform(0.3, 0.95) / (np.abs(treated).max() + 1e-6)), SAMPLE_RATE_HZ)


def drive_of(genre: str) -> float:
    """Distortion of the genre's guitars in dB."""
    return _PRODUCTION.get(genre, Production()).drive_db


def _fluidsynth(parts: tuple[Part, ...], font: Path, duration_s: float) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        write_midi(parts, midi)
        play_midi(midi, wav, font, SAMPLE_RATE_HZ, "-R", "0", "-C", "0")
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    wanted = round(duration_s * SAMPLE_RATE_HZ)
    mono = samples.mean(axis=1)[:wanted]
    return np.pad(mono, (0, wanted - len(mono))).astype(np.float32)


def _amplifier(samples: NDArray[np.float32], drive_db: float, rng: random.Random) -> NDArray[np.float32]:
    """A distorting guitar amplifier and its loudspeaker."""
    chain = [
        pedalboard.HighpassFilter(rng.uniform(70, 160)),
        pedalboard.Distortion(drive_db * rng.uniform(0.75, 1.1)),
        pedalboard.LowpassFilter(rng.uniform(3500, 6000)),
        pedalboard.PeakFilter(rng.uniform(400, 900), rng.uniform(-7, 2), 0.8),
    ]
    return np.asarray(Pedalboard(chain)(level(samples, -20), SAMPLE_RATE_HZ), dtype=np.float32)


def level(samples: NDArray[np.float32], rms_db: float) -> NDArray[np.float32]:
    """The samples at a root mean square level in dB below full scale; silence stays silent."""
    rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    return samples * np.float32(10 ** (rms_db / 20) / rms) if rms > 1e-6 else samples
