"""What an analysis of several answers gives: frozen results. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.errors import AcousticSenseError
from acousticsense.inference.prediction import (
    VALIDATED,
    Advice,
    GenreScore,
    Milliseconds,
    ModelInfo,
    Prediction,
    Probabilities,
    Probability,
    Timing,
    Verdict,
    ranked,
)

Seconds = Annotated[float, Field(ge=0)]

#: Below a second there is no rhythm left to predict; above a minute a window is no place any more.
MIN_WINDOW_S: Final = 1.0
MAX_WINDOW_S: Final = 60.0
MIN_HOP_S: Final = 0.1

#: A clip without sound is refused; within a track, silence is a place like others.
TimelineVerdict = Literal[Verdict, "silence"]


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Member:
    """What one model of an ensemble made of one image of the clip, or why it could not.

    Attributes:
        spectrogram: kind of image; empty when not even that is known.
        prediction: the answer; None when there is none.
        error: why there is no answer.
        size_bytes: memory that the weights take.
        load_ms: what loading them took, now or earlier.
        measured: share of right answers on real test music with this image, and the number of clips, from the
            model's description; None when it was not measured.
    """

    name: str
    spectrogram: str
    prediction: Prediction | None = None
    error: AcousticSenseError | None = None
    size_bytes: Annotated[int, Field(ge=0)] = 0
    load_ms: Milliseconds = 0.0
    measured: tuple[Probability, int] | None = None

    @property
    def size_mb(self) -> float:
        """Megabytes that the weights take."""
        return self.size_bytes / 1e6


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Consensus:
    """What several members with the same labels say together; see `consensus` for how it is computed.

    Attributes:
        probabilities: label -> mean of the members' probabilities; they sum to 1.
        calibrated: the same at the temperature that was measured for these very members; None when it was not.
        not_music: mean over the members that can tell; None when none can.
        verdict: how far to trust the best label.
        advice: what the user can do, most useful first.
        agreement: how often two of the members, picked at random, put the same label first; None for a single member.
        votes: label -> members that put it first, most votes first.
        border: the two labels that the clip lies between; None when the best stands clear.
        pair: positions in `members` of the two that differ most; None for a single member.
        members: positions in `EnsembleResult.members` of those that were averaged.
        measured: share of right answers of these very members together on real test music, and the number of clips;
            None when it was not measured.
    """

    probabilities: Probabilities
    calibrated: Probabilities | None
    not_music: Probability | None
    verdict: Verdict
    advice: tuple[Advice, ...]
    agreement: Probability | None
    votes: Mapping[str, int]
    border: tuple[str, str] | None
    pair: tuple[int, int] | None
    members: tuple[int, ...]
    measured: tuple[Probability, int] | None = None

    def top(self, k: int = 5) -> tuple[GenreScore, ...]:
        """The `k` best labels of the calibrated probabilities, or of the mean where nothing was calibrated."""
        return ranked(self.calibrated or self.probabilities, k)


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class EnsembleResult:
    """The answer of an ensemble for one clip.

    Attributes:
        members: one per model and image, those that failed included.
        consensus: of the largest group of members with the same labels; None when nobody answered.
        clip: what was analysed, by all of them.
        decode_ms: what decoding took.
        spectrogram_ms: kind of image -> what drawing it took, once for all members.
        network_ms: from the first network's start to the last one's end, loading included.
        total_ms: all of it.
    """

    members: tuple[Member, ...]
    consensus: Consensus | None
    clip: ClipInfo
    health: HealthReport
    decode_ms: Milliseconds
    spectrogram_ms: Mapping[str, Milliseconds]
    network_ms: Milliseconds
    total_ms: Milliseconds

    def facts(self) -> dict[str, Any]:
        """Clip and timing as plain JSON values."""
        timing_ms = {
            "decode": self.decode_ms,
            "spectrogram": dict(self.spectrogram_ms),
            "network": self.network_ms,
            "total": self.total_ms,
        }
        return {"clip": asdict(self.clip), "timing_ms": timing_ms}


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class TimelineWindow:
    """What was said of one window of a track.

    Attributes:
        start_s: where it begins in the track, in seconds.
        end_s: where its sound ends; the last window of a track may be short.
        probabilities: label -> calibrated probability, as a `Prediction` has them; empty for silence.
        not_music: probability that this is not music; None when the model cannot tell, and for silence.
        verdict: how far to trust the best label.
    """

    start_s: Seconds
    end_s: Seconds
    probabilities: Probabilities
    not_music: Probability | None
    verdict: TimelineVerdict

    @property
    def best(self) -> GenreScore | None:
        """The most probable label; None for silence and for what is not music."""
        if self.verdict in ("silence", "not_music"):
            return None
        return ranked(self.probabilities, 1)[0]


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Segment:
    """An excerpt of a track in one genre; segments follow each other without gaps.

    Attributes:
        start_s: where it begins in the track, in seconds.
        end_s: where it ends.
        genre: its label; None for silence and for what is not music.
        confidence: mean probability of that label (or of "not music") over the segment; None for silence.
        verdict: how far to trust it.
    """

    start_s: Seconds
    end_s: Seconds
    genre: str | None
    confidence: Probability | None
    verdict: TimelineVerdict


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Timeline:
    """Genre along a track.

    Attributes:
        windows: in order of time; one begins every `hop_s`.
        segments: the same in fewer words, see `segments.merge`.
        labels: the model's, in its order.
        window_s: seconds in one window.
        hop_s: seconds from one window's start to the next.
        min_segment_s: segments that were shorter were given to the one beside them.
        health: what was skipped, assumed or cut while decoding.
    """

    windows: tuple[TimelineWindow, ...]
    segments: tuple[Segment, ...]
    labels: tuple[str, ...]
    window_s: float
    hop_s: float
    clip: ClipInfo
    model: ModelInfo
    timing_ms: Timing
    min_segment_s: float = 0.0
    health: HealthReport = HealthReport()

    def facts(self) -> dict[str, Any]:
        """Clip, model and timing as plain JSON values."""
        return {"clip": asdict(self.clip), "model": asdict(self.model), "timing_ms": asdict(self.timing_ms)}
