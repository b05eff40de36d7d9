"""The songs of a library that are nearest to one: cosine of the features that the network's last layer reads."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acousticsense.errors import LibraryError, printable
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.features import BatchFeatures, FeatureTable
from acousticsense.library.identity import FileStamp, stamp
from acousticsense.library.rows import RowError


@dataclass(frozen=True, kw_only=True)
class SimilarSong:
    """A song near another one.

    Attributes:
        similarity: cosine of the two songs' features, -1..1; 1 is the same sound.
        genre: its likeliest genre by the model; empty for what is not music.
    """

    path: str
    similarity: float
    genre: str
    confidence: float | None


class SongIndex:
    """Songs that can be searched, exactly: every one is compared. Safe to share between threads.

    Args:
        songs: each song under its path as the file system has it, and its vector of length 1.
    """

    def __init__(self, songs: Iterable[tuple[SimilarSong, NDArray[np.float32]]]) -> None:
        pairs = list(songs)
        self._songs = [song for song, _ in pairs]
        self._vectors = np.stack([vector for _, vector in pairs]) if pairs else np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._songs)

    def nearest(self, vector: NDArray[np.float32], top_k: int, *, without: str = "") -> tuple[SimilarSong, ...]:
        """The `top_k` songs nearest to a vector of length 1, best first, but for the file `without`, however named."""
        if not self._songs:
            return ()
        similarities = self._vectors @ vector
        best = np.argsort(-similarities, kind="stable").tolist()
        others = (place for place in best if not without or not _is_same(self._songs[place].path, without))
        return tuple(
            replace(song, path=printable(song.path), similarity=float(np.clip(similarities[place], -1, 1)))
            for place in islice(others, top_k)
            for song in [self._songs[place]]
        )


def _is_same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):  # one of them is gone
        return path == other


def index_of(table: FeatureTable, among: Container[str] | None = None) -> SongIndex:
    """The songs of a table that still exist; of those in `among` where that is given."""
    return SongIndex(
        (SimilarSong(path=path, similarity=1.0, genre=s.genre, confidence=s.confidence), s.vector)
        for path, s in table.songs()
        if (among is None or path in among) and Path(path).exists()
    )


def fill(
    table: FeatureTable,
    stage: BatchFeatures,
    paths: Iterable[str],
    options: EngineOptions | None = None,
    report: Callable[[str, RowError | None], None] = lambda _path, _error: None,
) -> None:
    """Computes the vectors that are not there or no longer hold; can be stopped at any moment and called again.

    Args:
        paths: local files.
        report: told of each file that was computed, with the reason where it could not be.

    Raises:
        LibraryError: the ledger cannot be used, or decoder processes cannot be started.
    """
    stamps: dict[str, FileStamp] = {}

    def missing() -> Iterable[str]:
        for path in paths:
            found = stamp(path)
            if found is None:
                report(path, RowError.of(LibraryError("There is no such file.")))
            elif not table.has(path, found):
                stamps[path] = found
                yield path

    for batch in LocalEngine(stage, stage.recipe, options).rows(missing()):
        table.put([(path, song, stamps.pop(path)) for path, song in batch])
        for path, song in batch:
            report(path, song.error)


def similar_payload(songs: Iterable[SimilarSong], n_songs: int) -> dict[str, object]:
    """Songs as JSON values, as REST and command line give them."""
    return {
        "similar": [
            {
                "path": song.path,
                "similarity": round(song.similarity, 6),
                "genre": song.genre or None,
                "confidence": song.confidence,
            }
            for song in songs
        ],
        "songs": n_songs,
    }


def is_ledger(place: str) -> bool:
    """Whether a place is to be opened as a ledger: it is an SQLite file. `Ledger` refuses those of other programs."""
    try:
        with Path(place).open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False
