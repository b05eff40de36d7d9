"""An ensemble that is asked like a single model, so that it can be evaluated and calibrated."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from acousticsense.analysis.consensus import log_pool, logarithms
from acousticsense.analysis.ensemble import Ensemble
from acousticsense.analysis.members import Spectrograms, identities
from acousticsense.analysis.results import Consensus, EnsembleResult
from acousticsense.audio.source import Source
from acousticsense.errors import RequestError
from acousticsense.evaluation.calibration import Answers, fit_calibration
from acousticsense.inference.prediction import Prediction
from acousticsense.models.genres import NOT_MUSIC
from acousticsense.models.spec import EnsembleSpec

_log: Final = logging.getLogger(__name__)

#: From fewer a temperature is chance.
_FEWEST_CLIPS: Final = 20


@dataclass(frozen=True, kw_only=True)
class EnsemblePredictor:
    """A choice of models and images that answers with one prediction.

    Every member must answer: figures of fewer members would be those of another ensemble.
    """

    ensemble: Ensemble
    models: tuple[str, ...] = ()
    spectrogram: Spectrograms = "both"

    def predict(self, source: Source, /) -> Prediction:
        """The consensus as one answer.

        Args:
            source: path, bytes or binary file object of any audio format.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            CheckpointError: one of the models cannot answer.
        """
        result, consensus = self._answer(source)
        first = next(member.prediction for member in result.members if member.prediction)
        return replace(
            first,
            probabilities=consensus.calibrated or consensus.probabilities,
            not_music=consensus.not_music,
            verdict=consensus.verdict,
            advice=consensus.advice,
            vote=None,
            model=replace(first.model, name="ensemble", architecture="ensemble", weights_sha256=""),
        )

    def is_calibrated(self, source: Source) -> bool:
        """Whether `ensemble.json` is of exactly these models, images and weights; one clip is analysed to tell.

        Raises:
            AudioError, CheckpointError: as `predict`.
        """
        return self._answer(source)[1].calibrated is not None

    def calibrate(self, clips: Sequence[tuple[Path, str]], *, measured_on: str) -> EnsembleSpec:
        """Weights, temperature and thresholds of the geometric mean, from labelled clips that no member was trained on.

        Args:
            clips: files with their labels, or "not_music".
            measured_on: what the clips are, in words.

        Raises:
            AudioError, CheckpointError: as `predict`.
            RequestError: the clips are too few for any measure, one has a label that the models do not know, or none is
                music.
        """
        if len(clips) < _FEWEST_CLIPS:
            raise RequestError(
                f"{len(clips)} clips calibrate nothing.", hint=f"Give {_FEWEST_CLIPS} or more, of several genres."
            )
        tables: list[NDArray[np.float64]] = []
        truths: list[int] = []
        members: tuple[tuple[str, str, str], ...] = ()
        for path, genre in clips:
            result, consensus = self._answer(path)
            members = identities(result.members[index] for index in consensus.members)
            tables.append(_table(result, consensus))
            truths.append(_label_index(genre, [*consensus.probabilities]))
        if max(truths) < 0:
            raise RequestError(f"None of the {len(clips)} clips is music.", hint="Give some of several genres.")
        labels, answers_of = np.array(truths), np.stack(tables)
        weights = pool_weights(answers_of[labels >= 0], labels[labels >= 0])
        logits = logarithms(log_pool(answers_of, weights))
        answers = Answers(logits=logits, labels=labels, n_labels=logits.shape[1] - 1)
        fit = fit_calibration(answers, measured_on=measured_on)
        for criterion in fit.unmet_criteria:
            _log.warning("%s", criterion)
        return EnsembleSpec(
            members=members,
            weights=tuple(round(weight, 4) for weight in weights.tolist()),
            calibration=fit.calibration,
            metrics={"calibrated_on": {"n": len(truths)}},
        )

    def _answer(self, source: Source) -> tuple[EnsembleResult, Consensus]:
        result = self.ensemble.predict(source, models=self.models, spectrogram=self.spectrogram)
        for member in result.members:
            if member.error:
                raise member.error
        return result, cast(Consensus, result.consensus)


def _table(result: EnsembleResult, consensus: Consensus) -> NDArray[np.float64]:
    """One row for each averaged member: probabilities of each label and, last, of not being music; they sum to 1.

    What is not music is decided by the members' plain mean.
    """
    answers = [cast(Prediction, result.members[index].prediction) for index in consensus.members]
    table = np.array([[answer.probabilities[label] for label in consensus.probabilities] for answer in answers])
    not_music = consensus.not_music or 0.0
    return np.hstack([table * (1 - not_music), np.full((len(table), 1), not_music)])


def pool_weights(answers: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights under which a product of the members' probabilities to these powers makes the true labels likeliest.

    Args:
        answers: (n, members, labels) probabilities.
        labels: (n,) indices of the true ones.

    Returns:
        (members,) weights, none below 0, that sum to 1; what their sum was is the temperature's to find.
    """
    logs = logarithms(answers)
    clips, members = np.arange(len(labels)), logs.shape[1]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        pooled = weights @ logs
        pooled -= logsumexp(pooled, axis=1, keepdims=True)
        expected = np.einsum("nml,nl->nm", logs, np.exp(pooled))
        return -float(pooled[clips, labels].mean()), (expected - logs[clips, :, labels]).mean(axis=0)

    found = minimize(loss, np.full(members, 1 / members), jac=True, bounds=[(0, None)] * members)
    return np.asarray(found.x / found.x.sum() if found.x.any() else np.full(members, 1 / members))


def _label_index(genre: str, labels: Sequence[str]) -> int:
    """Which label a genre is; -1 for "not_music"."""
    if genre not in (*labels, NOT_MUSIC):
        raise RequestError(f"{genre!r} is not a label of these models.", hint=f"They know: {', '.join(labels)}.")
    return -1 if genre == NOT_MUSIC else labels.index(genre)
