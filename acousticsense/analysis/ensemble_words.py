"""The answer of an ensemble in sentences, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.i18n.messages import text
from acousticsense.models.genres import display_name

_MB: Final = 1e6

#: The largest network of images, and the audio tagger, which was trained by others on other music.
_IMAGES: Final = "vit_b_16_mel"
_TAGGER: Final = "efficientat_mn04"


Called = Callable[[Member], str]


def member_name(member: Member) -> str:
    """How a member is called: "resnet50 · cqt"."""
    return f"{member.name} · {member.spectrogram}" if member.spectrogram else member.name


def sentences(result: EnsembleResult, language: str = "en", *, called: Called = member_name) -> list[str]:
    """What the table means, in words: the split, the border, who contradicts whom, whether one of them alone was right
    more often, and what is missing. `called` gives a member's name."""
    consensus = result.consensus
    failed = sum(member.prediction is None for member in result.members)
    missing = [text("ensemble.failed", language, n=failed, total=len(result.members))] if failed else []
    if consensus is None:
        return missing
    beside = len(result.members) - failed - len(consensus.members)
    if beside:
        missing.append(text("ensemble.beside", language, n=beside))
    known = "calibrated" if consensus.calibrated else "uncalibrated"
    said = [
        _split(consensus, language),
        _border(consensus, language),
        _contradiction(result, language, called) or _pair(result, consensus, language, called),
        text(f"ensemble.{known}", language),
        _worse(result, consensus, language, called),
    ]
    return [*filter(None, said), *missing]


def guidance(result: EnsembleResult, language: str = "en", *, called: Called = member_name) -> list[dict[str, Any]]:
    """Which member suits what, from what was measured: here for time and memory, on test music for accuracy."""
    answered = [member for member in result.members if member.prediction]
    if len(answered) < 2:
        return []
    entries = [
        _best("fastest", min(answered, key=_network_ms), _network_ms, language, called),
        _best("smallest", min(answered, key=_size_mb), _size_mb, language, called),
    ]
    clips = {member.measured[1] if member.measured else 0 for member in answered}
    if len(clips) > 1 or 0 in clips:
        unknown = text("ensemble.accuracy_unmeasured", language)
        return [*entries, {"code": "accuracy_unmeasured", "message": unknown}]
    return [*entries, _best("most_accurate", max(answered, key=_accuracy), _accuracy, language, called, n=clips.pop())]


def _network_ms(member: Member) -> float:
    return member.prediction.timing_ms.network if member.prediction else 0.0


def _size_mb(member: Member) -> float:
    return member.size_bytes / _MB


def _accuracy(member: Member) -> float:
    """In per cent."""
    return 100 * member.measured[0] if member.measured else 0.0


def _best(
    code: str, member: Member, figure: Callable[[Member], float], language: str, called: Called, **values: float
) -> dict[str, Any]:
    who = called(replace(member, spectrogram="") if code == "smallest" else member)
    message = text(f"ensemble.{code}", language, who=who, value=figure(member), **values)
    return {
        "code": code,
        "name": member.name,
        "spectrogram": member.spectrogram,
        "value": round(figure(member), 2),
        **values,
        "message": message,
    }


def _split(consensus: Consensus, language: str) -> str:
    labels = [display_name(label, language) for label in consensus.votes]
    n = len(consensus.members)
    if n == 1:
        return text("ensemble.single", language, best=labels[0])
    if len(labels) == 1:
        return text("ensemble.both" if n == 2 else "ensemble.all", language, n=n, best=labels[0])
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


def _contradiction(result: EnsembleResult, language: str, called: Called) -> str:
    """The ViT and the tagger by name, where they put different genres first; "" where they do not."""
    answered = [(member, member.prediction) for member in result.members if member.prediction]
    images = [(member, given) for member, given in answered if given.model.name == _IMAGES]
    tagger = [(member, given) for member, given in answered if given.model.architecture == _TAGGER]
    if not images or not tagger:
        return ""
    (one, said), (other, objection) = images[0], tagger[0]
    labels = [given.top(1)[0].label for given in (said, objection)]
    if labels[0] == labels[1] or "not_music" in (said.verdict, objection.verdict):
        return ""
    return text(
        "ensemble.contradiction",
        language,
        one=called(one),
        one_label=display_name(labels[0], language),
        other=called(other),
        other_label=display_name(labels[1], language),
    )


def _worse(result: EnsembleResult, consensus: Consensus, language: str, called: Called) -> str:
    """That a member alone was right more often in the same test than all together; "" where none was."""
    if consensus.measured is None:
        return ""
    accuracy, n = consensus.measured
    tested = [member for member in result.members if member.prediction and member.measured and member.measured[1] == n]
    best = max(tested, key=_accuracy, default=None)
    if best is None or best.measured is None or best.measured[0] <= accuracy:
        return ""
    right, alone = round(n * accuracy), round(n * best.measured[0])
    return text("ensemble.worse", language, right=right, n=n, who=called(best), alone=alone)


def _pair(result: EnsembleResult, consensus: Consensus, language: str, called: Called) -> str:
    if consensus.pair is None:
        return ""
    one, other = (result.members[index] for index in consensus.pair)
    labels = [display_name(member.prediction.top(1)[0].label, language) for member in (one, other) if member.prediction]
    return text(
        "ensemble.pair_split" if len(set(labels)) > 1 else "ensemble.pair_same",
        language,
        one=called(one),
        one_label=labels[0],
        other=called(other),
        other_label=labels[-1],
    )
