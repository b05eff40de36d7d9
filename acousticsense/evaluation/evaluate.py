"""Predicting labelled audio and measuring the answers. One clip is one prediction, by the path that users take."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from acousticsense.errors import AudioError, printable
from acousticsense.evaluation.dataset import LabelledClip
from acousticsense.evaluation.metrics import measure
from acousticsense.evaluation.results import ClipResult, Evaluation
from acousticsense.inference.confidence import is_too_short
from acousticsense.inference.prediction import Prediction
from acousticsense.models.genres import NOT_MUSIC

logger = logging.getLogger(__name__)

#: Clips analysed between two lines of progress.
_PROGRESS_EVERY: Final = 50


class Predictor(Protocol):
    """What is evaluated; `GenreClassifier` is one."""

    def predict(self, source: Path, /) -> Prediction:
        """Predicts a file."""


def evaluate(
    classifier: Predictor, items: Sequence[LabelledClip], left_out: Mapping[str, str] | None = None
) -> Evaluation:
    """Predicts every clip and measures the answers.

    Args:
        classifier: usually a `GenreClassifier`.
        items: clips with their genres, each one of the model's labels or "not_music".
        left_out: files that are not analysed, with the reason; the report lists them.

    Raises:
        SettingsError: a genre is not among the model's labels, or no clip could be analysed.
    """
    results = []
    unreadable = {printable(path): printable(reason) for path, reason in (left_out or {}).items()}
    for path, reason in unreadable.items():
        logger.warning("%s is left out: %s", path, reason)
    for number, item in enumerate(items, 1):
        if number % _PROGRESS_EVERY == 0:
            logger.info("%d of %d clips analysed", number, len(items))
        try:
            prediction = classifier.predict(item.path)
        except AudioError as error:
            logger.warning("%s is left out: %s", item.path, error)
            unreadable[printable(str(item.path))] = str(error)
            continue
        values = prediction.probabilities
        genre = item.label_among((*values, NOT_MUSIC))
        results.append(
            ClipResult(
                path=item.path,
                genre=genre,
                probabilities=values,
                verdict=prediction.verdict,
                too_short=is_too_short(prediction.clip.duration_s),
            )
        )
    return measure(results, unreadable=unreadable)
