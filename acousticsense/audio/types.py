"""What is known of a clip: where it was taken from, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """What was analysed.

    Attributes:
        offset_s: where the clip begins in the track.
        duration_s: seconds of audio that were really there (before looping).
        track_duration_s: length of the whole track, None when the container does not say.
        sample_rate_hz: of the file, before resampling.
        channels: of the file, before mixing.
    """

    offset_s: float
    duration_s: float
    track_duration_s: float | None
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class HealthNote:
    """One finding about the audio itself.

    Attributes:
        code: stable name, e.g. "clipping"; its words are in `i18n.messages` under "health.CODE".
        severity: "error" when nothing can be analysed, "warning" when the verdict may suffer, "info" otherwise.
        value: the measured value, in the unit that the text names.
    """

    code: str
    severity: Severity
    value: float


@dataclass(frozen=True)
class HealthReport:
    """All findings about a clip, worst first; empty when it is clean."""

    notes: tuple[HealthNote, ...] = ()
