"""The work folder's tracks: spectrograms of each and the teachers' view of it, as plain files.

A track is `tracks/KEY.json` (what it is) and `tracks/KEY.npz` (its arrays). Spectrograms are kept at full time
resolution and before they become images, so that windows and augmentation are cut from them at no cost. What the list
of recordings says of a recording (genre, split) is read from the list, not from the store: it may be corrected or drawn
anew without hearing everything again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.training.sources import Kind, Recording, Split, recordings

__all__ = ["Arrays", "Track", "TrackStore", "counted"]


@dataclass(frozen=True, kw_only=True)
class Track:
    """What a stored track is.

    Attributes:
        key: its name in the store.
        kind: a recording, music that a network made, a stretch of either that was altered, music rendered here, or
            something that is not music.
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

    @property
    def is_recorded(self) -> bool:
        """Whether it is of the list of recordings, altered afterwards or not."""
        return self.kind in ("real", "generated", "altered")


def counted(tracks: Iterable[Track]) -> dict[str, dict[str, int]]:
    """Genre -> kind -> number of tracks; without a genre, recordings are "no label" and the rest is "not music"."""
    counts: dict[str, dict[str, int]] = {}
    for track in tracks:
        kinds = counts.setdefault(track.genre or ("no label" if track.is_recorded else "not music"), {})
        kinds[track.kind] = kinds.get(track.kind, 0) + 1
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Arrays:
    """The arrays of one track with W windows that every teacher heard and V that mn04 heard.

    Attributes:
        log_mel: float16 (n_mels, frames), row 0 the lowest band.
        log_cqt: float16 (n_bins, frames), row 0 the lowest bin.
        starts_s: float32 (W,), where each window begins.
        features: float32 (W, D), the teachers' features side by side.
        scores: float32 (W, S), the teachers' logits side by side.
        mn04_starts_s: float32 (V,), where the windows begin that mn04 alone heard, close together.
        mn04_features: float16 (V, 384), its features.
        mn04_scores: float16 (V, 527), its logits.
    """

    log_mel: NDArray[np.float16]
    log_cqt: NDArray[np.float16]
    starts_s: NDArray[np.float32]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    mn04_starts_s: NDArray[np.float32]
    mn04_features: NDArray[np.float16]
    mn04_scores: NDArray[np.float16]

    def log_values(self, front_end: FrontEnd) -> NDArray[np.float16]:
        """The spectrogram that images of this recipe are made of."""
        return self.log_cqt if front_end.kind == "cqt" else self.log_mel


class TrackStore:
    """A folder of tracks that grows track by track; a track is in it wholly or not at all.

    Args:
        folder: made if it is not there.
        listed: what is known of recordings today; None takes the project's list.
    """

    def __init__(self, folder: Path, listed: Iterable[Recording] | None = None) -> None:
        self._folder = folder
        self._listed = {entry.key: entry for entry in (recordings() if listed is None else listed)}
        folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, key: str) -> bool:
        return (self._folder / f"{key}.json").exists()

    def track(self, key: str) -> Track | None:
        """What is stored under a key, as it was when it was stored; None when nothing is."""
        path = self._folder / f"{key}.json"
        return _read(path) if path.exists() else None

    def add(self, track: Track, arrays: Arrays) -> None:
        """Writes the arrays first and the description last, so that a stop in between leaves no half track."""
        np.savez(self._folder / f"{track.key}.npz", **vars(arrays))
        partial = self._folder / f"{track.key}.partial"
        partial.write_text(json.dumps(asdict(track), ensure_ascii=False), encoding="utf-8")
        partial.rename(self._folder / f"{track.key}.json")

    def tracks(self) -> Iterator[Track]:
        """All tracks in the order of their names; recordings that are no longer listed are left out.

        What is listed of a recording holds for a stretch that was altered from it alone, too.
        """
        for path in sorted(self._folder.glob("*.json")):
            track = _read(path)
            is_listed_itself = track.kind in ("real", "generated")
            recording = self._listed.get(track.key if is_listed_itself else track.origin)
            if recording is None:
                if not is_listed_itself:
                    yield track
            else:
                yield replace(
                    track,
                    genre=recording.genre,
                    split=recording.split,
                    group=recording.group,
                    is_measurable=recording.is_measurable,
                    labelled_by_people=recording.labelled_by_people,
                )

    def arrays(self, track: Track) -> Arrays:
        """The arrays of a stored track."""
        with np.load(self._folder / f"{track.key}.npz") as stored:
            return Arrays(**stored)


def _read(path: Path) -> Track:
    return Track(**json.loads(path.read_text(encoding="utf-8")))
