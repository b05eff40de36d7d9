"""The network stage: batches of decoded files -> rows. One classifier, no files, no processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from acousticsense.errors import CheckpointError, printable
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.confidence import verdict_of
from acousticsense.inference.decoding import Recipe
from acousticsense.inference.prediction import ModelInfo
from acousticsense.library.decode import DecodedFile, FailedFile, Outcome
from acousticsense.library.identity import settings_digest
from acousticsense.library.rows import Row, RowError

#: An earlier row about the same images, by their hash, from the same weights; None when they are new.
Known = Callable[[str], Row | None]


class BatchPredictor:
    """Turns outcomes of the CPU stage into rows.

    Args:
        known: asked with the hash of a file's images before the network is.

    Attributes:
        digest: of the settings under which its rows count.
    """

    def __init__(self, classifier: GenreClassifier, recipe: Recipe, known: Known | None = None) -> None:
        self._classifier = classifier
        self._known = known or (lambda _: None)
        self.digest = settings_digest(classifier.spec, recipe)

    def rows(self, outcomes: Sequence[Outcome]) -> list[Row]:
        """One row for each outcome, in their order."""
        rows: dict[int, Row] = {}
        new: dict[int, DecodedFile] = {}
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, FailedFile):
                rows[index] = self.failed(outcome.path, outcome.error)
            elif (known := self._known(outcome.images_sha256)) is not None:
                rows[index] = self._answered(outcome, known.probabilities, known.not_music, known.model)
            else:
                new[index] = outcome
        rows.update(zip(new, self._analysed(list(new.values())), strict=True))
        return [rows[index] for index in range(len(outcomes))]

    def _analysed(self, files: Sequence[DecodedFile]) -> list[Row]:
        """Rows by the network: all files in one batch, or one by one when the batch fails."""
        if not files:
            return []
        model = self._classifier.info
        try:
            logits = self._classifier.logits(torch.from_numpy(np.concatenate([file.images for file in files])))
        except (
            MemoryError,
            RuntimeError,
            ValueError,
        ) as error:  # one clip must not take the others of its batch with it
            if len(files) == 1:
                return [self.failed(files[0].path, RowError.of(error))]
            return [row for file in files for row in self._analysed([file])]
        parts = torch.split(logits, [len(file.images) for file in files])
        return [self._row_of(file, part, model) for file, part in zip(files, parts, strict=True)]

    def _row_of(self, file: DecodedFile, logits: torch.Tensor, model: ModelInfo) -> Row:
        try:
            posterior = self._classifier.posterior(logits)
        except CheckpointError as error:
            return self.failed(file.path, RowError.of(error))
        return self._answered(file, posterior.probabilities, posterior.not_music, model)

    def _answered(
        self, file: DecodedFile, probabilities: Mapping[str, float], not_music: float | None, model: ModelInfo
    ) -> Row:
        return Row(
            path=printable(file.path),
            model=model,
            settings_digest=self.digest,
            probabilities=probabilities,
            not_music=not_music,
            verdict=verdict_of(
                probabilities, not_music, self._classifier.spec.calibration, duration_s=file.clip.duration_s
            ),
            health=file.health.notes,
            clip=file.clip,
            images_sha256=file.images_sha256,
        )

    def failed(self, path: str, error: RowError) -> Row:
        """The row of a file that has no answer."""
        return Row(path=printable(path), model=self._classifier.info, settings_digest=self.digest, error=error)
