"""`acousticsense ensemble`: several models about one file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from acousticsense.cli.options import add_excerpt_options, check_outputs, positive, settings_of, write_output
from acousticsense.errors import printable
from acousticsense.serving.requests import EnsembleRequest, parse


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("ensemble", help="ask several models about one file")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--models", default="", help="names in models/, with commas between (all, copies once)")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--spectrogram", choices=["mel", "cqt", "both"], default="both", help="which images (both)")
    add_excerpt_options(parser)
    parser.add_argument("--top-k", type=positive, default=3, help="genres to show for each model (3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write the whole table to a file")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.analysis.ensemble import Ensemble
    from acousticsense.analysis.ensemble_payload import ensemble_payload
    from acousticsense.analysis.ensemble_table import ensemble_csv, ensemble_text

    wanted = parse(EnsembleRequest, vars(options))
    settings = settings_of(options)
    check_outputs(options.csv, read=[options.file])
    result = Ensemble.load(device=settings.device, settings=settings).predict(
        options.file,
        models=wanted.models,
        spectrogram=wanted.spectrogram,
        duration_s=wanted.duration_s,
        offset_s=wanted.offset_s,
    )
    if options.csv:
        write_output(options.csv, ensemble_csv(result).encode("utf-8-sig"))  # spreadsheets look for the mark
    if options.json:
        answer = {"path": printable(options.file), **ensemble_payload(result, top_k=wanted.top_k)}
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(ensemble_text(result, top_k=wanted.top_k))
    return 1 if any(member.error for member in result.members) else 0
