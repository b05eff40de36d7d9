"""What songs are compared by, kept in the ledger: one vector a song, computed once for each network."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from acousticsense.errors import CheckpointError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.features import features_of, song_recipe
from acousticsense.inference.prediction import ranked
from acousticsense.library.decode import FailedFile, Outcome
from acousticsense.library.identity import FileStamp, settings_digest
from acousticsense.library.ledger import BUSY_S, Ledger, ledger_errors
from acousticsense.library.rows import RowError

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS features (
    path BLOB NOT NULL, settings TEXT NOT NULL, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
    genre TEXT NOT NULL, confidence REAL, vector BLOB NOT NULL, PRIMARY KEY (path, settings)) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class KeptSong:
    """One song of a library.

    Attributes:
        genre: the likeliest one; empty for what is not music.
        vector: float32 (width,), of length 1; empty when there is an error.
        error: why there is no vector.
    """

    genre: str = ""
    confidence: float | None = None
    vector: NDArray[np.float32]
    error: RowError | None = None


class BatchFeatures:
    """The network stage: decoded files -> what songs are compared by.

    Attributes:
        digest: of the settings under which a vector counts.
    """

    def __init__(self, classifier: GenreClassifier) -> None:
        self._classifier = classifier
        self.recipe = song_recipe(classifier)
        self.digest = settings_digest(classifier.spec, self.recipe)

    def rows(self, outcomes: Sequence[Outcome]) -> list[KeptSong]:
        """One song for each outcome, in their order."""
        return [self._song(outcome) for outcome in outcomes]

    def _song(self, outcome: Outcome) -> KeptSong:
        if isinstance(outcome, FailedFile):
            return KeptSong(vector=np.empty(0, np.float32), error=outcome.error)
        try:
            features = features_of(self._classifier, torch.from_numpy(outcome.images))
        except (CheckpointError, MemoryError, RuntimeError, ValueError) as error:  # one song must not end the work
            return KeptSong(vector=np.empty(0, np.float32), error=RowError.of(error))
        if features.posterior.verdict == "not_music":
            return KeptSong(vector=features.vector)
        (best,) = ranked(features.posterior.probabilities, 1)
        return KeptSong(vector=features.vector, genre=best.label, confidence=best.confidence)


class FeatureTable:
    """The table `features` of a ledger; may be used from any thread.

    Args:
        ledger: the file; made when there is none.
        digest: vectors of other networks and excerpts are not seen.

    Raises:
        LibraryError: it cannot be opened or is no ledger of this version.
    """

    def __init__(self, ledger: Path, digest: str) -> None:
        Ledger(ledger).close()  # refuses what is no ledger
        self._path, self._digest = ledger, digest
        with self._database() as database:
            database.execute(_TABLE)

    def has(self, path: str, stamp: FileStamp | None) -> bool:
        """Whether the file's vector is there and still holds."""
        if stamp is None:
            return False
        wanted = (os.fsencode(path), self._digest, stamp.size, stamp.mtime_ns, stamp.ctime_ns)
        query = "SELECT 1 FROM features WHERE path=? AND settings=? AND size=? AND mtime_ns=? AND ctime_ns=?"
        with self._database() as database:
            return database.execute(query, wanted).fetchone() is not None

    def put(self, songs: Sequence[tuple[str, KeptSong, FileStamp]]) -> None:
        """Keeps songs, all or none; those with an error lose what was kept of them and are tried again next time."""
        values = [
            (
                os.fsencode(path),
                self._digest,
                stamp.size,
                stamp.mtime_ns,
                stamp.ctime_ns,
                song.genre,
                song.confidence,
                song.vector.tobytes(),
            )
            for path, song, stamp in songs
            if song.error is None
        ]
        failed = [(os.fsencode(path), self._digest) for path, song, _ in songs if song.error is not None]
        with self._database() as database:
            database.executemany("DELETE FROM features WHERE path=? AND settings=?", failed)
            database.executemany("INSERT OR REPLACE INTO features VALUES (?,?,?,?,?,?,?,?)", values)

    def songs(self) -> Iterator[tuple[str, KeptSong]]:
        """Path and song of all that is kept, in the order of paths."""
        with self._database() as database:
            query = "SELECT path, genre, confidence, vector FROM features WHERE settings = ? ORDER BY path"
            for path, genre, confidence, vector in database.execute(query, (self._digest,)):
                song = KeptSong(genre=genre, confidence=confidence, vector=np.frombuffer(vector, np.float32))
                yield os.fsdecode(path), song

    def known(self) -> list[str]:
        """The paths that have an answer of `acousticsense tag` or features, in order."""
        query = "SELECT path FROM rows WHERE images <> '' UNION SELECT path FROM features ORDER BY path"
        with self._database() as database:
            return [os.fsdecode(path) for (path,) in database.execute(query)]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with ledger_errors(self._path), closing(sqlite3.connect(self._path, timeout=BUSY_S)) as database, database:
            yield database
