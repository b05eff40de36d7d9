"""The timeline as the page shows it: a stacked area over time, the segments below it and in a table, and the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.analysis.results import Segment, Timeline, TimelineWindow
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, escape, percent
from acousticsense.web.result_html import range_text, trouble_html

__all__ = [
    "empty_timeline_html",
    "progress_html",
    "stopped_timeline_html",
    "timeline_error_html",
    "timeline_html",
]

#: Genres with a colour of their own; the style sheet has as many. The others share one.
_COLOURS: Final = 8
#: Columns drawn at most; more than a screen has pixels only make the page slow.
_MAX_COLUMNS: Final = 800
#: Genres named for the place under the pointer.
_NAMED: Final = 3
#: Distances between time ticks in seconds; the smallest that leaves at most `_MAX_TICKS` is taken.
_TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MAX_TICKS: Final = 9


@dataclass(frozen=True)
class _Column:
    """A excerpt of the drawing: its place and the probabilities there (n_labels,), None where there is no music."""

    start_s: float
    end_s: float
    values: NDArray[np.float64] | None
    verdict: str


def timeline_html(timeline: Timeline, timeline_id: str, name: str, language: str) -> str:
    """The timeline of the file called `name`; `timeline_id` names the files that can be downloaded."""
    return (
        f'<section class="as-card as-timeline" data-state="ready">{_head(timeline, name, language)}'
        f"{_tools(timeline_id, name, language)}{_figure(timeline, language)}"
        f"{_table(timeline.segments, language)}{_identity(timeline, language)}</section>"
    )


def empty_timeline_html(language: str) -> str:
    """The card before there is a timeline."""
    return _message(ui_text("timeline.empty", language), ui_text("timeline.empty.body", language))


def stopped_timeline_html(language: str) -> str:
    """The card after the user has stopped the work."""
    return _message(ui_text("timeline.stopped", language), ui_text("timeline.stopped.body", language))


def timeline_error_html(error: AcousticSenseError | None, language: str, *, code: str = "") -> str:
    """What went wrong and what to do; `code` names the texts when there is no error."""
    words = trouble_html(error, language, code=code)
    return f'<section class="as-card as-timeline" data-state="error">{words}</section>'


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
    return (
        f'<section class="as-card as-timeline" data-state="running"><h2 class="as-best">'
        f"{escape(ui_text('timeline.running', language))}</h2>"
        f'<div class="as-progress" role="progressbar" aria-label="{escape(ui_text("timeline.running", language))}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{100 * share:.0f}" aria-valuetext="{escape(words)}">'
        f'<i style="width:{100 * share:.2f}%"></i></div>'
        f'<p class="as-lead">{escape(words)}</p></section>'
    )


def _message(title: str, body: str) -> str:
    return (
        f'<section class="as-card as-timeline" data-state="empty"><h2 class="as-best">{escape(title)}</h2>'
        f'<p class="as-lead">{escape(body)}</p></section>'
    )


def _head(timeline: Timeline, name: str, language: str) -> str:
    """What most of the track is."""
    total_s = timeline.segments[-1].end_s - timeline.segments[0].start_s
    ranked = _ranked(timeline)
    file = f'<p class="as-file"><b>{escape(name)}</b> <span>{escape(range_text(timeline.clip, language))}</span></p>'
    if not ranked:
        return f'{file}<h2 class="as-best">{escape(ui_text("timeline.no_music", language))}</h2>'
    shares = [(display_name(label, language), percent(seconds / total_s)) for label, seconds in ranked[:_NAMED]]
    first, *others = shares
    then = " · ".join(f"{label} {share}" for label, share in others)
    rest = f'<p class="as-lead">{escape(ui_text("timeline.then", language, others=then))}</p>' if then else ""
    return (
        f'{file}<h2 class="as-best">{escape(first[0])} <span class="as-share">{escape(first[1])}</span></h2>'
        f'<p class="as-lead">{escape(ui_text("timeline.of_the_time", language))}</p>{rest}'
    )


def _ranked(timeline: Timeline) -> list[tuple[str, float]]:
    """(label, seconds in it) of the genres that segments have, the longest first."""
    seconds: dict[str, float] = {}
    for segment in timeline.segments:
        if segment.genre:
            seconds[segment.genre] = seconds.get(segment.genre, 0.0) + segment.end_s - segment.start_s
    return sorted(seconds.items(), key=lambda item: -item[1])


def _tools(timeline_id: str, name: str, language: str) -> str:
    stem = name.rpartition(".")[0] or name
    links = "".join(
        f'<a href="api/timelines/{escape(timeline_id)}.{kind}" download="{escape(stem)}-timeline.{kind}">'
        f"{escape(ui_text(key, language))}</a>"
        for kind, key in (("csv", "timeline.csv"), ("json", "timeline.json"), ("txt", "timeline.labels"))
    )
    return f'<div class="as-tools as-timeline-tools">{links}</div>'


def _figure(timeline: Timeline, language: str) -> str:
    start_s, end_s = timeline.segments[0].start_s, timeline.segments[-1].end_s
    columns = _columns(timeline, end_s)
    order = _order(timeline, columns)
    place = _placer(start_s, end_s)
    return (
        '<figure class="as-river-figure">'
        f'<div class="as-river" data-as-river data-start="{start_s:.3f}" data-end="{end_s:.3f}" '
        f'data-step="{timeline.hop_s:g}" data-columns="{escape(_readings(columns, timeline.labels, language))}" '
        f'tabindex="0" role="slider" aria-label="{escape(ui_text("timeline.slider", language))}" '
        f'aria-valuemin="{start_s:.0f}" aria-valuemax="{end_s:.0f}" aria-valuenow="{start_s:.0f}" '
        f'aria-valuetext="{clock(start_s)}">{_svg(columns, order, place)}'
        '<i class="as-river-pointer" hidden></i><i class="as-river-head" hidden></i>'
        '<output class="as-river-readout" data-testid="reading" hidden></output></div>'
        f'<div class="as-strip">{_strip(timeline.segments, timeline.labels, order, place, language)}</div>'
        f'<div class="as-river-x" aria-hidden="true">{_ticks(start_s, end_s, place)}</div>'
        f'<figcaption class="as-legend">{_legend(timeline.labels, order, language)}'
        f"<p>{escape(ui_text('timeline.caption', language))}</p></figcaption></figure>"
    )


def _placer(start_s: float, end_s: float) -> Callable[[float], float]:
    """Seconds to per cent of the width."""
    return lambda seconds: 100 * (seconds - start_s) / (end_s - start_s)


def _columns(timeline: Timeline, end_s: float) -> list[_Column]:
    """At most `_MAX_COLUMNS` excerpts, each the mean of the windows that begin in it."""
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


def _svg(columns: Sequence[_Column], order: Sequence[int], place: Callable[[float], float]) -> str:
    """One layer per colour, the most frequent genre at the bottom; each path steps from column to column."""
    layers = np.array([_layers(column, order) for column in columns]).T
    upper = np.cumsum(layers, axis=0)
    lower = np.vstack([np.zeros((1, len(columns))), upper[:-1]])
    edges = [*(place(column.start_s) for column in columns), 100.0]
    paths = "".join(
        f'<path data-colour="{_colour(rank)}" d="{_steps(edges, lower[rank], upper[rank])}"/>'
        for rank in range(len(layers))
    )
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{paths}</svg>'


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


def _strip(
    segments: Sequence[Segment],
    labels: Sequence[str],
    order: Sequence[int],
    place: Callable[[float], float],
    language: str,
) -> str:
    """A button per segment, as wide as the segment is long."""
    return "".join(
        f'<button type="button" data-as-seek="{segment.start_s:.3f}" '
        f'data-colour="{_segment_colour(segment, labels, order)}" '
        f'style="left:{place(segment.start_s):.3f}%;width:{place(segment.end_s) - place(segment.start_s):.3f}%" '
        f'title="{escape(_span(segment))} {escape(_named(segment, language))}" tabindex="-1">'
        f"<span>{escape(_named(segment, language))}</span></button>"
        for segment in segments
    )


def _segment_colour(segment: Segment, labels: Sequence[str], order: Sequence[int]) -> str:
    if segment.genre is None:
        return segment.verdict
    index = labels.index(segment.genre)
    return str(order.index(index)) if index in order else "other"


def _named(segment: Segment, language: str) -> str:
    return display_name(segment.genre, language) if segment.genre else text(f"verdict.{segment.verdict}", language)


def _span(segment: Segment) -> str:
    return f"{clock(segment.start_s)} – {clock(segment.end_s)}"


def _ticks(start_s: float, end_s: float, place: Callable[[float], float]) -> str:
    step_s = next((step for step in _TICK_STEPS_S if (end_s - start_s) / step <= _MAX_TICKS), _TICK_STEPS_S[-1])
    first, last = -(-start_s // step_s), end_s // step_s
    moments = [number * step_s for number in range(int(first), int(last) + 1)]
    return "".join(
        f'<span data-edge="{_edge(place(moment))}" style="left:{place(moment):.3f}%">{clock(moment)}</span>'
        for moment in moments
    )


def _edge(percent_of_width: float) -> str:
    """Where a tick's text would stand out of the figure."""
    return "start" if percent_of_width < 3 else "end" if percent_of_width > 97 else ""


def _legend(labels: Sequence[str], order: Sequence[int], language: str) -> str:
    named = [(str(rank), display_name(labels[index], language)) for rank, index in enumerate(order)]
    if len(labels) > len(order):
        named.append(("other", ui_text("timeline.others", language)))
    items = "".join(f'<li><i data-colour="{colour}"></i>{escape(words)}</li>' for colour, words in named)
    return f"<ul>{items}</ul>"


def _table(segments: Sequence[Segment], language: str) -> str:
    heads = "".join(
        f'<th scope="col">{escape(ui_text(key, language))}</th>'
        for key in ("timeline.from", "timeline.to", "timeline.genre", "timeline.probability", "timeline.verdict")
    )
    rows = "".join(
        f'<tr><td><button type="button" data-as-seek="{segment.start_s:.3f}" '
        f'aria-label="{escape(ui_text("timeline.play_from", language, place=clock(segment.start_s)))}">'
        f"{clock(segment.start_s)}</button></td><td>{clock(segment.end_s)}</td>"
        f"<td>{escape(_named(segment, language))}</td>"
        f"<td>{'' if segment.confidence is None else escape(percent(segment.confidence))}</td>"
        f"<td>{escape(text(f'verdict.{segment.verdict}', language)) if segment.genre else ''}</td></tr>"
        for segment in segments
    )
    return (
        f'<div class="as-segments" tabindex="0" role="region" '
        f'aria-label="{escape(ui_text("timeline.segments", language))}">'
        f'<table data-testid="segments"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _identity(timeline: Timeline, language: str) -> str:
    words = ui_text(
        "timeline.identity",
        language,
        n=len(timeline.windows),
        window=f"{timeline.window_s:g}",
        hop=f"{timeline.hop_s:g}",
        seconds=f"{timeline.timing_ms.total / 1000:.1f}",
    )
    return (
        f'<p class="as-identity"><span>{escape(ui_text("identity", language))} '
        f"<b>{escape(timeline.model.name)}</b></span><span>{escape(words)}</span></p>"
    )
