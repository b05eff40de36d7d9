"""`acousticsense explain`: where the model looked for a genre."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from acousticsense.analysis.heatmap import Heatmap
from acousticsense.analysis.payload import explanation_payload
from acousticsense.cli.options import add_clip_options, check_outputs, classifier_of, write_output
from acousticsense.errors import printable
from acousticsense.serving.requests import ExplainRequest, parse


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("explain", help="where the model looked for a genre")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--label", default="", help="the genre to explain (the best one)")
    add_clip_options(parser)
    parser.add_argument("--png", type=Path, metavar="OUT", help="write the heat map over the spectrogram")
    parser.add_argument("--json", action="store_true", help="print the answer with the heat map's values as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.analysis.explain import explain
    from acousticsense.analysis.figures import heatmap_drawing

    wanted = parse(ExplainRequest, vars(options))
    check_outputs(options.png, read=[options.file])
    classifier = classifier_of(options)
    explained = explain(classifier, options.file, wanted.label, duration_s=wanted.duration_s, offset_s=wanted.offset_s)
    prediction, heatmap = explained.analysis.prediction, explained.heatmap
    if options.png:
        draw = heatmap_drawing(explained.analysis.images, heatmap, offset_s=prediction.clip.offset_s)
        write_output(options.png, draw())
    name = printable(options.file)
    if options.json:
        print(json.dumps({"path": name, **explanation_payload(prediction, heatmap)}, ensure_ascii=False))
    else:
        print(f"{name}: {heatmap.label} {heatmap.probability:.1%}; {_place(heatmap, prediction.clip.offset_s)}")
    return 0


def _place(heatmap: Heatmap, offset_s: float) -> str:
    if heatmap.hottest is None:
        return "nothing in the image speaks for it"
    place = heatmap.hottest
    time = f"what speaks most for it is at {offset_s + place.time_s:.1f} s"
    return time if place.frequency_hz is None else f"{time}, around {place.frequency_hz:.0f} Hz"
