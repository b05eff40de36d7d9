"""`acousticsense timeline`: genre along a whole track."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from acousticsense.analysis.exports import audacity_labels, timeline_csv
from acousticsense.analysis.payload import timeline_payload
from acousticsense.cli.options import (
    add_model_options,
    add_spectrogram_option,
    check_outputs,
    classifier_of,
    settings_of,
    write_output,
)
from acousticsense.errors import printable
from acousticsense.i18n.messages import text
from acousticsense.serving.requests import TimelineRequest, parse


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("timeline", help="genre along a whole track")
    parser.add_argument("file", metavar="FILE")
    add_model_options(parser)
    add_spectrogram_option(parser)
    parser.add_argument(
        "--window", dest="window_s", metavar="S", help="seconds in a window, 1 to 60 (the model's own, 10)"
    )
    parser.add_argument(
        "--hop", dest="hop_s", metavar="S", help="seconds from one window's start to the next (the window)"
    )
    parser.add_argument("--duration", dest="duration_s", metavar="S", help="seconds to predict (to the end)")
    parser.add_argument("--offset", dest="offset_s", metavar="S", help="seconds to skip (0)")
    parser.add_argument(
        "--min-segment",
        dest="min_segment_s",
        metavar="S",
        help="give segments that are shorter to the one beside them (0: keep all)",
    )
    parser.add_argument("--json", action="store_true", help="windows and segments as JSON")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a table with a row per window")
    parser.add_argument("--labels", type=Path, metavar="OUT", help="write the segments as a label track for Audacity")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.analysis.timeline import make_timeline

    wanted = parse(TimelineRequest, vars(options))
    check_outputs(options.csv, options.labels, read=[options.file])
    timeline = make_timeline(
        classifier_of(options),
        options.file,
        window_s=wanted.window_s,
        hop_s=wanted.hop_s,
        duration_s=wanted.duration_s,
        offset_s=wanted.offset_s,
        min_segment_s=wanted.min_segment_s,
        max_windows=settings_of(options).max_timeline_windows,
        progress=_show_progress if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if options.csv:
        write_output(options.csv, timeline_csv(timeline).encode("utf-8-sig"))  # spreadsheets look for the mark
    if options.labels:
        write_output(options.labels, audacity_labels(timeline).encode())
    if options.json:
        print(json.dumps({"path": printable(options.file), **timeline_payload(timeline)}, ensure_ascii=False))
        return 0
    for segment in timeline.segments:
        verdict = text(f"verdict.{segment.verdict}")
        share = "" if segment.confidence is None else f" {segment.confidence:.1%}"
        named = f"{segment.genre}{share}  [{segment.verdict}]" if segment.genre else f"{verdict}{share}"
        print(f"{segment.start_s:9.1f} {segment.end_s:9.1f}  {named}")
    return 0


def _show_progress(done_s: float, expected_s: float | None) -> None:
    total = f" of {expected_s:.0f}" if expected_s else ""
    print(f"\r{done_s:.0f}{total} s analysed ", end="", file=sys.stderr, flush=True)
