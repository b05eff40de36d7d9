"""What each verdict takes and how often it was right, out of the model's own card; nothing that is not in it."""

from __future__ import annotations

from acousticsense.i18n.page import ui_text
from acousticsense.inference.confidence import earned
from acousticsense.inference.prediction import Verdict
from acousticsense.models.spec import Calibration, ModelSpec
from acousticsense.web.html import render


def levels_html(spec: ModelSpec, verdict: Verdict, language: str) -> str:
    """A closed panel with one row per verdict; the one of this answer is marked."""
    levels = [
        (level, condition, *_outcomes(spec.calibration, level, language))
        for level, condition in _conditions(spec.calibration, language).items()
    ]
    return render("levels.html", language, spec=spec, verdict=verdict, levels=levels)


def _outcomes(calibration: Calibration, level: Verdict, language: str) -> tuple[str, str]:
    """Right and wrong answers at a level: as counts where the card has them, else as shares; empty when unmeasured."""
    if (counts := calibration.level_counts.get(level)) is not None:
        right, n = counts
        return (
            ui_text("levels.counted", language, right=right, n=n),
            ui_text("levels.counted", language, right=n - right, n=n),
        )
    if (share := calibration.level_accuracy.get(level)) is not None:
        percent = round(100 * share)
        return f"{percent}%", f"{100 - percent}%"
    return "", ""


def _conditions(calibration: Calibration, language: str) -> dict[Verdict, str]:
    """Verdict -> what it takes, most certain first; a threshold of 1 or more is never reached."""

    def at(key: str, threshold: float) -> str:
        if threshold >= 1:
            return ui_text("levels.never", language)
        return ui_text(key, language, percent=f"{100 * threshold:.0f}%")

    calibration = earned(calibration)
    conditions: dict[Verdict, str] = {
        "confident": at("levels.top", calibration.confident_at),
        "plausible": at("levels.top", calibration.plausible_at),
        "mixed": at("levels.sum", calibration.mixed_at),
        "unsure": ui_text("levels.rest", language),
    }
    if calibration.not_music_at is not None:
        conditions["not_music"] = at("levels.not_music", calibration.not_music_at)
    return conditions
