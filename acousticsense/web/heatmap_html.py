"""The card that shows where the model looked: offered with every answer, computed when somebody chooses a genre."""

from __future__ import annotations

from typing import Final

from acousticsense.analysis.explain import Explanation
from acousticsense.analysis.figures import heat_png, level_grid
from acousticsense.analysis.results import Heatmap
from acousticsense.i18n.page import ui_text
from acousticsense.inference.prediction import Prediction
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, data_uri, escape, number, percent
from acousticsense.web.plot_html import plot_html
from acousticsense.web.spectrogram_html import SONG_PLAYER, event_data, stem

__all__ = ["heatmap_html", "heatmap_offer_html"]

#: Genres offered: those that the answer names first.
_TOP: Final = 5
#: Strength of the overlay at first, in per cent; afterwards the page's script keeps what a visitor chose.
_OPACITY: Final = 75


def heatmap_offer_html(prediction: Prediction, *, answer: str, model: str, name: str, language: str) -> str:
    """The card before a genre was chosen.

    Args:
        prediction: the answer that is to be explained.
        answer: what tells it from other answers; maps are shown in the card of theirs alone.
        model: the name by which a request asks for that model; "" is the default.
        name: of the file.
        language: "en" or "zh".
    """
    words = ui_text("heat.offer", language)
    return _card(prediction, words, "", answer=answer, model=model, name=name, language=language)


def heatmap_html(explanation: Explanation, *, image_id: str, answer: str, model: str, name: str, language: str) -> str:
    """The card with the heat map of one genre; `image_id` names the PNG that can be downloaded."""
    prediction, heatmap = explanation.analysis.prediction, explanation.heatmap
    grid = level_grid(explanation.analysis.images)
    alt = ui_text("heat.alt", language, label=display_name(heatmap.label, language), name=name)
    overlay = f'<img class="as-heat" src="{data_uri(heat_png(grid, heatmap))}" alt="" draggable="false">'
    plot = plot_html(grid, prediction.clip, alt=alt, player=SONG_PLAYER, language=language, overlay=overlay)
    download = (
        f'<a href="api/spectrograms/{escape(image_id)}.png" '
        f'download="{escape(stem(name))}-{escape(heatmap.label)}-heatmap.png">'
        f"{escape(ui_text('heat.download', language))}</a>"
    )
    return _card(
        prediction,
        _meaning(heatmap, prediction.clip.offset_s, language),
        f'<div class="as-heat-tools">{_slider(language)}<div class="as-tools">{download}</div></div>{plot}',
        chosen=heatmap.label,
        answer=answer,
        model=model,
        name=name,
        language=language,
    )


def _card(
    prediction: Prediction,
    words: str,
    body: str,
    *,
    answer: str,
    model: str,
    name: str,
    language: str,
    chosen: str = "",
) -> str:
    return (
        f'<figure class="as-card as-spectrogram as-heatmap" {event_data(prediction.clip, model, name)} '
        f'data-spectrogram="{escape(prediction.model.spectrogram)}" data-answer="{escape(answer)}"><figcaption>'
        f"<div><h3>{escape(ui_text('heat.title', language))}</h3>"
        f'<p data-testid="heat-words" aria-live="polite">{escape(words)}</p></div></figcaption>'
        f"{_genres(prediction, chosen, language)}{body}</figure>"
    )


def _genres(prediction: Prediction, chosen: str, language: str) -> str:
    """One button per genre; the page's handler answers a press with the card of that genre."""
    buttons = "".join(
        f'<button type="button" data-as-label="{escape(score.label)}" '
        f'aria-pressed="{str(score.label == chosen).lower()}">{escape(display_name(score.label, language))} '
        f"<small>{escape(percent(score.confidence))}</small></button>"
        for score in prediction.top(_TOP)
    )
    return (
        f'<div class="as-tools as-heat-genres" role="group" aria-label="{escape(ui_text("heat.genres", language))}">'
        f"{buttons}</div>"
    )


def _slider(language: str) -> str:
    return (
        f'<label class="as-opacity"><span>{escape(ui_text("heat.opacity", language))}</span>'
        f'<input type="range" min="0" max="100" value="{_OPACITY}" data-as-opacity><i aria-hidden="true"></i></label>'
    )


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
        time=clock(offset_s + heatmap.hottest.time_s),
        hz=number(float(f"{heatmap.hottest.frequency_hz:.2g}")),
        cells=f"{columns} \u00d7 {rows}",
    )
    if n_explained == heatmap.n_windows:
        return words
    some = ui_text("heat.some_windows", language, label=label, n=n_explained, total=heatmap.n_windows)
    return words + (" " if language == "en" else "") + some
