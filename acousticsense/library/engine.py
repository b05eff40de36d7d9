"""Paths in, rows out: files are decoded ahead in processes while the network predicts batches in this one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from acousticsense.inference.decoding import Recipe
from acousticsense.library.decode import Outcome, decode_file
from acousticsense.library.pool import Decode, DecoderPool
from acousticsense.settings import available_cores

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Files under way per image of a batch: enough that the next batch is decoded when one is analysed.
_AHEAD: Final = 3


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How much of the machine the engine takes.

    Attributes:
        workers: decoder processes; None is one less than the cores, at least two, so that one that hangs stops nobody.
        batch: images analysed at a time.
        timeout_s: seconds for decoding one file.
    """

    workers: int | None = None
    batch: int = 16
    timeout_s: float = 60.0


class NetworkStage(Protocol[R_co]):
    """The network's part: `predict.BatchPredictor` makes rows, `features.BatchFeatures` what songs are compared by."""

    def rows(self, outcomes: Sequence[Outcome], /) -> Sequence[R_co]:
        """One result for each outcome, in their order."""


class LocalEngine(Generic[R]):
    """The engine on one machine.

    Args:
        decode: the CPU stage; another one must be importable by name.
    """

    def __init__(
        self,
        predictor: NetworkStage[R],
        recipe: Recipe,
        options: EngineOptions | None = None,
        decode: Decode = decode_file,
    ) -> None:
        self._predictor = predictor
        self._recipe = recipe
        self._options = options or EngineOptions()
        self._decode = decode

    def rows(self, paths: Iterable[str]) -> Generator[list[tuple[str, R]], None, None]:
        """Batches of (path, row), each as soon as it is there; one row for every path, in no particular order.

        `paths` is read only as far ahead as files are decoded.

        Raises:
            LibraryError: decoder processes cannot be started.
        """
        options = self._options
        waiting = iter(paths)
        workers = options.workers or max(2, available_cores() - 1)
        pool = DecoderPool(self._recipe, workers=workers, timeout_s=options.timeout_s, decode=self._decode)
        with closing(pool):
            while True:
                for path in islice(waiting, _AHEAD * options.batch - pool.outstanding):
                    pool.submit(path)
                if not pool.outstanding:
                    return
                outcomes = pool.take(options.batch)
                rows = self._predictor.rows(outcomes)
                yield [(outcome.path, row) for outcome, row in zip(outcomes, rows, strict=True)]
