"""The row of one file: what was found, by which weights and settings, or why nothing could be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.errors import (
    AcousticSenseError,
    DecoderCrashError,
    DecoderTimeoutError,
    LibraryError,
    printable,
    quoted,
)
from acousticsense.inference.payload import health_text
from acousticsense.inference.prediction import GenreScore, ModelInfo, Verdict, ranked

#: Errors that may be gone at the next try, although the file is the same.
_PASSING: Final = frozenset({DecoderTimeoutError.code, DecoderCrashError.code, LibraryError.code, "internal_error"})


@dataclass(frozen=True, kw_only=True)
class RowError:
    """Why a file has no genre, as in an answer of the REST API."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: BaseException) -> RowError:
        """The words of an error; a fault of ours is `internal_error`."""
        if isinstance(error, AcousticSenseError):
            return cls(code=error.code, message=error.message, hint=error.hint)
        hint = "Report it, with the file if you may pass it on."
        return cls(code="internal_error", message=printable(f"{type(error).__name__}: {error}"), hint=hint)

    @property
    def passing(self) -> bool:
        """Whether the same file may fare better at the next try."""
        return self.code in _PASSING


@dataclass(frozen=True, kw_only=True)
class Row:
    """One file. A file that failed has an `error` and neither probabilities nor verdict.

    Attributes:
        path: the file, as text that every format can hold.
        settings_digest: SHA-256 of all settings that decide the answer, see `identity.settings_digest`.
        probabilities: label -> calibrated probability, in label order.
        not_music: probability that this is no music; None when the model cannot tell.
        verdict: how far to trust the best label.
        images_sha256: hash of what the network saw.
    """

    path: str
    model: ModelInfo
    settings_digest: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    not_music: float | None = None
    verdict: Verdict | None = None
    health: tuple[HealthNote, ...] = ()
    clip: ClipInfo | None = None
    images_sha256: str = ""
    error: RowError | None = None

    @property
    def genre(self) -> str:
        """The best label; empty without an answer."""
        return next((score.label for score in self.top(1)), "")

    @property
    def confidence(self) -> float | None:
        """Probability of the best label."""
        return next((score.confidence for score in self.top(1)), None)

    def top(self, k: int = 5) -> tuple[GenreScore, ...]:
        """The `k` best labels, best first."""
        return ranked(self.probabilities, k)

    def health_messages(self, language: str = "en") -> tuple[str, ...]:
        """The health notes in words."""
        return tuple(health_text(note, language) for note in self.health)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_dict` makes the row again."""
        values: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return values

    @classmethod
    def from_dict(cls, values: object) -> Row:
        """The row that `to_dict` was called on.

        Raises:
            LibraryError: these are not the values of a row; says which one is wrong.
        """
        try:
            return _adapter().validate_json(json.dumps(values))  # as JSON: strict types take lists for tuples there
        except ValidationError as error:
            first = error.errors()[0]
            field_name = ".".join(map(str, first["loc"])) or "content"
            raise LibraryError(
                f"A row cannot be used: its {field_name} is {quoted(first['input'])} ({first['msg']}).",
                hint="Start again with --fresh, or with another --ledger.",
            ) from error


@cache
def _adapter() -> TypeAdapter[Row]:
    """Checks rows that come from files and other machines."""
    return TypeAdapter(Row)
