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
    if path.suffix.lower() not in _MODULES | _MIDI:
        return _read_file(path, max_s)
    with tempfile.TemporaryDirectory() as folder:
        played = Path(folder) / "played.wav"
        subprocess.run(_player(path, played, max_s), check=True, capture_output=True, timeout=120)
        return _read_file(played, max_s)


def _player(notes: Path, target: Path, max_s: float) -> list[str]:
    """The command that plays notes into a wav file."""
    if notes.suffix.lower() in _MODULES:
        options = ["--quiet", "--batch", "--end-time", str(max_s), "--output", str(target)]
        return ["openmpt123", *options, str(notes)]
    if not _SOUND_FONT.is_file():  # FluidSynth would play silence
        raise FileNotFoundError(f"{_SOUND_FONT} is missing. Install fluid-soundfont-gm.")
    options = ["-ni", "-q", "-r", str(_MIDI_RATE_HZ), "-g", "0.4", "-O", "s16", "-T", "wav", "-F", str(target)]
    return ["fluidsynth", *options, "-o", "synth.dynamic-sample-loading=1", str(_SOUND_FONT), str(notes)]


def _read_file(path: Path, max_s: float) -> Sound:
    with soundfile.SoundFile(path) as file:
        frames = file.read(int(max_s * file.samplerate), dtype="float32", always_2d=True)
        return Sound(frames.mean(axis=1), file.samplerate)
