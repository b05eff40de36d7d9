"""The answer of an ensemble as a table: rows, CSV, and lines for a terminal."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from acousticsense.analysis.ensemble_words import guidance, member_name, sentences
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.inference.prediction import GenreScore

#: Columns of the table before the labels; `weights_sha256` makes every row auditable.
_COLUMNS: Final = (
    "model",
    "spectrogram",
    "weights_sha256",
    "averaged",
    "best",
    "verdict",
    "network_ms",
    "load_ms",
    "size_mb",
    "error",
)


def ensemble_csv(result: EnsembleResult) -> str:
    """The table as CSV: a row per model and image, then the mean and, where there is one, the calibrated consensus.

    Columns of labels that only some models know are empty in the rows of the others.
    """
    buffer = io.StringIO()
    rows = table_rows(result)
    writer = csv.DictWriter(buffer, [*_COLUMNS, *labels_of(result)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def ensemble_text(result: EnsembleResult, *, top_k: int = 3, language: str = "en") -> str:
    """The answer for a terminal: a line per member, the consensus, and what it means."""
    width = max(len(member_name(member)) for member in result.members)
    lines = [f"{member_name(member):<{width}}  {_said(member, top_k)}" for member in result.members]
    if consensus := result.consensus:
        agreed = "" if consensus.agreement is None else f", agreement {consensus.agreement:.2f}"
        lines.append(f"{'consensus':<{width}}  {_listed(consensus.top(top_k))}  [{consensus.verdict}{agreed}]")
    advice = [entry["message"] for entry in guidance(result, language)]
    return "\n".join([*lines, "", *sentences(result, language), *advice])


def _said(member: Member, top_k: int) -> str:
    if member.prediction is None:
        return f"could not answer: {member.error}"
    prediction = member.prediction
    return f"{_listed(prediction.top(top_k))}  [{prediction.verdict}, {prediction.timing_ms.network:.0f} ms]"


def _listed(scores: tuple[GenreScore, ...]) -> str:
    return "  ".join(f"{score.label} {score.confidence:.1%}" for score in scores)


def table_rows(result: EnsembleResult) -> list[dict[str, Any]]:
    """The rows of the table, as in `ensemble_csv`."""
    consensus = result.consensus
    averaged = consensus.members if consensus else ()
    rows = [_row(member, averaged=index in averaged) for index, member in enumerate(result.members)]
    if consensus:
        rows.append(_pooled_row("mean", consensus, consensus.probabilities))
        if consensus.calibrated:
            rows.append(_pooled_row("calibrated", consensus, consensus.calibrated))
    return rows


def labels_of(result: EnsembleResult) -> tuple[str, ...]:
    """Every label of the table: those that were averaged first, then what only other members know."""
    known = dict.fromkeys(result.consensus.probabilities if result.consensus else ())
    for member in result.members:
        known |= dict.fromkeys(member.prediction.probabilities if member.prediction else ())
    return tuple(known)


def _row(member: Member, *, averaged: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"model": member.name, "spectrogram": member.spectrogram, "averaged": int(averaged)}
    if member.error:
        return {**row, "error": member.error.message}
    if prediction := member.prediction:
        row |= {
            "weights_sha256": prediction.model.weights_sha256,
            "best": prediction.top(1)[0].label,
            "verdict": prediction.verdict,
            "network_ms": prediction.timing_ms.network,
            "load_ms": member.load_ms,
            "size_mb": round(member.size_mb, 2),
            **prediction.probabilities,
        }
    return row


def _pooled_row(name: str, consensus: Consensus, probabilities: Any) -> dict[str, Any]:
    best = max(probabilities, key=lambda label: probabilities[label])
    return {"model": name, "best": best, "verdict": consensus.verdict, **probabilities}
