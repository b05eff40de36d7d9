"""How far to trust the best label: verdict bands and the advice that goes with them."""

from __future__ import annotations

from collections.abc import Mapping

from acousticsense.config import Calibration
from acousticsense.results import Advice, HealthReport, Verdict

__all__ = ["advise", "judge"]


def judge(probabilities: Mapping[str, float], not_music: float | None, calibration: Calibration) -> Verdict:
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
    verdict: Verdict, probabilities: Mapping[str, float], health: HealthReport, calibration: Calibration
) -> tuple[Advice, ...]:
    """Guidance for a verdict, most useful first. A share of right answers is only quoted where it was measured."""
    best, second = (sorted(probabilities, key=lambda label: -probabilities[label]) * 2)[:2]
    values: dict[str, str | float] = {"best": best, "second": second}
    measured = calibration.band_accuracy.get(verdict)
    advice = [Advice(verdict, values)]
    if measured is not None:
        advice.append(Advice("measured", {"percent": round(100 * measured)}))
    elif verdict != "not_music":
        advice.append(Advice("unmeasured", {}))
    if verdict in ("mixed", "unsure"):
        advice.append(Advice("other_stretch", {}))
    if any(note.severity != "info" for note in health.notes):
        advice.append(Advice("check_audio", {}))
    return tuple(advice)
