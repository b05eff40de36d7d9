"""The library that a server searches for similar songs: read once, and again when its ledger has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from acousticsense.audio.source import Source
from acousticsense.errors import RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.features import song_features
from acousticsense.library.features import BatchFeatures, FeatureTable
from acousticsense.library.similar import SimilarSong, SongIndex, index_of
from acousticsense.settings import Settings


class Neighbours:
    """Songs near one. Safe to share between threads.

    Args:
        classifier: gives the classifier of a name; "" is the default, whose features are compared.
    """

    def __init__(self, settings: Settings, classifier: Callable[[str], GenreClassifier]) -> None:
        self._library = settings.library
        self._classifier = classifier
        self._lock = threading.Lock()
        self._read: tuple[object, SongIndex] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the server has a library."""
        return bool(self._library)

    def nearest(self, source: Source, top_k: int) -> tuple[tuple[SimilarSong, ...], int]:
        """The `top_k` songs nearest to one, best first, and how many were compared.

        Raises:
            RequestError: the server has no library, or it holds no song that can be compared.
            AudioError: not audio, over a limit, or nothing in it.
            LibraryError: the ledger cannot be used.
        """
        if not self._library:
            raise RequestError(
                "This server has no library to search.",
                hint="Whoever runs it can name one with ACOUSTICSENSE_LIBRARY.",
            )
        classifier = self._classifier("")
        index = self._index(classifier)
        if not len(index):
            raise RequestError(
                "The library of this server holds no song that can be compared.",
                hint="Whoever runs it can fill it: acousticsense similar --in MUSIC --ledger LIBRARY.",
            )
        return index.nearest(song_features(classifier, source).vector, top_k), len(index)

    def _index(self, classifier: GenreClassifier) -> SongIndex:
        with self._lock:
            now = _last_write(Path(self._library))
            if self._read is None or self._read[0] != now:
                table = FeatureTable(Path(self._library), BatchFeatures(classifier).digest)
                self._read = (_last_write(Path(self._library)), index_of(table))
            return self._read[1]


def _last_write(ledger: Path) -> object:
    """Changes with each write: SQLite appends to the file beside, and moves that into the ledger later."""
    places = (ledger, ledger.with_name(f"{ledger.name}-wal"))
    states = [place.stat() for place in places if place.exists()]
    return [(state.st_size, state.st_mtime_ns) for state in states]
