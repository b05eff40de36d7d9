"""How far to trust the best label: confidence levels and the advice that goes with them.

A level above *unsure* is earned: by answers to labelled music (`Calibration.measured_on`), and by enough sound.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.inference.prediction import Advice, Verdict
from acousticsense.models.spec import NEVER, Calibration

#: Seconds of sound below which no answer is more than unsure.
SHORTEST_S: Final = 3.0

#: The best label stands clear when the runner-up has less than this share of its probability.
_CLOSE: Final = 0.75

#: Where else a track may be itself, as shares of its length: past the intro first.
_PLACES: Final = (0.35, 0.6, 0.8)


def verdict_of(
    probabilities: Mapping[str, float],
    not_music: float | None,
    calibration: Calibration,
    *,
    duration_s: float | None = None,
) -> Verdict:
    """The confidence level of one answer.

    Args:
        probabilities: label -> calibrated probability.
        not_music: probability that this is no music; None when the model cannot tell.
        calibration: thresholds; see `earned` for those that were never measured.
        duration_s: seconds of sound that were analysed; None when that is not known.
    """
    if not_music is not None and calibration.not_music_at is not None and not_music >= calibration.not_music_at:
        return "not_music"
    if is_too_short(duration_s):
        return "unsure"
    thresholds = earned(calibration)
    best, second = [*sorted(probabilities.values(), reverse=True), 0.0][:2]
    if best >= thresholds.confident_at:
        return "confident"
    if best >= thresholds.plausible_at:
        return "plausible"
    return "mixed" if best + second >= thresholds.mixed_at else "unsure"


def earned(calibration: Calibration) -> Calibration:
    """The calibration with the thresholds that hold: a model that was never measured is never more than unsure."""
    if calibration.measured_on:
        return calibration
    return replace(calibration, confident_at=NEVER, plausible_at=NEVER, mixed_at=NEVER)


def is_too_short(duration_s: float | None) -> bool:
    """Whether so many seconds of sound are too few for any level above unsure; False when the length is not known."""
    return duration_s is not None and duration_s < SHORTEST_S


def stands_clear(probabilities: Mapping[str, float], verdict: Verdict | None = None) -> bool:
    """Whether the best label stands clear of the runner-up: the one rule for every sentence that says so.

    Args:
        verdict: the level of the answer; what is called a mix of two labels has none that stands clear.
    """
    best, second = [*sorted(probabilities.values(), reverse=True), 0.0][:2]
    return verdict != "mixed" and second < _CLOSE * best


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
        probabilities: label -> calibrated probability.
        calibration: of the model, with the measured shares.
        clip: what was analysed; None when nothing is known of it.
        other_kinds: images that the model could predict instead.
        tested: labels that the measured shares rest on; None when that is not known.
    """
    best, second = (sorted(probabilities, key=lambda label: -probabilities[label]) * 2)[:2]
    values: dict[str, str | float] = {"best": best, "second": second}
    if verdict == "unsure" and clip and is_too_short(clip.duration_s):
        advice = [Advice("too_short", {**values, "seconds": clip.duration_s, "shortest": SHORTEST_S})]
    else:
        is_unproven = verdict == "unsure" and stands_clear(probabilities)
        advice = [
            Advice("unproven" if is_unproven else verdict, values),
            *_measured(verdict, calibration, best, tested),
        ]
    if verdict in ("mixed", "unsure"):
        advice += [Advice("other_image", {"kind": kind.upper()}) for kind in other_kinds[:1]]
        advice += _other_place(clip)
    if any(note.severity != "info" for note in health.notes):
        advice.append(Advice("check_audio", {}))
    return tuple(advice)


def _measured(verdict: Verdict, calibration: Calibration, best: str, tested: Collection[str] | None) -> list[Advice]:
    """How often such answers were right: as counts where they are known, else as a share."""
    if (counts := calibration.level_counts.get(verdict)) is not None:
        advice = [Advice("counted", {"right": counts[0], "n": counts[1]})]
    elif (share := calibration.level_accuracy.get(verdict)) is not None:
        advice = [Advice("measured", {"percent": round(100 * share)})]
    else:
        return [] if verdict == "not_music" else [Advice("unmeasured", {})]
    return [*advice, Advice("untested", {"best": best})] if tested is not None and best not in tested else advice


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
