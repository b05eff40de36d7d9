"""A spectrogram to read: the image, and what `spectrogram.js` needs to draw axes, zoom and tell values.

Overlays: the image fills `.as-layer`, the part of the plot that is zoomed and moved. Whatever is laid over it belongs
into that element, positioned in per cent of it, and needs no script of its own to stay in place. The box around it,
`.as-view`, carries the axes as data: the image's left edge lies at `data-start-s` of the track, each of its
`data-columns` columns is `data-column-s` wide, and row r from the bottom stands for the r-th entry of `data-hz`.
"""

from __future__ import annotations

from acousticsense.analysis.figures import RANGE_DB, LevelGrid, row_notes, values_png
from acousticsense.audio import ClipInfo
from acousticsense.i18n.page import ui_text
from acousticsense.spectrogram.images import frequencies_hz
from acousticsense.web.html import data_uri, escape

__all__ = ["plot_html"]


def plot_html(grid: LevelGrid, clip: ClipInfo, *, alt: str, player: str, language: str, overlay: str = "") -> str:
    """The image with axes and the key to its colours.

    Args:
        grid: what to show.
        clip: where it lies in its track.
        alt: the image in words.
        player: CSS selector of the audio player that plays this track.
        language: "en" or "zh".
        overlay: HTML to be laid over the image.
    """
    kind = grid.front_end.kind
    return (
        f'<div class="as-plot"><div class="as-y" aria-hidden="true"></div>'
        f'<div class="as-view" tabindex="0" role="application" aria-label="{escape(alt)}" '
        f"{_attributes(grid, clip, player)}>"
        f'<div class="as-layer"><img src="{data_uri(values_png(grid))}" alt="{escape(alt)}" draggable="false">'
        f"{overlay}</div>"
        '<i class="as-playhead" hidden></i><i class="as-cross" hidden></i>'
        '<output class="as-readout" data-testid="readout" hidden></output></div>'
        f'<div class="as-x" aria-hidden="true"></div>{_scale(language)}'
        f'<span class="as-y-title">{escape(_y_title(kind, language))}</span>'
        f'<span class="as-x-title">{escape(ui_text("spectrogram.time", language))}</span></div>'
    )


def _attributes(grid: LevelGrid, clip: ClipInfo, player: str) -> str:
    values = {
        "start-s": f"{clip.offset_s - grid.lead_s:.6f}",
        "columns": str(grid.levels.shape[1]),
        "column-s": f"{grid.column_s:.8f}",
        "end-s": f"{clip.offset_s + clip.duration_s:.3f}",
        "track-s": "" if clip.track_duration_s is None else f"{clip.track_duration_s:.3f}",
        "range-db": f"{RANGE_DB:g}",
        "hz": " ".join(f"{hz:.1f}" for hz in frequencies_hz(grid.front_end)),
        "notes": " ".join(row_notes(grid.front_end)),
        "kind": grid.front_end.kind,
        "player": player,
    }
    return " ".join(f'data-{name}="{escape(value)}"' for name, value in values.items())


def _y_title(kind: str, language: str) -> str:
    return ui_text("spectrogram.pitch_class" if kind == "chroma" else "spectrogram.frequency", language)


def _scale(language: str) -> str:
    """The key to the colours."""
    title = escape(ui_text("spectrogram.level", language))
    ends = f"<span>&minus;{RANGE_DB:.0f}</span><span>0</span>"
    return f'<div class="as-scale" aria-hidden="true"><i></i>{ends}<b>{title}</b></div>'
