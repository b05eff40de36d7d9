"""What comes out: frozen, validated results that every interface turns into its own form. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from acousticsense.audio.types import ClipInfo, HealthReport

Verdict = Literal["confident", "plausible", "mixed", "unsure", "not_music"]

#: Results are checked when they are made: types, ranges, no number that is none.
VALIDATED: Final = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)

Probability = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]
#: Label -> probability.
Probabilities = Mapping[str, Probability]


@dataclass(frozen=True, config=VALIDATED)
class GenreScore:
    """A label and its calibrated probability in 0..1."""

    label: str
    confidence: Probability


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class ModelInfo:
    """Which weights answered, so that a result can be audited later.

    Attributes:
        spectrogram: kind of image that they were given.
        backend: what computed, e.g. "pytorch-fp32"; the others' probabilities differ by less than 0.01 on average.
    """

    name: str
    architecture: str
    weights_sha256: str
    spectrogram: str
    backend: str


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Timing:
    """Milliseconds spent per stage."""

    decode: Milliseconds
    spectrogram: Milliseconds
    network: Milliseconds
    total: Milliseconds


@dataclass(frozen=True, config=VALIDATED)
class Advice:
    """One piece of guidance: `code` names its words in `i18n.messages` under "advice.CODE", `values` fill them."""

    code: str
    values: Mapping[str, str | float]


@dataclass(frozen=True, config=VALIDATED)
class WindowVote:
    """The label by majority vote, as ccmusic-database/music_genre answers.

    Attributes:
        label: what most windows put first; of equals, the one met first.
        windows: how many put it first.
        of: how many windows the clip has.
    """

    label: str
    windows: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Prediction:
    """The answer for one clip.

    Attributes:
        probabilities: label -> calibrated probability, in the model's label order; they sum to 1.
        not_music: probability that this is not music at all; None when the model cannot tell.
        verdict: how far to trust the best label.
        advice: what the user can do, most useful first.
        vote: the label by majority vote, for models that were published with one; None for others.
    """

    probabilities: Probabilities
    not_music: Probability | None
    verdict: Verdict
    advice: tuple[Advice, ...]
    health: HealthReport
    clip: ClipInfo
    model: ModelInfo
    timing_ms: Timing
    vote: WindowVote | None = None

    def top(self, k: int = 5) -> tuple[GenreScore, ...]:
        """The `k` best labels, best first; equal probabilities stay in label order."""
        return ranked(self.probabilities, k)

    def facts(self) -> dict[str, Any]:
        """Clip, model and timing as plain JSON values."""
        return {"clip": asdict(self.clip), "model": asdict(self.model), "timing_ms": asdict(self.timing_ms)}


def ranked(probabilities: Mapping[str, float], k: int) -> tuple[GenreScore, ...]:
    """The `k` best labels, best first; equal probabilities stay in label order."""
    best_first = sorted(probabilities.items(), key=lambda item: -item[1])
    return tuple(GenreScore(label, confidence) for label, confidence in best_first[:k])
