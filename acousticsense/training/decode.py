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
from numpy.typing import NDArray

from acousticsense.audio.resample import at_rate

__all__ = ["Sound", "read_sound"]

#: Note lists with their samples, played by libopenmpt.
_MODULES: Final = frozenset({".mod", ".xm", ".s3m", ".it", ".stm"})

#: Note lists without samples, played by FluidSynth.
_MIDI: Final = frozenset({".mid", ".midi"})

#: Debian's `fluid-soundfont-gm` (MIT), which MIDI files are played with.
_SOUND_FONT: Final = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_MIDI_RATE_HZ: Final = 44_100


@dataclass(frozen=True)
class Sound:
    """Mono samples (n,) at `sample_rate_hz`."""

    samples: NDArray[np.float32]
    sample_rate_hz: float

    def at(self, sample_rate_hz: int) -> NDArray[np.float32]:
        """The samples at another rate, as the application resamples them."""
        return at_rate(self.samples, self.sample_rate_hz, sample_rate_hz)


def read_sound(path: Path, *, max_s: float) -> Sound:
    """At most `max_s` seconds from the beginning of a sound, module or MIDI file.

    Raises:
        soundfile.LibsndfileError: the file cannot be decoded.
        OSError, subprocess.SubprocessError: the notes cannot be played.
    """
    suffix = path.suffix.lower()
    if suffix not in _MODULES | _MIDI:
        return _read_file(path, max_s)
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder) / "played.wav"
        if suffix in _MODULES:
            _play_module(path, rendered, max_s)
        else:
            _play_midi(path, rendered)
        return _read_file(rendered, max_s)


def _play_module(path: Path, target: Path, max_s: float) -> None:
    options = ["--quiet", "--batch", "--end-time", str(max_s), "--output", str(target)]
    subprocess.run(["openmpt123", *options, str(path)], check=True, capture_output=True, timeout=120)


def _play_midi(path: Path, target: Path) -> None:
    """Without its SoundFont, FluidSynth would play silence."""
    if not _SOUND_FONT.is_file():
        raise FileNotFoundError(f"{_SOUND_FONT} is missing. Install fluid-soundfont-gm.")
    usual = ["-ni", "-q", "-r", str(_MIDI_RATE_HZ), "-g", "0.4", "-O", "s16", "-T", "wav", "-F", str(target)]
    command = ["fluidsynth", *usual, "-o", "synth.dynamic-sample-loading=1", str(_SOUND_FONT), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _read_file(path: Path, max_s: float) -> Sound:
    with soundfile.SoundFile(path) as file:
        frames = file.read(int(max_s * file.samplerate), dtype="float32", always_2d=True)
        return Sound(frames.mean(axis=1), file.samplerate)
