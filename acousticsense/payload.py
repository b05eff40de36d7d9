"""Answers as plain JSON values: the one form that REST, the command line and Gradio's own API give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from acousticsense.errors import AcousticSenseError
from acousticsense.genres import display_name
from acousticsense.results import Advice, HealthNote, Heatmap, Prediction, Timeline
from acousticsense.texts import text

__all__ = [
    "advice_text",
    "error_payload",
    "explanation_payload",
    "health_text",
    "prediction_payload",
    "sentence",
    "timeline_payload",
]


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


def prediction_payload(prediction: Prediction, *, top_k: int = 5, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/predict` but for its links.

    Args:
        prediction: what the classifier answered.
        top_k: how many labels `prediction` lists, best first.
        language: "en" or "zh", for advice and messages; labels and codes stay as they are.
    """
    return {
        "prediction": [{"label": score.label, "confidence": score.confidence} for score in prediction.top(top_k)],
        "probabilities": dict(prediction.probabilities),
        "not_music": prediction.not_music,
        "verdict": prediction.verdict,
        "advice": [advice_text(advice, language) for advice in prediction.advice],
        "health": [
            {"code": note.code, "severity": note.severity, "value": note.value, "message": health_text(note, language)}
            for note in prediction.health.notes
        ],
        **prediction.facts(),
    }


def timeline_payload(timeline: Timeline) -> dict[str, Any]:
    """The response body of `/api/timeline` but for its links; labels and codes are not translated."""
    return {
        "windows": [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                "verdict": window.verdict,
                "probabilities": dict(window.probabilities),
                "not_music": window.not_music,
            }
            for window in timeline.windows
        ],
        "segments": [asdict(segment) for segment in timeline.segments],
        "window_s": timeline.window_s,
        "hop_s": timeline.hop_s,
        **timeline.facts(),
    }


def explanation_payload(
    prediction: Prediction, heatmap: Heatmap, *, top_k: int = 5, language: str = "en"
) -> dict[str, Any]:
    """The response body of `/api/explain` but for its link: that of `/api/predict`, and the heat map.

    Rows of a grid run from high frequencies to low ones, columns with time from `start_s` in the clip to `window_s`
    later; 1 is the hottest place of all windows.
    """
    grids = heatmap.grids.astype(float).round(4).tolist()
    return {
        **prediction_payload(prediction, top_k=top_k, language=language),
        "heatmap": {
            "label": heatmap.label,
            "confidence": heatmap.probability,
            "method": heatmap.method,
            "window_s": heatmap.window_s,
            "n_windows": heatmap.n_windows,
            "hottest": asdict(heatmap.hottest) if heatmap.hottest else None,
            "windows": [
                {"start_s": start_s, "grid": grid} for start_s, grid in zip(heatmap.start_s, grids, strict=True)
            ],
        },
    }


def error_payload(error: AcousticSenseError) -> dict[str, Any]:
    """The response body of an error."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
