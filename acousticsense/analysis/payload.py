"""Timelines and explanations as plain JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from acousticsense.analysis.heatmap import Heatmap
from acousticsense.analysis.results import Timeline
from acousticsense.inference.payload import health_payload, prediction_payload
from acousticsense.inference.prediction import Prediction


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
        "min_segment_s": timeline.min_segment_s,
        "health": health_payload(timeline.health),
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
