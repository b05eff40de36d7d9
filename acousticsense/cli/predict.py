"""`acousticsense predict`: one line a file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from acousticsense.cli.options import add_clip_options, classifier_of, positive
from acousticsense.errors import AcousticSenseError, printable
from acousticsense.inference.payload import error_payload, prediction_payload
from acousticsense.serving.requests import PredictRequest, parse


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("predict", help="predict files")
    parser.add_argument("files", nargs="+", metavar="FILE")
    add_clip_options(parser)
    parser.add_argument("--top-k", type=positive, default=5, help="genres to show (5)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    wanted = parse(PredictRequest, vars(options))
    classifier = classifier_of(options)
    failed = 0
    for file in options.files:
        name = printable(file)
        try:
            prediction = classifier.predict(file, duration_s=wanted.duration_s, offset_s=wanted.offset_s)
        except AcousticSenseError as error:
            failed += 1
            line = json.dumps({"path": name, **error_payload(error)}, ensure_ascii=False) if options.json else ""
            print(line or f"{name}: {error}", file=sys.stdout if options.json else sys.stderr)
            continue
        if options.json:
            print(json.dumps({"path": name, **prediction_payload(prediction, top_k=wanted.top_k)}, ensure_ascii=False))
        else:
            scores = "  ".join(f"{score.label} {score.confidence:.1%}" for score in prediction.top(wanted.top_k))
            print(f"{name}: {scores}  [{prediction.verdict}]")
    return 1 if failed else 0
