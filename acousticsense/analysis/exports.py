"""A timeline as files that other programs read: a table for spreadsheets, and labels for Audacity."""

from __future__ import annotations

import csv
import io

from acousticsense.analysis.results import Timeline
from acousticsense.i18n.messages import text

__all__ = ["audacity_labels", "timeline_csv"]


def timeline_csv(timeline: Timeline) -> str:
    """One row per window: its place in seconds, the number of its segment (from 1), the verdict, the best label with
    its probability, then the probability of "not music" and of each label. Silence has no probabilities.
    """
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("start_s", "end_s", "segment", "verdict", "genre", "confidence", "not_music", *timeline.labels))
    segment = 0
    for window in timeline.windows:
        while window.start_s >= timeline.segments[segment].end_s:
            segment += 1
        best = window.best
        table.writerow(
            (
                f"{window.start_s:.3f}",
                f"{window.end_s:.3f}",
                segment + 1,
                window.verdict,
                best.label if best else "",
                _share(best.confidence if best else None),
                _share(window.not_music),
                *(_share(window.probabilities.get(label)) for label in timeline.labels),
            )
        )
    return file.getvalue()


def audacity_labels(timeline: Timeline) -> str:
    """A label track (File > Import > Labels): start and end in seconds and a title per segment, tabs between them."""
    lines = []
    for segment in timeline.segments:
        title = segment.genre or text(f"verdict.{segment.verdict}")
        if segment.confidence is not None:
            title += f" {segment.confidence:.0%}"
        lines.append(f"{segment.start_s:.6f}\t{segment.end_s:.6f}\t{' '.join(title.split())}\n")
    return "".join(lines)


def _share(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6f}"
