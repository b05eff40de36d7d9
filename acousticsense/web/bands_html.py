"""What each verdict takes and how often it was right, out of the model's own card; nothing that is not in it."""

from __future__ import annotations

from typing import Final

from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.inference.prediction import Verdict
from acousticsense.models.spec import Calibration, ModelSpec
from acousticsense.web.html import escape

__all__ = ["bands_html"]

_HEAD: Final = ("bands.verdict", "bands.condition", "bands.right", "bands.wrong")


def bands_html(spec: ModelSpec, verdict: Verdict, language: str) -> str:
    """A closed panel with one row per verdict; the one of this answer is marked."""
    intro = ui_text("bands.intro", language, model=spec.name)
    head = "".join(f'<th scope="col">{escape(ui_text(key, language))}</th>' for key in _HEAD)
    rows = "".join(
        _row(band, condition, spec.calibration, verdict, language)
        for band, condition in _conditions(spec.calibration, language).items()
    )
    fitted = ""
    if spec.calibration.measured_on:
        words = ui_text("bands.fitted", language, words=spec.calibration.measured_on.rstrip("."))
        fitted = f'<p class="as-hint">{escape(words)}</p>'
    return (
        f'<details class="as-card as-steps as-bands"><summary><h3>{escape(ui_text("bands.title", language))}</h3>'
        f"</summary><div><p>{escape(intro)}</p>"
        f'<table class="as-changes"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{fitted}</div></details>'
    )


def _conditions(calibration: Calibration, language: str) -> dict[Verdict, str]:
    """Verdict -> what it takes, most certain first; a threshold of 1 or more is never reached."""

    def at(key: str, threshold: float) -> str:
        if threshold >= 1:
            return ui_text("bands.never", language)
        return ui_text(key, language, percent=f"{100 * threshold:.0f}%")

    conditions: dict[Verdict, str] = {
        "confident": at("bands.top", calibration.confident_at),
        "plausible": at("bands.top", calibration.plausible_at),
        "mixed": at("bands.sum", calibration.mixed_at),
        "unsure": ui_text("bands.rest", language),
    }
    if calibration.not_music_at is not None:
        conditions["not_music"] = at("bands.not_music", calibration.not_music_at)
    return conditions


def _row(band: Verdict, condition: str, calibration: Calibration, verdict: Verdict, language: str) -> str:
    measured = calibration.level_accuracy.get(band)
    if measured is None:
        shares = f'<td colspan="2">{escape(ui_text("bands.unmeasured", language))}</td>'
    else:
        shares = f"<td>{100 * measured:.0f}%</td><td>{100 - round(100 * measured)}%</td>"
    current = ' aria-current="true"' if band == verdict else ""
    return (
        f'<tr data-band="{band}"{current}><th scope="row">{escape(text(f"verdict.{band}", language))}</th>'
        f"<td>{escape(condition)}</td>{shares}</tr>"
    )
