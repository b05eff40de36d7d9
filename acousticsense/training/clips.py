"""Prepared recordings: their sound, images of how it begins, and the teachers' features; two files a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from acousticsense.models.genres import GENRES
from acousticsense.training.recordings import SOUNDS, Recording

Floats = NDArray[np.float32]

#: The output after the genres: "this is not music".
NOT_MUSIC_INDEX: Final = len(GENRES)
N_OUTPUTS: Final = NOT_MUSIC_INDEX + 1


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One recording, prepared.

    Attributes:
        recording: which.
        file: its `clip_file`, out of which `images` and `waveform` are read when they are asked for.
        sample_rate_hz: of the waveform, as the recording has it.
        starts_s: (W,) where the teachers' windows begin.
        features: (W, F) the teachers' features side by side.
        scores: (W, S) their logits side by side.
    """

    recording: Recording
    file: Path
    sample_rate_hz: int
    starts_s: Floats
    features: Floats
    scores: Floats

    @property
    def waveform(self) -> NDArray[np.int16]:
        """Samples (n,), the largest magnitude 32,767; mapped, so that slices read no more than needed."""
        return cast(NDArray[np.int16], np.load(waveform_file(self.file), mmap_mode="r"))

    @property
    def images(self) -> NDArray[np.uint8]:
        """The mel and the cqt image (2, S, S) that the application draws of its first window."""
        with np.load(self.file) as arrays:
            return cast(NDArray[np.uint8], arrays["images"])

    @property
    def label(self) -> int | None:
        """Index of its class, if people said it."""
        if self.recording.package == SOUNDS:
            return NOT_MUSIC_INDEX
        genre = self.recording.genre
        return GENRES.index(genre) if genre and self.recording.is_labelled else None


def clip_file(folder: Path, recording: Recording) -> Path:
    """Where images, sample rate and teachers' features of a recording are kept once it is prepared."""
    return folder / f"{hashlib.sha1(recording.key.encode()).hexdigest()[:16]}.npz"


def waveform_file(path: Path) -> Path:
    """Where the sound of a recording is kept, beside its `clip_file`."""
    return path.with_suffix(".npy")


def load_clips(folder: Path, recordings: Iterable[Recording]) -> list[Clip]:
    """Those recordings that are prepared."""
    found = ((clip_file(folder, recording), recording) for recording in recordings)
    return [_load(path, recording) for path, recording in found if is_prepared(path)]


def is_prepared(path: Path) -> bool:
    """Whether both files of a recording are there."""
    return path.exists() and waveform_file(path).exists()


def _load(path: Path, recording: Recording) -> Clip:
    with np.load(path) as file:
        arrays = {name: file[name] for name in ("starts_s", "features", "scores")}
        return Clip(recording=recording, file=path, sample_rate_hz=int(file["sample_rate_hz"]), **arrays)
