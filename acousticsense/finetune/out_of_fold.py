"""Out-of-fold predictions: what networks say of the tracks that they were not trained on, measured and calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acousticsense.evaluation.calibration import Answers, CalibrationFit, fit_calibration
from acousticsense.evaluation.metrics import measure
from acousticsense.evaluation.results import ClipResult, Evaluation
from acousticsense.finetune.tracks import Material
from acousticsense.inference.confidence import verdict_of


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Predictions for every track by a network that was trained without the track's fold.

    Attributes:
        logits: per track float32 (n_windows, n_outputs).
        targets: (n_tracks,) output that each track stands for.
        folds: (n_tracks,) fold of each track.
    """

    logits: Sequence[NDArray[np.float32]]
    targets: NDArray[np.int64]
    folds: NDArray[np.int64]
    material: Material

    def measured(self) -> tuple[Evaluation, CalibrationFit]:
        """Figures under calibrations that each leave the predicted fold out, and the calibration from all folds."""
        clips: list[ClipResult] = []
        for fold in np.unique(self.folds):
            others = fit_calibration(self._answers(self.folds != fold), measured_on="the other folds")
            clips += self._results(self.folds == fold, others)
        measured_on = f"{len(self.logits)} tracks of one's own, each analysed by a network that was trained without it"
        fit = fit_calibration(self._answers(self.folds >= 0), measured_on=measured_on)
        return measure(clips, unreadable=self.material.skipped), fit

    def _answers(self, chosen: NDArray[np.bool_]) -> Answers:
        numbers = np.flatnonzero(chosen).tolist()
        n_labels = len(self.material.labels)
        targets = self.targets[chosen]
        return Answers(
            logits=np.concatenate([self.logits[number] for number in numbers]),
            labels=np.where(targets < n_labels, targets, -1),
            n_labels=n_labels,
            clips=np.repeat(np.arange(len(numbers)), [len(self.logits[number]) for number in numbers]),
        )

    def _results(self, chosen: NDArray[np.bool_], fit: CalibrationFit) -> list[ClipResult]:
        answers = self._answers(chosen)
        not_music = answers.not_music()
        genres = answers.genres(fit.calibration.temperature)
        results = []
        for row, number in enumerate(np.flatnonzero(chosen)):
            probabilities = dict(zip(self.material.labels, genres[row].tolist(), strict=True))
            score = None if not_music is None else float(not_music[row])
            track = self.material.tracks[number]
            verdict = verdict_of(probabilities, score, fit.calibration)
            results.append(ClipResult(path=track.path, genre=track.genre, probabilities=probabilities, verdict=verdict))
        return results
