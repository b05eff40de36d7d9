"""What runs on the nodes of a Ray cluster: tasks that decode, and actors that hold the model."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from acousticsense.errors import AcousticSenseError, LibraryError
from acousticsense.inference.decoding import Recipe
from acousticsense.library.pool import Decode, DecoderPool
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind

if TYPE_CHECKING:
    from acousticsense.library.predict import BatchPredictor


@dataclass(frozen=True, kw_only=True)
class PredictorSource:
    """How a node makes its predictor; small and picklable.

    Attributes:
        settings: models, cache and limits, by paths that hold on every node.
        digest: of the settings under which rows count; a node whose model gives another one must not answer.
    """

    settings: Settings
    spectrogram: SpectrogramKind | None
    recipe: Recipe
    digest: str

    def predictor(self, device: str) -> BatchPredictor:
        """The predictor on this node.

        Raises:
            LibraryError: this node has other weights or another version.
            AcousticSenseError: the model cannot be loaded.
        """
        from acousticsense.inference.classifier import (
            GenreClassifier,  # not above: nodes that only decode load no network
        )
        from acousticsense.library.predict import BatchPredictor

        classifier = GenreClassifier.load(device=device, settings=self.settings).for_spectrogram(self.spectrogram)
        predictor = BatchPredictor(classifier, self.recipe)
        if predictor.digest != self.digest:
            raise LibraryError(
                "It has other weights, or another version of this program, than the command that started the run.",
                hint="Install the same version and the same models folder on every node.",
            )
        return predictor


@cache
def _pool(recipe: Recipe, timeout_s: float, decode: Decode) -> DecoderPool:
    """This worker's decoder process, kept from task to task."""
    return DecoderPool(recipe, workers=1, timeout_s=timeout_s, decode=decode)


def decode_batch(table: Any, recipe: Recipe, timeout_s: float, decode: Decode) -> Any:
    """Paths -> outcomes, as an Arrow table of pickles: their arrays have no common shape."""
    import pyarrow

    pool = _pool(recipe, timeout_s, decode)
    for path in table["path"].to_pylist():
        pool.submit(os.fsdecode(path))
    outcomes = []
    try:
        while pool.outstanding:
            outcomes += pool.take(1)
    except LibraryError:
        _pool.cache_clear()  # the next task may find more memory
        pool.close()
        raise
    return pyarrow.table({"outcome": [pickle.dumps(outcome, protocol=5) for outcome in outcomes]})


class PredictorActor:
    """Holds the model, one thread of a CPU or one GPU: outcomes -> rows.

    When there is no predictor, it answers with the reason: Ray would start an actor that raises here again and again.
    """

    def __init__(self, source: PredictorSource, device: str) -> None:
        torch.set_num_threads(1)
        self._predictor: BatchPredictor | None = None
        self._fault: dict[str, str] = {}
        try:
            self._predictor = source.predictor(device)
        except AcousticSenseError as error:
            self._fault = {"message": f"A node cannot predict: {error.message}", "hint": error.hint}

    def __call__(self, table: Any) -> Any:
        """Pickled outcomes -> rows as JSON, or the fault, as an Arrow table."""
        import pyarrow

        schema = pyarrow.schema([(name, pyarrow.binary()) for name in ("path", "row", "fault")])
        if self._predictor is None:
            return pyarrow.table({"path": [b""], "row": [b""], "fault": [json.dumps(self._fault).encode()]}, schema)
        outcomes = [pickle.loads(outcome) for outcome in table["outcome"].to_pylist()]
        rows = self._predictor.rows(outcomes)
        return pyarrow.table(
            {
                "path": [os.fsencode(outcome.path) for outcome in outcomes],
                "row": [json.dumps(row.to_dict()).encode() for row in rows],
                "fault": [None] * len(rows),
            },
            schema,
        )
