"""What was skipped, assumed or cut while a file was decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acousticsense.audio.types import HealthNote, Severity

_SEVERITIES: Final[dict[str, Severity]] = {
    "header_repaired": "warning",
    "truncated": "warning",
    "longer": "warning",
    "damaged": "warning",
    "bad_samples": "warning",
    "gap": "warning",
    "rate_doubtful": "warning",
    "joined": "warning",
    "chained": "info",
    "track_choice": "info",
    "coded_in_pcm": "info",
    "late_start": "info",
    "radio_frames": "info",
    "length_unknown": "info",
}
DECODING_CODES: Final = tuple(_SEVERITIES)


class Notes:
    """Findings of one file's decoder: each code once, with the value that came last."""

    def __init__(self) -> None:
        self._found: dict[str, HealthNote] = {}

    def add(self, code: str, value: float) -> None:
        """Keeps a finding; `code` is one of `DECODING_CODES`."""
        self._found[code] = HealthNote(code=code, severity=_SEVERITIES[code], value=float(value))

    def count(self, code: str) -> None:
        """One more of a finding whose value is a number of times."""
        self.add(code, 1.0 + (self._found[code].value if code in self._found else 0.0))

    def include(self, others: Notes) -> None:
        """Takes over another decoder's findings."""
        self._found.update(others._found)

    def __iter__(self) -> Iterator[HealthNote]:
        return iter(tuple(self._found.values()))
