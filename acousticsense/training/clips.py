"""Prepared recordings: their spectrograms, and the teachers' features of windows of them, one file a recording.

Spectrograms are kept as the waveform is, with the energy of every frame beside them: whatever window is cut out is
brought to the recipe's level as the application does it with waveforms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.models.genres import GENRES
from acousticsense.spectrogram import NATIVE_MEL, NATIVE_WINDOWS, SpectrogramKind
from acousticsense.training.recordings import SOUNDS, Recording

__all__ = ["NOT_MUSIC_INDEX", "N_OUTPUTS", "WINDOW_FRAMES", "Clip", "clip_file", "load_clips", "log_values"]

Floats = NDArray[np.float32]

#: The output after the genres: "this is not music".
NOT_MUSIC_INDEX: Final = len(GENRES)
N_OUTPUTS: Final = NOT_MUSIC_INDEX + 1

#: Frames of one window: 431.
WINDOW_FRAMES: Final = 1 + round(NATIVE_WINDOWS.window_s * NATIVE_MEL.sample_rate_hz) // NATIVE_MEL.hop_length


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One recording, prepared.

    Attributes:
        recording: which.
        mel: (128, frames) natural logarithm of power.
        cqt: (84, frames) natural logarithm of magnitude.
        energy: (frames,) sum of squares of the samples of each hop.
        duration_s: of the recording; shorter ones were repeated to fill a window.
        starts_s: (W,) where the teachers' windows begin.
        features: (W, F) the teachers' features side by side.
        scores: (W, S) their logits side by side.
    """

    recording: Recording
    mel: NDArray[np.float16]
    cqt: NDArray[np.float16]
    energy: Floats
    duration_s: float
    starts_s: Floats
    features: Floats
    scores: Floats

    @property
    def label(self) -> int | None:
        """Index of its class, if people said it."""
        if self.recording.package == SOUNDS:
            return NOT_MUSIC_INDEX
        genre = self.recording.genre
        return GENRES.index(genre) if genre and self.recording.is_labelled else None

    @property
    def n_frames(self) -> int:
        """Frames of its spectrograms."""
        return int(self.mel.shape[1])


def clip_file(folder: Path, recording: Recording) -> Path:
    """Where a recording is kept once it is prepared."""
    return folder / f"{hashlib.sha1(recording.key.encode()).hexdigest()[:16]}.npz"


def load_clips(folder: Path, recordings: Iterable[Recording]) -> list[Clip]:
    """Those recordings that are prepared."""
    return [_load(path, recording) for recording in recordings if (path := clip_file(folder, recording)).exists()]


def _load(path: Path, recording: Recording) -> Clip:
    with np.load(path) as file:
        arrays = {name: file[name] for name in ("mel", "cqt", "energy", "starts_s", "features", "scores")}
        return Clip(recording=recording, duration_s=float(file["duration_s"]), **arrays)


def log_values(clip: Clip, kind: SpectrogramKind, frames: NDArray[np.int64], level_dbfs: float = -20.0) -> Floats:
    """What the recipe's logarithm gives for a window made of `frames`: (bins, len(frames)).

    Args:
        clip: prepared.
        kind: mel or cqt.
        frames: indices, as a rule one after the other.
        level_dbfs: RMS level to which the window is brought.
    """
    power = float(clip.energy[np.minimum(frames[:-1], len(clip.energy) - 1)].mean()) / NATIVE_MEL.hop_length
    gain_db = level_dbfs - 10 * np.log10(max(power, 1e-20))
    values = (clip.mel if kind == "mel" else clip.cqt)[:, frames].astype(np.float32)
    values += np.log(10) * gain_db / (10 if kind == "mel" else 20)
    return np.asarray(np.logaddexp(values, np.log(NATIVE_MEL.log_offset)), np.float32)
