"""The answer of an ensemble as plain JSON values, as a table and in sentences: the one form that every face gives."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any, Final

from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.i18n.messages import text
from acousticsense.inference.payload import advice_text, error_payload, health_text
from acousticsense.inference.prediction import GenreScore
from acousticsense.models.genres import display_name

__all__ = [
    "ensemble_csv",
    "ensemble_payload",
    "ensemble_text",
    "guidance",
    "labels_of",
    "member_name",
    "sentences",
    "table_rows",
]

_MB: Final = 1e6

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


def ensemble_payload(result: EnsembleResult, *, top_k: int = 3, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/ensemble`.

    Args:
        result: what the ensemble answered.
        top_k: how many labels each `prediction` lists, best first.
        language: "en" or "zh", for sentences; labels and codes stay as they are.
    """
    consensus = result.consensus
    averaged = consensus.members if consensus else ()
    return {
        "models": [
            _member_payload(member, averaged=index in averaged, top_k=top_k)
            for index, member in enumerate(result.members)
        ],
        "consensus": _consensus_payload(consensus, top_k, language) if consensus else None,
        "agreement": consensus.agreement if consensus else None,
        "splits": _splits_payload(result, consensus) if consensus else None,
        "sentences": sentences(result, language),
        "guidance": guidance(result, language),
        "health": [
            {"code": note.code, "severity": note.severity, "value": note.value, "message": health_text(note, language)}
            for note in result.health.notes
        ],
        **result.facts(),
    }


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


def member_name(member: Member) -> str:
    """How a member is called: "resnet50 · cqt"."""
    return f"{member.name} · {member.spectrogram}" if member.spectrogram else member.name


def sentences(result: EnsembleResult, language: str = "en") -> list[str]:
    """What the table means, in words: the split, the border, whom to compare, and what is missing."""
    consensus = result.consensus
    failed = sum(member.prediction is None for member in result.members)
    missing = [text("ensemble.failed", language, n=failed, total=len(result.members))] if failed else []
    if consensus is None:
        return missing
    beside = len(result.members) - failed - len(consensus.members)
    if beside:
        missing.append(text("ensemble.beside", language, n=beside))
    known = "calibrated" if consensus.calibrated else "uncalibrated"
    said = [_split(consensus, language), _border(consensus, language), _pair(result, consensus, language)]
    return [*filter(None, said), text(f"ensemble.{known}", language), *missing]


def guidance(result: EnsembleResult, language: str = "en") -> list[dict[str, Any]]:
    """Which member suits what, from what was measured: here for time and memory, on test music for accuracy."""
    answered = [member for member in result.members if member.prediction]
    if len(answered) < 2:
        return []
    entries = [
        _best("fastest", min(answered, key=_network_ms), _network_ms, language),
        _best("smallest", min(answered, key=_size_mb), _size_mb, language),
    ]
    clips = {member.measured[1] if member.measured else 0 for member in answered}
    if len(clips) > 1 or 0 in clips:
        unknown = text("ensemble.accuracy_unmeasured", language)
        return [*entries, {"code": "accuracy_unmeasured", "message": unknown}]
    return [*entries, _best("most_accurate", max(answered, key=_accuracy), _accuracy, language, n=clips.pop())]


def _network_ms(member: Member) -> float:
    return member.prediction.timing_ms.network if member.prediction else 0.0


def _size_mb(member: Member) -> float:
    return member.size_bytes / _MB


def _accuracy(member: Member) -> float:
    """In per cent."""
    return 100 * member.measured[0] if member.measured else 0.0


def _best(
    code: str, member: Member, figure: Callable[[Member], float], language: str, **values: float
) -> dict[str, Any]:
    who = member.name if code == "smallest" else member_name(member)
    message = text(f"ensemble.{code}", language, who=who, value=figure(member), **values)
    return {
        "code": code,
        "name": member.name,
        "spectrogram": member.spectrogram,
        "value": round(figure(member), 2),
        **values,
        "message": message,
    }


def _member_payload(member: Member, *, averaged: bool, top_k: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": member.name,
        "spectrogram": member.spectrogram,
        "averaged": averaged,
        "measured": {"accuracy": member.measured[0], "n": member.measured[1]} if member.measured else None,
    }
    if member.error:
        return {**body, **error_payload(member.error)}
    if prediction := member.prediction:
        body |= {
            "architecture": prediction.model.architecture,
            "weights_sha256": prediction.model.weights_sha256,
            "prediction": _scores(prediction.top(top_k)),
            "probabilities": dict(prediction.probabilities),
            "not_music": prediction.not_music,
            "verdict": prediction.verdict,
            "network_ms": prediction.timing_ms.network,
            "load_ms": member.load_ms,
            "size_mb": round(_size_mb(member), 2),
        }
    return body


def _scores(scores: tuple[GenreScore, ...]) -> list[dict[str, Any]]:
    return [{"label": score.label, "confidence": score.confidence} for score in scores]


def _consensus_payload(consensus: Consensus, top_k: int, language: str) -> dict[str, Any]:
    return {
        "prediction": _scores(consensus.top(top_k)),
        "probabilities": dict(consensus.probabilities),
        "calibrated": dict(consensus.calibrated) if consensus.calibrated else None,
        "not_music": consensus.not_music,
        "verdict": consensus.verdict,
        "advice": [advice_text(advice, language) for advice in consensus.advice],
        "members": len(consensus.members),
    }


def _splits_payload(result: EnsembleResult, consensus: Consensus) -> dict[str, Any]:
    pair = [result.members[index] for index in consensus.pair or ()]
    return {
        "votes": [{"label": label, "members": count} for label, count in consensus.votes.items()],
        "border": list(consensus.border) if consensus.border else None,
        "pair": [{"name": member.name, "spectrogram": member.spectrogram} for member in pair] or None,
    }


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
            "size_mb": round(_size_mb(member), 2),
            **prediction.probabilities,
        }
    return row


def _pooled_row(name: str, consensus: Consensus, probabilities: Any) -> dict[str, Any]:
    best = max(probabilities, key=lambda label: probabilities[label])
    return {"model": name, "best": best, "verdict": consensus.verdict, **probabilities}


def _split(consensus: Consensus, language: str) -> str:
    labels = [display_name(label, language) for label in consensus.votes]
    n = len(consensus.members)
    if n == 1:
        return text("ensemble.single", language, best=labels[0])
    if len(labels) == 1:
        return text("ensemble.all", language, n=n, best=labels[0])
    if len(labels) == 2:
        counts = text("ensemble.counts", language).join(map(str, consensus.votes.values()))
        return text("ensemble.two", language, best=labels[0], second=labels[1], n=n, counts=counts)
    counted = [f"{label} {count}" for label, count in zip(labels, consensus.votes.values(), strict=True)]
    listed = text("ensemble.list", language).join(counted)
    return text("ensemble.many", language, n=n, ways=len(labels), labels=listed)


def _border(consensus: Consensus, language: str) -> str:
    if len(consensus.probabilities) < 2:
        return ""
    best, second = consensus.top(2)
    return text(
        "ensemble.border" if consensus.border else "ensemble.clear",
        language,
        best=display_name(best.label, language),
        first=100 * best.confidence,
        second=display_name(second.label, language),
        other=100 * second.confidence,
    )


def _pair(result: EnsembleResult, consensus: Consensus, language: str) -> str:
    if consensus.pair is None:
        return ""
    one, other = (result.members[index] for index in consensus.pair)
    labels = [display_name(member.prediction.top(1)[0].label, language) for member in (one, other) if member.prediction]
    return text(
        "ensemble.pair_split" if len(set(labels)) > 1 else "ensemble.pair_same",
        language,
        one=member_name(one),
        one_label=labels[0],
        other=member_name(other),
        other_label=labels[-1],
    )
