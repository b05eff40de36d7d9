"""AcousticSense: a song in, sixteen genre probabilities out.

from acousticsense import load_model, predict_genre

model = load_model()
predict_genre(model, "song.mp3")  # [("Jazz", 0.91), ("Blues", 0.05), ...]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.analysis import Ensemble, EnsembleResult, Timeline, make_timeline
    from acousticsense.errors import AcousticSenseError
    from acousticsense.inference import GenreClassifier, Prediction, load_model, predict_genre

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
    "analysis": ("Ensemble", "EnsembleResult", "Timeline", "make_timeline"),
    "errors": ("AcousticSenseError",),
    "inference": ("GenreClassifier", "Prediction", "load_model", "predict_genre"),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: PyTorch takes seconds."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
