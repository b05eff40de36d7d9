"""Reading corpus files at their full rate: sound files through libsndfile, note lists through what plays them.

The application's own decoder gives 22 050 Hz; teachers want more of the sound, and tracker modules and MIDI files
are no audio files.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

__all__ = ["SOUND_FONTS", "Sound", "play_midi", "read_sound"]

#: Note lists with their samples, played by libopenmpt.
_MODULES: Final = frozenset({".mod", ".xm", ".s3m", ".it", ".stm"})

#: Note lists without samples, played by FluidSynth.
_MIDI: Final = frozenset({".mid", ".midi"})

#: Debian's `fluid-soundfont-gm` (MIT), which MIDI files are played with, and `timgm6mb-soundfont` (GPL).
SOUND_FONTS: Final = (Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"), Path("/usr/share/sounds/sf2/TimGM6mb.sf2"))
_MIDI_RATE_HZ: Final = 44_100


@dataclass(frozen=True)
class Sound:
    """Mono samples (n,) at `sample_rate_hz`."""

    samples: NDArray[np.float32]
    sample_rate_hz: int

    def at(self, sample_rate_hz: int) -> NDArray[np.float32]:
        """The samples resampled to another rate."""
        return np.asarray(soxr.resample(self.samples, self.sample_rate_hz, sample_rate_hz), np.float32)


def read_sound(path: Path, *, max_s: float, offset_s: float = 0.0) -> Sound:
    """At most `max_s` seconds of a sound, module or MIDI file, from `offset_s` on or, in shorter ones, up to the end.

    Raises:
        soundfile.LibsndfileError: the file cannot be decoded.
        OSError, subprocess.SubprocessError: the notes cannot be played.
    """
    suffix = path.suffix.lower()
    if suffix not in _MODULES | _MIDI:
        return _read_file(path, max_s, offset_s)
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder) / "played.wav"
        if suffix in _MODULES:
            _play_module(path, rendered, offset_s + max_s)
        else:
            play_midi(path, rendered, SOUND_FONTS[0], _MIDI_RATE_HZ)
        return _read_file(rendered, max_s, offset_s)


def _play_module(path: Path, target: Path, max_s: float) -> None:
    options = ["--quiet", "--batch", "--end-time", str(max_s), "--output", str(target)]
    subprocess.run(["openmpt123", *options, str(path)], check=True, capture_output=True, timeout=120)


def play_midi(path: Path, target: Path, font: Path, sample_rate_hz: int, *options: str) -> None:
    """Writes the WAV file that FluidSynth makes of a MIDI file with a SoundFont.

    Raises:
        FileNotFoundError: there is no such SoundFont, with which FluidSynth would play silence, or no FluidSynth.
        subprocess.SubprocessError: it failed, or took more than two minutes.
    """
    if not font.is_file():
        raise FileNotFoundError(f"{font} is missing. Install fluid-soundfont-gm and timgm6mb-soundfont.")
    usual = ["-ni", "-q", "-r", str(sample_rate_hz), "-g", "0.4", "-O", "s16", "-T", "wav", "-F", str(target)]
    quick = ["-o", "synth.dynamic-sample-loading=1"]
    command = ["fluidsynth", *usual, *quick, *options, str(font), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _read_file(path: Path, max_s: float, offset_s: float) -> Sound:
    with soundfile.SoundFile(path) as file:
        last_start = max(0, file.frames - int(max_s * file.samplerate))
        file.seek(min(int(offset_s * file.samplerate), last_start))
        frames = file.read(int(max_s * file.samplerate), dtype="float32", always_2d=True)
        return Sound(frames.mean(axis=1), file.samplerate)
