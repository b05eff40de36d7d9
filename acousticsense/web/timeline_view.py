"""The timeline as the page shows it: a stacked area over time, the segments below it and in a table, and the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.analysis.results import Segment, Timeline, TimelineWindow
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, percent, render

__all__ = ["progress_html", "timeline_html"]

#: Genres with a colour of their own; the style sheet has as many. The others share one.
_COLOURS: Final = 8
#: Columns drawn at most; more than a screen has pixels only make the page slow.
_MAX_COLUMNS: Final = 800
#: Genres named for the place under the pointer.
_NAMED: Final = 3
#: Distances between time ticks in seconds; the smallest that leaves at most `_MAX_TICKS` is taken.
_TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MAX_TICKS: Final = 9

#: Seconds to per cent of the width.
_Place = Callable[[float], float]


@dataclass(frozen=True)
class _Column:
    """A part of the drawing: its place and the probabilities there (n_labels,), None where there is no music."""

    start_s: float
    end_s: float
    values: NDArray[np.float64] | None
    verdict: str


def timeline_html(timeline: Timeline, timeline_id: str, name: str, language: str) -> str:
    """The timeline of the file called `name`; `timeline_id` names the files that can be downloaded."""
    start_s, end_s = timeline.segments[0].start_s, timeline.segments[-1].end_s

    def place(seconds: float) -> float:
        return 100 * (seconds - start_s) / (end_s - start_s)

    columns = _columns(timeline, end_s)
    order = _order(timeline, columns)
    shares = [(label, seconds / (end_s - start_s)) for label, seconds in _ranked(timeline)[:_NAMED]]
    return render(
        "timeline.html",
        language,
        timeline=timeline,
        timeline_id=timeline_id,
        name=name,
        start_s=start_s,
        end_s=end_s,
        shares=shares,
        others=" · ".join(f"{display_name(label, language)} {percent(share)}" for label, share in shares[1:]),
        readings=_readings(columns, timeline.labels, language),
        layers=_paths(columns, order, place),
        segments=[_segment(segment, timeline.labels, order, place, language) for segment in timeline.segments],
        ticks=[(moment, place(moment)) for moment in _ticks(start_s, end_s)],
        legend=_legend(timeline.labels, order, language),
    )


def progress_html(done_s: float, expected_s: float | None, left_s: float | None, language: str) -> str:
    """How far the work is.

    Args:
        done_s: seconds of the track that are analysed.
        expected_s: seconds to predict in all; None when the file does not say.
        left_s: seconds until the end as far as can be told; None before anything was analysed.
        language: "en" or "zh".
    """
    if expected_s is None:
        words, share = ui_text("timeline.progress", language, done=clock(done_s)), 0.0
    else:
        done = clock(min(done_s, expected_s))
        words = ui_text("timeline.progress_of", language, done=done, total=clock(expected_s))
        share = min(1.0, done_s / expected_s) if expected_s else 0.0
    if left_s is not None:
        words += " · " + ui_text("timeline.left", language, left=clock(round(left_s)))
    return render("timeline_progress.html", language, share=share, words=words)


def _ranked(timeline: Timeline) -> list[tuple[str, float]]:
    """(label, seconds in it) of the genres that segments have, the longest first."""
    seconds: dict[str, float] = {}
    for segment in timeline.segments:
        if segment.genre:
            seconds[segment.genre] = seconds.get(segment.genre, 0.0) + segment.end_s - segment.start_s
    return sorted(seconds.items(), key=lambda item: -item[1])


def _columns(timeline: Timeline, end_s: float) -> list[_Column]:
    """At most `_MAX_COLUMNS` parts, each the mean of the windows that begin in it."""
    windows, step = timeline.windows, -(-len(timeline.windows) // _MAX_COLUMNS)
    borders_s = [*(window.start_s for window in windows[::step]), end_s]
    return [
        _column(windows[index * step : (index + 1) * step], borders_s[index], borders_s[index + 1], timeline.labels)
        for index in range(len(borders_s) - 1)
    ]


def _column(windows: Sequence[TimelineWindow], start_s: float, end_s: float, labels: Sequence[str]) -> _Column:
    analysed = [window for window in windows if window.verdict not in ("silence", "not_music")]
    if not analysed:
        return _Column(start_s, end_s, None, windows[0].verdict)
    values = np.array([[window.probabilities[label] for label in labels] for window in analysed]).mean(axis=0)
    return _Column(start_s, end_s, values, analysed[0].verdict)


def _order(timeline: Timeline, columns: Sequence[_Column]) -> list[int]:
    """Indices of the labels with a colour of their own: those of segments first, then the most probable ones."""
    total = np.zeros(len(timeline.labels))
    for column in columns:
        if column.values is not None:
            total += column.values
    for label, seconds in _ranked(timeline):
        total[timeline.labels.index(label)] += 1e6 + seconds
    return [int(index) for index in np.argsort(-total, kind="stable")[:_COLOURS]]


def _paths(columns: Sequence[_Column], order: Sequence[int], place: _Place) -> list[tuple[str, str]]:
    """(colour, SVG path) per layer, the most frequent genre at the bottom; each path steps from column to column."""
    layers = np.array([_layers(column, order) for column in columns]).T
    upper = np.cumsum(layers, axis=0)
    lower = np.vstack([np.zeros((1, len(columns))), upper[:-1]])
    edges = [*(place(column.start_s) for column in columns), 100.0]
    return [(_colour(rank), _steps(edges, lower[rank], upper[rank])) for rank in range(len(layers))]


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


def _colour(rank: int) -> str:
    return str(rank) if rank < _COLOURS else "other"


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


def _segment(
    segment: Segment, labels: Sequence[str], order: Sequence[int], place: _Place, language: str
) -> dict[str, object]:
    """A segment as a button and as a row of the table."""
    verdict = text(f"verdict.{segment.verdict}", language)
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "left": place(segment.start_s),
        "width": place(segment.end_s) - place(segment.start_s),
        "colour": _segment_colour(segment, labels, order),
        "name": display_name(segment.genre, language) if segment.genre else verdict,
        "confidence": segment.confidence,
        "verdict": verdict if segment.genre else "",
    }


def _segment_colour(segment: Segment, labels: Sequence[str], order: Sequence[int]) -> str:
    if segment.genre is None:
        return segment.verdict
    index = labels.index(segment.genre)
    return str(order.index(index)) if index in order else "other"


def _ticks(start_s: float, end_s: float) -> list[float]:
    step_s = next((step for step in _TICK_STEPS_S if (end_s - start_s) / step <= _MAX_TICKS), _TICK_STEPS_S[-1])
    first, last = -(-start_s // step_s), end_s // step_s
    return [number * step_s for number in range(int(first), int(last) + 1)]


def _legend(labels: Sequence[str], order: Sequence[int], language: str) -> list[tuple[str, str]]:
    """(colour, name) of each colour."""
    named = [(str(rank), display_name(labels[index], language)) for rank, index in enumerate(order)]
    if len(labels) > len(order):
        named.append(("other", ui_text("timeline.others", language)))
    return named
