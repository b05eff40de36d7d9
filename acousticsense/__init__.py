"""AcousticSense: a song in, sixteen genre probabilities out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acousticsense.analysis.ensemble import Ensemble
    from acousticsense.inference.classifier import GenreClassifier

__all__ = ["Ensemble", "GenreClassifier", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The two classes are imported when they are asked for: PyTorch takes seconds."""
    if name == "Ensemble":
        from acousticsense.analysis.ensemble import Ensemble

        return Ensemble
    if name == "GenreClassifier":
        from acousticsense.inference.classifier import GenreClassifier

        return GenreClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
