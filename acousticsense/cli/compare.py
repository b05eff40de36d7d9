"""`acousticsense compare`: what moved between versions of a piece."""

from __future__ import annotations

import argparse
import json
from typing import Any

from acousticsense.cli.options import add_clip_options, classifier_of
from acousticsense.serving.requests import CompareRequest, parse


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("compare", help="two to four versions of a piece: what moved from the first")
    parser.add_argument("a", metavar="A", help="the reference")
    parser.add_argument("b", metavar="B")
    parser.add_argument("more", metavar="C", nargs="*", help="a third and a fourth version")
    add_clip_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, as POST /api/compare answers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.analysis.compare import compare_versions
    from acousticsense.analysis.compare_payload import comparison_payload, comparison_sentences

    wanted = parse(CompareRequest, vars(options))
    files = [options.a, options.b, *options.more]
    comparisons = compare_versions(
        classifier_of(options), files, duration_s=wanted.duration_s, offset_s=wanted.offset_s
    )
    if options.json:
        print(json.dumps(comparison_payload(*comparisons), ensure_ascii=False))
        return 0
    before = comparisons[0].a.prediction.probabilities
    highest = {
        label: max(share, *(each.b.prediction.probabilities[label] for each in comparisons))
        for label, share in before.items()
    }
    for label in sorted(before, key=lambda label: -highest[label]):
        moved = "".join(
            f" {each.b.prediction.probabilities[label]:8.1%} {100 * each.differences[label]:+7.1f}"
            for each in comparisons
        )
        print(f"{label:>12} {before[label]:8.1%}{moved}")
    for comparison in comparisons:
        if len(comparisons) > 1:
            print(f"\nA to {comparison.version}")
        print("\n".join(comparison_sentences(comparison)))
    return 0
