"""The store in memory: every window that can be drawn, with what the student should say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.models.genres import GENRES
from acousticsense.spectrogram.front_end import NATIVE_MEL, NATIVE_WINDOWS
from acousticsense.spectrogram.images import frame_s
from acousticsense.training.sources import Split
from acousticsense.training.store import Arrays, Track, TrackStore

__all__ = [
    "NOT_MUSIC_INDEX",
    "N_OUTPUTS",
    "WINDOW_FRAMES",
    "CloseWindows",
    "Item",
    "Windows",
    "close_windows",
    "cut",
    "load_items",
    "windows_of",
]

#: Output after the genres: "this is not music".
NOT_MUSIC_INDEX: Final = len(GENRES)
N_OUTPUTS: Final = len(GENRES) + 1

#: Spectrogram frames in one window.
WINDOW_FRAMES: Final = 1 + round(NATIVE_WINDOWS.window_s * NATIVE_MEL.sample_rate_hz) // NATIVE_MEL.hop_length


@dataclass(frozen=True)
class Item:
    """A stored track in memory."""

    track: Track
    arrays: Arrays

    @property
    def label(self) -> int | None:
        """Output index of what the track is known to be; None when unknown."""
        if self.track.kind == "not_music":
            return NOT_MUSIC_INDEX
        return GENRES.index(self.track.genre) if self.track.genre else None


@dataclass(frozen=True)
class Windows:
    """All W windows of some items, flat.

    Attributes:
        item: (W,) index of the item.
        start: (W,) first frame.
        features: (W, D) of the teachers.
        scores: (W, S) of the teachers.
    """

    item: NDArray[np.int64]
    start: NDArray[np.int64]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class CloseWindows:
    """All V windows that mn04 alone heard, which lie close together: what students are shown.

    Attributes:
        item: (V,) index of the item.
        start: (V,) first frame.
        heard: (V,) index into `Windows` of the nearest window of the same item that all teachers heard.
        features: (V, 384) of mn04.
    """

    item: NDArray[np.int64]
    start: NDArray[np.int64]
    heard: NDArray[np.int64]
    features: NDArray[np.float32]


def load_items(store: TrackStore, *splits: Split) -> list[Item]:
    """The tracks of some splits with their arrays."""
    return [Item(track, store.arrays(track)) for track in store.tracks() if track.split in splits]


def windows_of(items: list[Item]) -> Windows:
    """Every window of the items that the teachers heard."""
    seconds = frame_s(NATIVE_MEL)
    counts = [len(item.arrays.starts_s) for item in items]
    return Windows(
        item=np.repeat(np.arange(len(items)), counts),
        start=np.concatenate([np.round(item.arrays.starts_s / seconds).astype(np.int64) for item in items]),
        features=np.concatenate([item.arrays.features for item in items]),
        scores=np.concatenate([item.arrays.scores for item in items]),
    )


def close_windows(items: list[Item]) -> CloseWindows:
    """Every window of the items that mn04 heard."""
    seconds = frame_s(NATIVE_MEL)
    owners, starts, heard = [], [], []
    first = 0
    for index, item in enumerate(items):
        mine = item.arrays.mn04_starts_s
        nearest = np.abs(mine[:, None] - item.arrays.starts_s[None]).argmin(1)
        owners.append(np.full(len(mine), index))
        starts.append(np.round(mine / seconds).astype(np.int64))
        heard.append(first + nearest)
        first += len(item.arrays.starts_s)
    return CloseWindows(
        item=np.concatenate(owners),
        start=np.concatenate(starts),
        heard=np.concatenate(heard),
        features=np.concatenate([item.arrays.mn04_features for item in items]).astype(np.float32),
    )


def cut(log_values: NDArray[np.float16], start: int, length: int) -> NDArray[np.float32]:
    """Frames (bins, length) from `start` on, moved back where the track ends, repeated where it is too short."""
    frames = log_values.shape[1]
    first = max(0, min(start, frames - length))
    columns = (np.arange(length) % frames) if frames < length else np.arange(first, first + length)
    return log_values[:, columns].astype(np.float32)
