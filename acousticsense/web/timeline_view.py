"""The timeline as the page shows it: a stacked area over time, the segments below it and in a table, and the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.analysis.results import Timeline, TimelineWindow
from acousticsense.analysis.whole_song import NO_GENRE, WholeSong, sum_up
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, percent, render
from acousticsense.web.segments_view import COLOURS, Axis, colour_order, mostly, others_of, segment_data

#: Columns drawn at most; more than a screen has pixels only make the page slow.
_MAX_COLUMNS: Final = 800
#: Genres named for the place under the pointer.
_NAMED: Final = 3


@dataclass(frozen=True)
class _Column:
    """A part of the drawing: its place and the probabilities there (n_labels,), None where there is no music."""

    start_s: float
    end_s: float
    values: NDArray[np.float64] | None
    verdict: str


def timeline_html(timeline: Timeline, timeline_id: str, name: str, language: str, *, asked: str = "[]") -> str:
    """The timeline of the file called `name`; `timeline_id` names the files to download, `asked`: see `html.asked`."""
    axis, song = Axis.of(timeline), sum_up(timeline)
    columns = _columns(timeline, axis.end_s)
    order = _order(timeline, song, columns)
    return render(
        "timeline.html",
        language,
        asked=asked,
        timeline=timeline,
        timeline_id=timeline_id,
        name=name,
        axis=axis,
        has_music=bool(colour_order(song)),
        mostly=mostly(song, language),
        others=others_of(song, language),
        readings=_readings(columns, timeline.labels, language),
        layers=_paths(columns, [timeline.labels.index(label) for label in order], axis),
        segments=[segment_data(segment, order, axis, language) for segment in timeline.segments],
        legend=_legend(timeline.labels, order, language),
    )


def progress_html(done_s: float, expected_s: float | None, left_s: float | None, place: int, language: str) -> str:
    """How far the work is; see `progress_words`."""
    words, share = progress_words(done_s, expected_s, left_s, place, language)
    return render("timeline_progress.html", language, share=share, words=words)


def progress_words(
    done_s: float, expected_s: float | None, left_s: float | None, place: int, language: str
) -> tuple[str, float]:
    """How far the work is, in words and as a share.

    Args:
        done_s: seconds of the track that are analysed.
        expected_s: seconds to predict in all; None when the file does not say.
        left_s: seconds until the end as far as can be told; None before anything was analysed.
        place: in the queue, from 1; 0 when it has begun.
    """
    if place:
        return ui_text("queue.place", language, n=place), 0.0
    if expected_s is None:
        words, share = ui_text("timeline.progress", language, done=clock(done_s)), 0.0
    else:
        done = clock(min(done_s, expected_s))
        words = ui_text("timeline.progress_of", language, done=done, total=clock(expected_s))
        share = min(1.0, done_s / expected_s) if expected_s else 0.0
    if left_s is not None:
        words += " · " + ui_text("timeline.left", language, left=clock(round(left_s)))
    return words, share


def _columns(timeline: Timeline, end_s: float) -> list[_Column]:
    """At most `_MAX_COLUMNS` parts, each the mean of the windows that begin in it."""
    windows, step = timeline.windows, -(-len(timeline.windows) // _MAX_COLUMNS)
    borders_s = [*(window.start_s for window in windows[::step]), end_s]
    return [
        _column(windows[index * step : (index + 1) * step], borders_s[index], borders_s[index + 1], timeline.labels)
        for index in range(len(borders_s) - 1)
    ]


def _column(windows: Sequence[TimelineWindow], start_s: float, end_s: float, labels: Sequence[str]) -> _Column:
    analysed = [window for window in windows if window.verdict not in NO_GENRE]
    if not analysed:
        return _Column(start_s, end_s, None, windows[0].verdict)
    values = np.array([[window.probabilities[label] for label in labels] for window in analysed]).mean(axis=0)
    return _Column(start_s, end_s, values, analysed[0].verdict)


def _order(timeline: Timeline, song: WholeSong, columns: Sequence[_Column]) -> list[str]:
    """The labels with a colour of their own: those of segments first, then the most probable ones."""
    total = np.zeros(len(timeline.labels))
    for column in columns:
        if column.values is not None:
            total += column.values
    likely = [timeline.labels[index] for index in np.argsort(-total, kind="stable")]
    return list(dict.fromkeys([*colour_order(song), *likely]))[:COLOURS]


def _paths(columns: Sequence[_Column], order: Sequence[int], axis: Axis) -> list[tuple[str, str]]:
    """(colour, SVG path) per layer, the most frequent genre at the bottom; each path steps from column to column."""
    layers = np.array([_layers(column, order) for column in columns]).T
    upper = np.cumsum(layers, axis=0)
    lower = np.vstack([np.zeros((1, len(columns))), upper[:-1]])
    edges = [*(axis.place(column.start_s) for column in columns), 100.0]
    colours = [*map(str, range(len(order))), "other"]
    return [(colours[rank], _steps(edges, lower[rank], upper[rank])) for rank in range(len(layers))]


def _layers(column: _Column, order: Sequence[int]) -> list[float]:
    """Heights of one column: the genres with a colour, then all others together."""
    if column.values is None:
        return [0.0] * (len(order) + 1)
    own = [float(column.values[index]) for index in order]
    return [*own, max(0.0, 1.0 - sum(own))]


def _steps(edges: Sequence[float], lower: NDArray[np.float64], upper: NDArray[np.float64]) -> str:
    there = "".join(f"V{100 * (1 - y):.4g}H{x:.5g}" for y, x in zip(upper, edges[1:], strict=True))
    back = "".join(f"V{100 * (1 - y):.4g}H{x:.5g}" for y, x in zip(lower[::-1], edges[-2::-1], strict=True))
    return f"M0 100{there}{back}Z"


def _readings(columns: Sequence[_Column], labels: Sequence[str], language: str) -> str:
    """What the page's script tells for the place under the pointer: [end of the column in s, words]."""
    return json.dumps(
        [[round(column.end_s, 2), _reading(column, labels, language)] for column in columns], ensure_ascii=False
    )


def _reading(column: _Column, labels: Sequence[str], language: str) -> str:
    if column.values is None:
        return text(f"verdict.{column.verdict}", language)
    best = np.argsort(-column.values, kind="stable")[:_NAMED]
    return " · ".join(f"{display_name(labels[index], language)} {percent(column.values[index])}" for index in best)


def _legend(labels: Sequence[str], order: Sequence[str], language: str) -> list[tuple[str, str]]:
    """(colour, name) of each colour."""
    named = [(str(rank), display_name(label, language)) for rank, label in enumerate(order)]
    if len(labels) > len(order):
        named.append(("other", ui_text("timeline.others", language)))
    return named
