"""The card that shows where the model looked: offered with every answer, computed when somebody chooses a genre."""

from __future__ import annotations

from acousticsense.analysis.explain import Explanation
from acousticsense.analysis.figures import heat_png, level_grid
from acousticsense.analysis.heatmap import Heatmap, HeatPlace
from acousticsense.i18n.page import ui_text
from acousticsense.inference.prediction import Prediction
from acousticsense.models.genres import display_name
from acousticsense.spectrogram.spectrogram import frequencies_hz
from acousticsense.web.html import clock, number, percent, render, run_on
from acousticsense.web.plot_view import plot_of
from acousticsense.web.spectrogram_view import SONG_PLAYER


def heatmap_offer_html(prediction: Prediction, *, answer: str, model: str, name: str, language: str) -> str:
    """The card before a genre was chosen.

    Args:
        answer: what tells it from other answers; maps are shown in the card of theirs alone.
        model: the name by which a request asks for that model; "" is the default.
    """
    return render(
        "heatmap.html",
        language,
        prediction=prediction,
        answer=answer,
        model=model,
        name=name,
        chosen="",
        words=ui_text("heat.offer", language),
        plot=None,
    )


def heatmap_html(explanation: Explanation, *, image_id: str, answer: str, model: str, name: str, language: str) -> str:
    """The card with the heat map of one genre; `image_id` names the PNG that can be downloaded."""
    prediction, heatmap = explanation.analysis.prediction, explanation.heatmap
    grid = level_grid(explanation.analysis.images)
    alt = ui_text("heat.alt", language, label=display_name(heatmap.label, language), name=name)
    return render(
        "heatmap.html",
        language,
        prediction=prediction,
        answer=answer,
        model=model,
        name=name,
        chosen=heatmap.label,
        words=run_on(language, _in_short(explanation, language), _meaning(heatmap, prediction.clip.offset_s, language)),
        plot=plot_of(grid, prediction.clip, alt=alt, player=SONG_PLAYER),
        heat=heat_png(grid, heatmap),
        image_id=image_id,
    )


def _in_short(explanation: Explanation, language: str) -> str:
    """Which sounds speak for the genre and when, in a few words; nothing where no place does."""
    heatmap, analysis = explanation.heatmap, explanation.analysis
    if heatmap.hottest is None:
        return ""
    band = heatmap.band(frequencies_hz(analysis.images.front_end))
    moment = heatmap.moment(analysis.prediction.clip.duration_s)
    known = [f"heat.where.{band}"] * (band is not None) + [f"heat.when.{moment}"] * (moment is not None)
    if not known:
        return ""
    words = ui_text("heat.join", language).join(ui_text(key, language) for key in known)
    return ui_text("heat.short", language, words=words)


def _place(place: HeatPlace, offset_s: float, language: str) -> str:
    time = clock(offset_s + place.time_s)
    if place.frequency_hz is None:
        return time
    return ui_text("heat.place", language, time=time, hz=number(float(f"{place.frequency_hz:.2g}")))


def _meaning(heatmap: Heatmap, offset_s: float, language: str) -> str:
    """What the map says, and what it does not."""
    label, share = display_name(heatmap.label, language), percent(heatmap.probability)
    if heatmap.hottest is None:
        return ui_text("heat.nothing", language, label=label, percent=share)
    n_explained, rows, columns = heatmap.grids.shape
    words = ui_text(
        "heat.means",
        language,
        label=label,
        percent=share,
        place=_place(heatmap.hottest, offset_s, language),
        cells=f"{columns} \u00d7 {rows}",
    )
    if n_explained == heatmap.n_windows:
        return words
    return run_on(
        language, words, ui_text("heat.some_windows", language, label=label, n=n_explained, total=heatmap.n_windows)
    )
