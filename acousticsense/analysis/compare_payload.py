"""Comparisons of a reference with other versions, in words, as plain JSON values and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from acousticsense.analysis.compare import Comparison, analyses_of
from acousticsense.inference.payload import prediction_payload, sentence


def comparison_sentences(comparison: Comparison, language: str = "en") -> list[str]:
    """What moved, in words; label names are shown in `language`."""
    return [
        sentence(f"compare.{finding.code}", {**finding.values, "version": comparison.version}, language)
        for finding in comparison.findings
    ]


def comparison_payload(*comparisons: Comparison, top_k: int = 5, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/compare`.

    What moved from "a" to "b" stands at the top; under "others", what moved from "a" to each further version.

    Args:
        comparisons: of the same reference with one to three versions.
        top_k: how many labels each `prediction` lists, best first.
        language: "en" or "zh", for sentences; labels and codes stay as they are.
    """
    first, *others = comparisons
    changes = {comparison.version.lower(): _change(comparison, language) for comparison in others}
    return {
        **_change(first, language),
        **({"others": changes} if changes else {}),
        **{
            version: prediction_payload(analysis.prediction, top_k=top_k, language=language)
            for version, analysis in analyses_of(comparisons).items()
        },
    }


def comparison_csv(*comparisons: Comparison) -> str:
    """A row per label: its probability in the reference and in each version, and the change to that."""
    heads = [
        head
        for comparison in comparisons
        for head in (comparison.version.lower(), f"change_{comparison.version.lower()}")
    ]
    heads[1] = "change"
    before = comparisons[0].a.prediction.probabilities
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("label", "a", *heads))
    for label in before:
        pairs = [(c.b.prediction.probabilities[label], c.differences[label]) for c in comparisons]
        writer.writerow((label, before[label], *(value for pair in pairs for value in pair)))
    return buffer.getvalue()


def _change(comparison: Comparison, language: str) -> dict[str, Any]:
    a, b = comparison.sound_a, comparison.sound_b
    return {
        "summary": comparison_sentences(comparison, language),
        "moved": comparison.findings[0].code != "nothing",
        "differences": comparison.differences,
        "noise": comparison.noise,
        "threshold": comparison.threshold,
        "loudness_lufs": _pair(a.loudness_lufs, b.loudness_lufs),
        "brightness_hz": _pair(a.brightness_hz, b.brightness_hz),
    }


def _pair(a: float | None, b: float | None) -> Mapping[str, float | None]:
    return {"a": a, "b": b, "difference": None if a is None or b is None else b - a}
