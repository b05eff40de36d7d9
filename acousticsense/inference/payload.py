"""Answers as plain JSON values: the one form that REST, the command line and Gradio's own API give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from acousticsense.audio.types import HealthNote, HealthReport
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.refusals import refusal
from acousticsense.inference.prediction import Advice, Prediction
from acousticsense.models.genres import display_name


def advice_text(advice: Advice, language: str = "en") -> str:
    """The words of one piece of advice; label names in it are shown in `language`."""
    return sentence(f"advice.{advice.code}", advice.values, language)


def sentence(key: str, values: Mapping[str, str | float], language: str = "en") -> str:
    """The words behind `key`; values that are label names are shown in `language`."""
    named = {name: display_name(value, language) if isinstance(value, str) else value for name, value in values.items()}
    return text(key, language, **named)


def health_text(note: HealthNote, language: str = "en") -> str:
    """The words of one finding about the audio."""
    return text(f"health.{note.code}", language, value=note.value)


def health_payload(health: HealthReport, language: str = "en") -> list[dict[str, Any]]:
    """Findings about the audio, each with its words."""
    return [
        {"code": note.code, "severity": note.severity, "value": note.value, "message": health_text(note, language)}
        for note in health.notes
    ]


def prediction_payload(prediction: Prediction, *, top_k: int = 5, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/predict` but for its links.

    Args:
        top_k: how many labels `prediction` lists, best first.
        language: "en" or "zh", for advice and messages; labels and codes stay as they are.
    """
    vote = {"vote": asdict(prediction.vote)} if prediction.vote else {}
    return {
        "prediction": [{"label": score.label, "confidence": score.confidence} for score in prediction.top(top_k)],
        "probabilities": dict(prediction.probabilities),
        "not_music": prediction.not_music,
        "verdict": prediction.verdict,
        **vote,
        "advice": [advice_text(advice, language) for advice in prediction.advice],
        "health": health_payload(prediction.health, language),
        **prediction.facts(),
    }


def error_payload(error: AcousticSenseError) -> dict[str, Any]:
    """The response body of an error."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def page_error_payload(error: AcousticSenseError, language: str) -> dict[str, Any]:
    """The same with the `detail` that Gradio's page shows, in `language` where it has words for it."""
    return {**error_payload(error), "detail": refusal(str(error), language) or str(error)}
