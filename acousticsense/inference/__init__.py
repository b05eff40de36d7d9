"""A model answers: audio -> images -> network -> calibrated probabilities, verdict and advice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.inference.acceleration import accelerate
    from acousticsense.inference.accelerator import Accelerator, lower_priority
    from acousticsense.inference.answer import Analysis
    from acousticsense.inference.answer_cache import AnswerCache, content_digest
    from acousticsense.inference.classifier import MODEL_DEFAULT, Duration, GenreClassifier
    from acousticsense.inference.confidence import (
        SHORTEST_S,
        advise,
        earned,
        is_too_short,
        stands_clear,
        verdict_of,
    )
    from acousticsense.inference.device import pick_device
    from acousticsense.inference.equivalence_data import EquivalenceData, example_data, folder_data
    from acousticsense.inference.facade import load_model, predict_genre
    from acousticsense.inference.model_cache import LoadedModel, ModelCache
    from acousticsense.inference.payload import advice_text, error_payload, health_text, prediction_payload, sentence
    from acousticsense.inference.posterior import Posterior
    from acousticsense.inference.prediction import (
        VALIDATED,
        Advice,
        GenreScore,
        Milliseconds,
        ModelInfo,
        Prediction,
        Probabilities,
        Probability,
        Timing,
        Verdict,
        WindowVote,
        ranked,
    )
    from acousticsense.inference.preprocess import DecodedClip, PreparedClip, Recipe, decode, draw, limits_of, prepare
    from acousticsense.inference.trials import Outcome

__all__ = [
    "MODEL_DEFAULT",
    "SHORTEST_S",
    "VALIDATED",
    "Accelerator",
    "Advice",
    "Analysis",
    "AnswerCache",
    "DecodedClip",
    "Duration",
    "EquivalenceData",
    "GenreClassifier",
    "GenreScore",
    "LoadedModel",
    "Milliseconds",
    "ModelCache",
    "ModelInfo",
    "Outcome",
    "Posterior",
    "Prediction",
    "PreparedClip",
    "Probabilities",
    "Probability",
    "Recipe",
    "Timing",
    "Verdict",
    "WindowVote",
    "accelerate",
    "advice_text",
    "advise",
    "content_digest",
    "decode",
    "draw",
    "earned",
    "error_payload",
    "example_data",
    "folder_data",
    "health_text",
    "is_too_short",
    "limits_of",
    "load_model",
    "lower_priority",
    "pick_device",
    "predict_genre",
    "prediction_payload",
    "prepare",
    "ranked",
    "sentence",
    "stands_clear",
    "verdict_of",
]

#: Module -> its public names.
_MODULES: Final = {
    "acceleration": ("accelerate",),
    "accelerator": ("Accelerator", "lower_priority"),
    "answer": ("Analysis",),
    "answer_cache": ("AnswerCache", "content_digest"),
    "classifier": ("MODEL_DEFAULT", "Duration", "GenreClassifier"),
    "confidence": ("SHORTEST_S", "advise", "earned", "is_too_short", "stands_clear", "verdict_of"),
    "device": ("pick_device",),
    "equivalence_data": ("EquivalenceData", "example_data", "folder_data"),
    "facade": ("load_model", "predict_genre"),
    "model_cache": ("LoadedModel", "ModelCache"),
    "payload": ("advice_text", "error_payload", "health_text", "prediction_payload", "sentence"),
    "posterior": ("Posterior",),
    "prediction": (
        "VALIDATED",
        "Advice",
        "GenreScore",
        "Milliseconds",
        "ModelInfo",
        "Prediction",
        "Probabilities",
        "Probability",
        "Timing",
        "Verdict",
        "WindowVote",
        "ranked",
    ),
    "preprocess": ("DecodedClip", "PreparedClip", "Recipe", "decode", "draw", "limits_of", "prepare"),
    "trials": ("Outcome",),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: PyTorch takes seconds."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
