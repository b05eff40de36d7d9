"""The answer of an ensemble as plain JSON values: the one form that every interface gives."""

from __future__ import annotations

from typing import Any

from acousticsense.analysis.ensemble_words import guidance, sentences
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.inference.payload import advice_text, error_payload, health_payload
from acousticsense.inference.prediction import GenreScore


def ensemble_payload(result: EnsembleResult, *, top_k: int = 3, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/ensemble`.

    Args:
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
        "health": health_payload(result.health, language),
        **result.facts(),
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
            "size_mb": round(member.size_mb, 2),
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
