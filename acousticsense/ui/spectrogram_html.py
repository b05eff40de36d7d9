"""The spectrogram as the page shows it: the values as a picture, the axes as text that follows theme and language."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
from matplotlib import colormaps
from PIL import Image

from acousticsense.figures import RANGE_DB, relative_decibels, thin
from acousticsense.results import Prediction
from acousticsense.spectrogram import Pictures, frame_s, frequencies_hz
from acousticsense.ui.html import clock, data_uri, escape
from acousticsense.ui.result_html import range_text
from acousticsense.ui_texts import ui_text

__all__ = ["empty_spectrogram_html", "spectrogram_html"]

_TICKS_HZ: Final = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
#: Share of the height that a tick's text takes.
_TICK_ROOM: Final = 0.05
_PITCH_CLASSES: Final = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
#: Distances between time ticks, in seconds; the smallest that leaves at most `_MAX_TIME_TICKS` is taken.
_TIME_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MAX_TIME_TICKS: Final = 11


def spectrogram_html(prediction: Prediction, pictures: Pictures, picture_id: str, name: str, language: str) -> str:
    """The spectrogram of the file called `name`; `picture_id` names the PNG that can be downloaded."""
    shown_range = range_text(prediction.clip, language)
    kind = pictures.front_end.kind
    caption = "spectrogram.caption_chroma" if kind == "chroma" else "spectrogram.caption"
    link = f"api/spectrograms/{escape(picture_id)}.png"
    duration_s = pictures.spectrogram.shape[-1] * frame_s(pictures.front_end)
    return (
        '<figure class="as-card as-spectrogram" data-state="ready"><figcaption>'
        f"<div><h3>{escape(ui_text('spectrogram.title', language))}</h3>"
        f"<p>{escape(ui_text(caption, language))}</p></div>"
        '<div class="as-tools">'
        f'<button type="button" data-as-enlarge data-close="{escape(ui_text("spectrogram.close", language))}">'
        f"{escape(ui_text('spectrogram.enlarge', language))}</button>"
        f'<a href="{link}" download="{escape(_stem(name))}-spectrogram.png">'
        f"{escape(ui_text('spectrogram.download', language))}</a></div></figcaption>"
        f'<div class="as-plot"><div class="as-y" aria-hidden="true">{_y_ticks(pictures)}</div>'
        f'<img src="{data_uri(_values_png(pictures))}" '
        f'alt="{escape(ui_text("spectrogram.alt", language, name=name, range=shown_range))}">'
        f'<div class="as-x" aria-hidden="true">{_x_ticks(prediction.clip.offset_s, duration_s)}</div>'
        f"{_scale(language)}"
        f'<span class="as-y-title">{escape(_y_title(kind, language))}</span>'
        f'<span class="as-x-title">{escape(ui_text("spectrogram.time", language))}</span></div></figure>'
    )


def empty_spectrogram_html(language: str) -> str:
    """The same space before there is a spectrogram."""
    return (
        '<figure class="as-card as-spectrogram" data-state="empty"><figcaption>'
        f"<div><h3>{escape(ui_text('spectrogram.title', language))}</h3>"
        f"<p>{escape(ui_text('spectrogram.empty', language))}</p></div></figcaption>"
        '<div class="as-plot"><div class="as-blank"></div></div></figure>'
    )


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


def _values_png(pictures: Pictures) -> bytes:
    """The values as a PNG with a palette: one pixel per value, low frequencies at the bottom."""
    decibels = thin(relative_decibels(pictures.spectrogram.cpu().numpy(), pictures.front_end))
    levels = np.clip(255 * (1 + decibels / RANGE_DB), 0, 255).round().astype(np.uint8)
    image = Image.fromarray(levels[::-1], mode="P")
    image.putpalette((255 * colormaps["magma"](np.arange(256))[:, :3]).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _y_ticks(pictures: Pictures) -> str:
    if pictures.front_end.kind == "chroma":
        places: Iterator[tuple[str, float]] = ((label, row + 0.5) for row, label in enumerate(_PITCH_CLASSES))
        bins = len(_PITCH_CLASSES)
    else:
        centres = frequencies_hz(pictures.front_end)
        bins = len(centres)
        rows = np.interp(_TICKS_HZ, centres, np.arange(bins)) + 0.5
        places = (
            (str(hz), float(row))
            for hz, row, next_row in zip(_TICKS_HZ, rows, (*rows[1:], np.inf), strict=True)
            if centres[0] <= hz <= centres[-1] and next_row - row >= _TICK_ROOM * bins
        )
    return "".join(f'<span style="bottom:{100 * row / bins:.2f}%">{label}</span>' for label, row in places)


def _x_ticks(offset_s: float, duration_s: float) -> str:
    step_s = next((step for step in _TIME_STEPS_S if duration_s / step <= _MAX_TIME_TICKS), _TIME_STEPS_S[-1])
    first = -(-offset_s // step_s)
    count = int((offset_s + duration_s) / step_s - first) + 1
    moments = [(first + index) * step_s for index in range(count)]
    return "".join(
        f'<span style="left:{100 * (moment - offset_s) / duration_s:.2f}%">{_moment(moment, step_s)}</span>'
        for moment in moments
        if moment <= offset_s + duration_s
    )


def _moment(seconds: float, step_s: float) -> str:
    return f"{seconds:g}" if step_s < 60 else clock(seconds)


def _y_title(kind: str, language: str) -> str:
    return ui_text("spectrogram.pitch_class" if kind == "chroma" else "spectrogram.frequency", language)


def _scale(language: str) -> str:
    """The key to the colours."""
    title = escape(ui_text("spectrogram.level", language))
    ends = f"<span>&minus;{RANGE_DB:.0f}</span><span>0</span>"
    return f'<div class="as-scale" aria-hidden="true"><i></i>{ends}<b>{title}</b></div>'
