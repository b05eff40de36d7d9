"""From audio to a stored track: its log-mel spectrogram and what the teachers hear in it."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, NATIVE_WINDOWS
from acousticsense.spectrogram.images import log_spectrogram
from acousticsense.training.decode import Sound, read_sound
from acousticsense.training.fetch import Fetched, fetch
from acousticsense.training.sources import Recording
from acousticsense.training.store import Arrays, Track, TrackStore
from acousticsense.training.teachers.panel import TeacherPanel

__all__ = ["MAX_TRACK_S", "ingest", "ingest_recordings", "window_starts"]

logger = logging.getLogger(__name__)

#: Of long tracks only the beginning is used.
MAX_TRACK_S: Final = 100.0

#: Between the windows that mn04 hears alone.
_MN04_HOP_S: Final = 5.0


def window_starts(duration_s: float, *, window_s: float, most: int) -> NDArray[np.float32]:
    """Where at most `most` windows begin, spread evenly; the first begins at 0.

    >>> window_starts(100.0, window_s=10.0, most=3).tolist()
    [0.0, 45.0, 90.0]
    """
    count = max(1, min(most, int(duration_s // window_s)))
    return (
        np.linspace(0.0, max(0.0, duration_s - window_s), count, dtype=np.float32) if count > 1 else np.zeros(1, "f4")
    )


def ingest(sound: Sound, track: Track, store: TrackStore, panel: TeacherPanel, *, most_windows: int) -> None:
    """Adds one track to the store."""
    window_s = NATIVE_WINDOWS.window_s
    waveform = sound.at(NATIVE_MEL.sample_rate_hz)
    waveform = np.resize(waveform, max(len(waveform), round(window_s * NATIVE_MEL.sample_rate_hz)))
    log_mel, log_cqt = (
        log_spectrogram(torch.from_numpy(waveform), front_end).numpy().astype(np.float16)
        for front_end in (NATIVE_MEL, NATIVE_CQT)
    )
    duration_s = len(sound.samples) / sound.sample_rate_hz
    starts_s = window_starts(duration_s, window_s=window_s, most=most_windows)
    features, scores = panel(sound, starts_s, window_s)
    close_s = np.arange(0.0, max(duration_s - window_s, 0.0) + 1e-6, _MN04_HOP_S, dtype=np.float32)
    close_features, close_scores = panel.mn04(sound, close_s, window_s)
    store.add(
        track,
        Arrays(
            log_mel=log_mel,
            log_cqt=log_cqt,
            starts_s=starts_s,
            features=features,
            scores=scores,
            mn04_starts_s=close_s,
            mn04_features=close_features.astype(np.float16),
            mn04_scores=close_scores.astype(np.float16),
        ),
    )


def ingest_recordings(
    recordings: tuple[Recording, ...],
    store: TrackStore,
    panel: TeacherPanel,
    *,
    work: Path,
    free_recordings: Path | None,
    most_windows: int,
) -> None:
    """Fetches and stores every recording that is not in the store yet."""
    missing = tuple(recording for recording in recordings if recording.key not in store)
    logger.info("%d of %d recordings to fetch", len(missing), len(recordings))
    for fetched in fetch(missing, work, free_recordings=free_recordings):
        try:
            sound = read_sound(fetched.path, max_s=MAX_TRACK_S)
            ingest(sound, _track(fetched), store, panel, most_windows=most_windows)
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            logger.warning("%s cannot be used: %s", fetched.recording.key, error)


def _track(fetched: Fetched) -> Track:
    recording = fetched.recording
    version = f" {fetched.package_version}" if fetched.package_version else ""
    return Track(
        key=recording.key,
        kind=recording.kind,
        genre=recording.genre,
        split=recording.split,
        group=recording.group,
        is_measurable=recording.is_measurable,
        labelled_by_people=recording.labelled_by_people,
        licence=recording.licence,
        origin=f"{recording.source} {recording.package}{version}: {recording.path}",
        sha256=fetched.sha256,
    )
