"""`calibration.fit_calibration` for the default models: sixteen genres and "not music"."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from acousticsense.evaluation.calibration import Answers, CalibrationFit, fit_calibration
from acousticsense.training.bank import NOT_MUSIC_INDEX

__all__ = ["calibrate"]

logger = logging.getLogger(__name__)


def calibrate(
    name: str, logits: NDArray[np.float32], labels: NDArray[np.int64], sources: NDArray[np.int64], *, measured_on: str
) -> CalibrationFit:
    """Temperature, verdict bands, and in words what the clips do not support.

    Args:
        name: of what is calibrated, for the log.
        logits: (n, 17) of real validation clips, and of sounds that are not music.
        labels: (n,) genre indices; -1 for what is not music.
        sources: (n,) the recording that each clip was cut from.
        measured_on: what the clips are, in words.
    """
    answers = Answers(logits=logits, labels=labels, n_labels=NOT_MUSIC_INDEX, sources=sources)
    fit = fit_calibration(answers, measured_on=measured_on)
    for criterion in fit.unmet_criteria:
        logger.warning("%s: %s", name, criterion)
    return fit
