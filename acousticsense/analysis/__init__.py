"""More than one answer: ensembles, timelines, comparisons, and where a model looked."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.analysis.compare import Comparison, Sound
    from acousticsense.analysis.compare_payload import comparison_payload, comparison_sentences
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE, Ensemble
    from acousticsense.analysis.ensemble_table import ensemble_csv, ensemble_text
    from acousticsense.analysis.ensemble_words import guidance, member_name, sentences
    from acousticsense.analysis.explain import Explanation, check_label, explanation_of
    from acousticsense.analysis.exports import audacity_labels, timeline_csv
    from acousticsense.analysis.figures import (
        LevelGrid,
        heat_png,
        heatmap_drawing,
        input_png,
        level_grid,
        loudest_db,
        row_notes,
        spectrogram_drawing,
        values_png,
    )
    from acousticsense.analysis.heatmap import Heatmap, HeatMethod, HeatPlace
    from acousticsense.analysis.members import Progress, Report, Spectrograms
    from acousticsense.analysis.payload import explanation_payload, timeline_payload
    from acousticsense.analysis.predictor import EnsemblePredictor
    from acousticsense.analysis.results import (
        Consensus,
        EnsembleResult,
        Member,
        Segment,
        Timeline,
        TimelineVerdict,
        TimelineWindow,
    )
    from acousticsense.analysis.timeline import make_timeline

__all__ = [
    "ENSEMBLE_FILE",
    "Comparison",
    "Consensus",
    "Ensemble",
    "EnsemblePredictor",
    "EnsembleResult",
    "Explanation",
    "HeatMethod",
    "HeatPlace",
    "Heatmap",
    "LevelGrid",
    "Member",
    "Progress",
    "Report",
    "Segment",
    "Sound",
    "Spectrograms",
    "Timeline",
    "TimelineVerdict",
    "TimelineWindow",
    "audacity_labels",
    "check_label",
    "comparison_payload",
    "comparison_sentences",
    "ensemble_csv",
    "ensemble_text",
    "explanation_of",
    "explanation_payload",
    "guidance",
    "heat_png",
    "heatmap_drawing",
    "input_png",
    "level_grid",
    "loudest_db",
    "make_timeline",
    "member_name",
    "row_notes",
    "sentences",
    "spectrogram_drawing",
    "timeline_csv",
    "timeline_payload",
    "values_png",
]

#: Module -> its public names.
_MODULES: Final = {
    "compare": ("Comparison", "Sound"),
    "compare_payload": ("comparison_payload", "comparison_sentences"),
    "ensemble": ("ENSEMBLE_FILE", "Ensemble"),
    "ensemble_table": ("ensemble_csv", "ensemble_text"),
    "ensemble_words": ("guidance", "member_name", "sentences"),
    "explain": ("Explanation", "check_label", "explanation_of"),
    "exports": ("audacity_labels", "timeline_csv"),
    "figures": (
        "LevelGrid",
        "heat_png",
        "heatmap_drawing",
        "input_png",
        "level_grid",
        "loudest_db",
        "row_notes",
        "spectrogram_drawing",
        "values_png",
    ),
    "heatmap": ("Heatmap", "HeatMethod", "HeatPlace"),
    "members": ("Progress", "Report", "Spectrograms"),
    "payload": ("explanation_payload", "timeline_payload"),
    "predictor": ("EnsemblePredictor",),
    "results": ("Consensus", "EnsembleResult", "Member", "Segment", "Timeline", "TimelineVerdict", "TimelineWindow"),
    "timeline": ("make_timeline",),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: PyTorch takes seconds."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
