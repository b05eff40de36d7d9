"""Labelled audio: how good a model is, and what its probabilities mean."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.evaluation.calibration import Answers, CalibrationFit, fit_calibration, level_counts, with_counts
    from acousticsense.evaluation.dataset import LabelledClip, read_items
    from acousticsense.evaluation.evaluate import Predictor
    from acousticsense.evaluation.levels import FEWEST, Targets
    from acousticsense.evaluation.metrics import measure
    from acousticsense.evaluation.report import report_markdown, write_report
    from acousticsense.evaluation.results import KEPT, Bin, ClipResult, Evaluation, NotMusic
    from acousticsense.evaluation.statistics import class_balanced_weights, wilson_interval

__all__ = [
    "FEWEST",
    "KEPT",
    "Answers",
    "Bin",
    "CalibrationFit",
    "ClipResult",
    "Evaluation",
    "LabelledClip",
    "NotMusic",
    "Predictor",
    "Targets",
    "class_balanced_weights",
    "fit_calibration",
    "level_counts",
    "measure",
    "read_items",
    "report_markdown",
    "wilson_interval",
    "with_counts",
    "write_report",
]

#: Module -> its public names.
_MODULES: Final = {
    "calibration": ("Answers", "CalibrationFit", "fit_calibration", "level_counts", "with_counts"),
    "dataset": ("LabelledClip", "read_items"),
    "evaluate": ("Predictor",),
    "levels": ("FEWEST", "Targets"),
    "metrics": ("measure",),
    "report": ("report_markdown", "write_report"),
    "results": ("KEPT", "Bin", "ClipResult", "Evaluation", "NotMusic"),
    "statistics": ("class_balanced_weights", "wilson_interval"),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: scipy and matplotlib take a second."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
