"""Which answers may be taken over, which a person should look at, and how many of the former to expect to be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from acousticsense.i18n.messages import text
from acousticsense.inference.confidence import SHORTEST_S, is_too_short
from acousticsense.library.rows import Row
from acousticsense.models.spec import Calibration

Decision = Literal["accepted", "review", "rejected"]


def decide(row: Row, accept: float) -> Decision:
    """What to do with an answer.

    Args:
        accept: lowest confidence, 0..1, that is taken over.

    Returns:
        "rejected" for errors and for what is not music, "accepted" at or above the threshold where enough sound
        was analysed, else "review".
    """
    if row.confidence is None or row.verdict == "not_music":
        return "rejected"
    return "accepted" if row.confidence >= accept and not _is_short(row) else "review"


def review_reason(row: Row, language: str = "en") -> str:
    """Why an answer goes to review whatever its confidence; empty when only the confidence decides."""
    if row.clip is None or not _is_short(row):
        return ""
    return text("routing.short", language, duration_s=row.clip.duration_s, least_s=SHORTEST_S)


def _is_short(row: Row) -> bool:
    return row.clip is not None and is_too_short(row.clip.duration_s)


def expectation(verdicts: Mapping[str, int], calibration: Calibration, language: str = "en") -> str:
    """How many of the accepted answers are likely to be wrong, in words.

    Args:
        calibration: the model's; only shares that were measured on test music are used.
    """
    counted = Counter(verdicts)
    measured = {verdict: counted[verdict] for verdict in counted if verdict in calibration.level_accuracy}
    n_measured = sum(measured.values())
    if not n_measured:
        return text("routing.unmeasured", language)
    wrong = sum(count * (1.0 - calibration.level_accuracy[verdict]) for verdict, count in measured.items())
    if wrong < 0.5:
        words = text("routing.hardly_wrong", language, accepted=n_measured)
    else:
        words = text("routing.wrong", language, accepted=n_measured, wrong=round(wrong), one_in=n_measured / wrong)
    if n_measured < sum(counted.values()):
        words += text("routing.partly", language, rest=sum(counted.values()) - n_measured)
    return words
