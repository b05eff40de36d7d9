"""One run over a library: walks, leaves out what has a row, has the rest analysed and keeps every row at once."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from acousticsense.library.identity import FileStamp, stamp
from acousticsense.library.ledger import LedgerRun
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.rows import Row
from acousticsense.library.walk import Walk


class Engine(Protocol):
    """What predicts; `engine.LocalEngine` and `ray_engine.RayEngine` do."""

    def rows(self, paths: Iterable[str], /) -> Iterator[list[tuple[str, Row]]]:
        """Batches of (path, row), one row for every path, in any order; reads `paths` as it goes."""


@dataclass
class Counts:
    """What became of the files so far.

    Attributes:
        done: analysed in this run.
        skipped: had a row already that still counts.
        failed: have a row with an error from this run.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def seen(self) -> int:
        """Files that have a row by now."""
        return self.done + self.skipped + self.failed


class LibraryRun:
    """Files -> rows, through an engine and a ledger.

    Args:
        predictor: makes rows of what cannot even be looked at.
    """

    def __init__(self, walk: Walk, ledger: LedgerRun, engine: Engine, predictor: BatchPredictor) -> None:
        self.counts = Counts()
        self._walk = walk
        self._ledger = ledger
        self._engine = engine
        self._predictor = predictor
        self._stamps: dict[str, FileStamp | None] = {}

    def batches(self) -> Generator[list[tuple[str, Row]], None, None]:
        """Carries the run out; new rows come in batches, each of them already in the ledger.

        It can be left at any point; another run over the same files goes on there.
        """
        for batch in self._engine.rows(self._pending()):
            self._keep(batch)
            yield batch

    def _pending(self) -> Iterator[str]:
        """The files that are to be analysed, as the engine asks for them."""
        for found in self._walk:
            known = self._ledger.enlist(found.path, seen := found.stamp or stamp(found.path))
            if known:
                self.counts.skipped += 1
            elif known is not None and found.error is not None:
                self._keep([(found.path, self._predictor.failed(found.path, found.error))])
            elif known is not None:
                self._stamps[found.path] = seen
                yield found.path

    def _keep(self, batch: list[tuple[str, Row]]) -> None:
        self._ledger.record([(path, row, self._stamps.pop(path, None)) for path, row in batch])
        failed = sum(row.error is not None for _, row in batch)
        self.counts.failed += failed
        self.counts.done += len(batch) - failed
