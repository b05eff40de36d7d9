"""The work folder's tracks: one log-mel spectrogram and the teachers' view of each, as plain files.

A track is `tracks/KEY.json` (what it is) and `tracks/KEY.npz` (its arrays). The log-mel is kept at full time resolution
and before it becomes a picture, so that windows and augmentation are cut from it at no cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acousticsense.training.sources import Split

__all__ = ["Arrays", "Track", "TrackStore"]

Kind = Literal["real", "rendered", "not_music"]


@dataclass(frozen=True, kw_only=True)
class Track:
    """What a stored track is.

    Attributes:
        key: its name in the store.
        kind: a recording, music rendered here, or something that is not music.
        genre: one of the genres; None when unknown or not music.
        split: what it may be used for.
        group: tracks of one group (package, groove file, generator) never lie in two splits.
        is_measurable: its label is sure and independent enough to be measured against.
        labelled_by_people: its label, if there is one, is not a network's guess.
        licence: of the audio or of what it was rendered from.
        origin: where the audio comes from, in words.
        sha256: of the audio file; empty for rendered audio, which a seed defines.
    """

    key: str
    kind: Kind
    genre: str | None
    split: Split
    group: str
    is_measurable: bool = False
    labelled_by_people: bool = True
    licence: str = ""
    origin: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Arrays:
    """The arrays of one track with W windows.

    Attributes:
        log_mel: float16 (n_mels, frames), row 0 the lowest band.
        starts_s: float32 (W,), where each window begins.
        features: float32 (W, D), the teachers' features side by side.
        scores: float32 (W, S), the teachers' logits side by side.
    """

    log_mel: NDArray[np.float16]
    starts_s: NDArray[np.float32]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]


class TrackStore:
    """A folder of tracks that grows track by track; a track is in it wholly or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, key: str) -> bool:
        return (self._folder / f"{key}.json").exists()

    def add(self, track: Track, arrays: Arrays) -> None:
        """Writes the arrays first and the description last, so that a stop in between leaves no half track."""
        np.savez(self._folder / f"{track.key}.npz", **vars(arrays))
        partial = self._folder / f"{track.key}.partial"
        partial.write_text(json.dumps(asdict(track), ensure_ascii=False), encoding="utf-8")
        partial.rename(self._folder / f"{track.key}.json")

    def tracks(self) -> Iterator[Track]:
        """All tracks in the order of their names."""
        for path in sorted(self._folder.glob("*.json")):
            yield Track(**json.loads(path.read_text(encoding="utf-8")))

    def arrays(self, track: Track) -> Arrays:
        """The arrays of a stored track."""
        with np.load(self._folder / f"{track.key}.npz") as stored:
            return Arrays(**stored)
