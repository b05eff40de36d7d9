"""`acousticsense compare`: what moved between two versions of a piece."""

from __future__ import annotations

import argparse
import json
from typing import Any

from acousticsense.cli.options import (
    add_excerpt_options,
    add_model_options,
    add_spectrogram_option,
    classifier_of,
)
from acousticsense.serving.requests import CompareRequest, parse

__all__ = ["add"]


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("compare", help="two versions of a piece: what moved")
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    add_model_options(parser)
    add_spectrogram_option(parser)
    add_excerpt_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, as POST /api/compare answers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.analysis.compare import compare, comparison_payload, comparison_sentences

    wanted = parse(CompareRequest, vars(options))
    comparison = compare(
        classifier_of(options), options.a, options.b, duration_s=wanted.duration_s, offset_s=wanted.offset_s
    )
    if options.json:
        print(json.dumps(comparison_payload(comparison), ensure_ascii=False))
        return 0
    before = comparison.a.prediction.probabilities
    after = comparison.b.prediction.probabilities
    for label in sorted(before, key=lambda label: -max(before[label], after[label])):
        print(f"{label:>12} {before[label]:8.1%} {after[label]:8.1%} {100 * (after[label] - before[label]):+7.1f}")
    print("\n".join(comparison_sentences(comparison)))
    return 0
