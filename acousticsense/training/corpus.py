"""Preparing recordings: their sound, first images and the teachers' features, written once into the work folder."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from acousticsense.files import atomic_write
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS
from acousticsense.training.clips import clip_file, is_prepared, waveform_file
from acousticsense.training.decode import Sound, read_sound
from acousticsense.training.images import first_images
from acousticsense.training.recordings import SOUNDS, Recording
from acousticsense.training.sounds import sound_of
from acousticsense.training.teachers.teachers import Teachers

logger = logging.getLogger(__name__)

#: Of long tracks only the beginning is used.
_LONGEST_S: Final = 90.0

#: The teachers get at most so many windows, which begin at least so far apart.
_MOST_WINDOWS: Final = 8
_APART_S: Final = 6.0

#: Shorter sounds, and softer ones throughout, are no recordings.
_SHORTEST_S: Final = 0.5
_SOFTEST: Final = 1e-4

_CANNOT_BE_READ: Final = (OSError, soundfile.LibsndfileError, subprocess.SubprocessError)


def prepare(recordings: Iterable[tuple[Recording, Path]], make_teachers: Callable[[], Teachers], folder: Path) -> int:
    """Prepares every recording that is not yet there; returns how many there are then. What cannot be read is logged.

    Args:
        recordings: each with the file it is in (which sounds that are made here have not).
        make_teachers: reads the teachers, which cannot be handed from process to process.
        folder: where clips are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    teachers, count = make_teachers(), 0
    for recording, path in recordings:
        target = clip_file(folder, recording)
        if not is_prepared(target):
            try:
                sound = sound_of(recording) if recording.package == SOUNDS else read_sound(path, max_s=_LONGEST_S)
            except _CANNOT_BE_READ as error:
                logger.warning("%s is left out: %s", recording.key, error)
                continue
            is_long = len(sound.samples) >= _SHORTEST_S * sound.sample_rate_hz
            # The maximum of samples with NaN is NaN, which fails every comparison.
            if not (is_long and _SOFTEST <= np.abs(sound.samples).max() < np.inf):
                logger.warning("%s is left out: there is no sound that could be used", recording.key)
                continue
            _write(target, sound, teachers)
        count += 1
    return count


def prepare_side_by_side(
    recordings: Sequence[tuple[Recording, Path]], make_teachers: Callable[[], Teachers], folder: Path, processes: int
) -> int:
    """As `prepare`, in so many processes of one thread each."""
    shares = [recordings[first::processes] for first in range(processes)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return sum(pool.map(prepare, shares, repeat(make_teachers), repeat(folder)))


def _write(target: Path, sound: Sound, teachers: Teachers) -> None:
    """Writes one clip, its sound first: a clip is there once its features are, which appear whole."""
    target.unlink(missing_ok=True)  # an earlier one would make half a clip look whole
    loudest = np.abs(sound.samples).max()
    np.save(waveform_file(target), np.round(sound.samples / loudest * np.iinfo(np.int16).max).astype(np.int16))
    starts_s = window_starts(len(sound.samples) / sound.sample_rate_hz)
    features, scores = teachers(sound, starts_s, NATIVE_WINDOWS.window_s)
    images = first_images(sound)
    with atomic_write(target) as file:
        np.savez(
            file,
            sample_rate_hz=sound.sample_rate_hz,
            images=images,
            starts_s=starts_s,
            features=features,
            scores=scores,
        )


def window_starts(duration_s: float) -> NDArray[np.float32]:
    """Where the teachers' windows begin, spread evenly; the first begins at 0.

    >>> window_starts(25.0).tolist()
    [0.0, 7.5, 15.0]
    """
    rest_s = max(0.0, duration_s - NATIVE_WINDOWS.window_s)
    count = min(_MOST_WINDOWS, 1 + int(rest_s // _APART_S))
    return np.linspace(0.0, rest_s, count, dtype=np.float32) if count > 1 else np.zeros(1, np.float32)
