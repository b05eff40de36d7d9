"""AcousticSense: a song in, sixteen genre probabilities out.

from acousticsense import load_model, predict_genre

model = load_model()
predict_genre(model, "song.mp3")  # [("Jazz", 0.91), ("Blues", 0.05), ...]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.analysis.ensemble import Ensemble
    from acousticsense.analysis.results import EnsembleResult, Timeline
    from acousticsense.analysis.timeline import make_timeline
    from acousticsense.errors import AcousticSenseError
    from acousticsense.inference.classifier import GenreClassifier
    from acousticsense.inference.facade import load_model, predict_genre
    from acousticsense.inference.prediction import Prediction

__all__ = [
    "AcousticSenseError",
    "Ensemble",
    "EnsembleResult",
    "GenreClassifier",
    "Prediction",
    "Timeline",
    "__version__",
    "load_model",
    "make_timeline",
    "predict_genre",
]

__version__ = "0.1.0"

#: Module -> its public names.
_MODULES: Final = {
    "analysis.ensemble": ("Ensemble",),
    "analysis.results": ("EnsembleResult", "Timeline"),
    "analysis.timeline": ("make_timeline",),
    "errors": ("AcousticSenseError",),
    "inference.classifier": ("GenreClassifier",),
    "inference.facade": ("load_model", "predict_genre"),
    "inference.prediction": ("Prediction",),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: PyTorch takes seconds."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
