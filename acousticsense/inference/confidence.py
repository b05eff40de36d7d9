"""How far to trust the best label: verdict bands and the advice that goes with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from acousticsense.audio import ClipInfo, HealthReport
from acousticsense.inference.prediction import Advice, Verdict
from acousticsense.models.spec import Calibration

__all__ = ["advise", "disagreement", "verdict_of"]

#: A label with more than this has more than all others together: it cannot be said that none stands out.
_STANDS_OUT: Final = 0.5

#: Where else a track may be itself, as shares of its length: past the intro first.
_PLACES: Final = (0.35, 0.6, 0.8)


def verdict_of(probabilities: Mapping[str, float], not_music: float | None, calibration: Calibration) -> Verdict:
    """The verdict band of one answer.

    Args:
        probabilities: label -> calibrated probability.
        not_music: probability that this is no music; None when the model cannot tell.
        calibration: thresholds, measured on real validation music.
    """
    if not_music is not None and calibration.not_music_at is not None and not_music >= calibration.not_music_at:
        return "not_music"
    best, second = [*sorted(probabilities.values(), reverse=True), 0.0][:2]
    if best >= calibration.confident_at:
        return "confident"
    if best >= calibration.plausible_at:
        return "plausible"
    return "mixed" if best + second >= calibration.mixed_at else "unsure"


def advise(
    verdict: Verdict,
    probabilities: Mapping[str, float],
    health: HealthReport,
    calibration: Calibration,
    *,
    clip: ClipInfo | None = None,
    other_kinds: Sequence[str] = (),
    tested: Collection[str] | None = None,
) -> tuple[Advice, ...]:
    """Guidance for a verdict, most useful first. A share of right answers is only quoted where it was measured.

    Args:
        verdict: as `predict` gave it.
        probabilities: label -> calibrated probability.
        health: what is wrong with the recording.
        calibration: of the model, with the measured shares.
        clip: what was analysed; None when nothing is known of it.
        other_kinds: images that the model could predict instead.
        tested: labels that the measured shares rest on; None when that is not known.
    """
    best, second = (sorted(probabilities, key=lambda label: -probabilities[label]) * 2)[:2]
    values: dict[str, str | float] = {"best": best, "second": second}
    measured = calibration.level_accuracy.get(verdict)
    is_unproven = verdict == "unsure" and probabilities[best] > _STANDS_OUT
    advice = [Advice("unproven" if is_unproven else verdict, values)]
    if measured is not None:
        advice.append(Advice("measured", {"percent": round(100 * measured)}))
        if tested is not None and best not in tested:
            advice.append(Advice("untested", {"best": best}))
    elif verdict != "not_music":
        advice.append(Advice("unmeasured", {}))
    if verdict in ("mixed", "unsure"):
        advice += [Advice("other_image", {"kind": kind.upper()}) for kind in other_kinds[:1]]
        advice += _other_place(clip)
    if any(note.severity != "info" for note in health.notes):
        advice.append(Advice("check_audio", {}))
    return tuple(advice)


def _other_place(clip: ClipInfo | None) -> list[Advice]:
    """Another excerpt of the track, by its second where its length is known; none when the whole was analysed."""
    if clip is None or clip.track_duration_s is None:
        return [Advice("other_excerpt", {})]
    end_s = clip.offset_s + clip.duration_s
    for share in _PLACES:
        start_s = share * clip.track_duration_s
        if start_s >= end_s or start_s + clip.duration_s <= clip.offset_s:
            return [Advice("other_place", {"second": int(start_s)})]
    return []


def disagreement(best: Mapping[str, str]) -> Advice | None:
    """What to say when several models analysed one clip and not all of them chose the same label.

    Args:
        best: model name -> its best label.

    Returns:
        Advice that names the two labels with the most votes (ties in the order of `best`); None when all agree.
    """
    votes = Counter(best.values()).most_common(2)
    if len(votes) < 2:
        return None
    (first, n_first), (second, n_second) = votes
    return Advice(
        "disagree", {"best": first, "second": second, "n_best": n_first, "n_second": n_second, "total": len(best)}
    )
