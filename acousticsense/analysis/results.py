"""What an analysis of several answers gives: frozen results. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio import ClipInfo, HealthReport
from acousticsense.errors import AcousticSenseError
from acousticsense.inference.prediction import Advice, GenreScore, ModelInfo, Prediction, Timing, Verdict, ranked

__all__ = [
    "Consensus",
    "EnsembleResult",
    "HeatMethod",
    "HeatPlace",
    "Heatmap",
    "Member",
    "Segment",
    "Timeline",
    "TimelineVerdict",
    "TimelineWindow",
]

#: A clip without sound is refused; within a track, silence is a place like others.
TimelineVerdict = Literal[Verdict, "silence"]


HeatMethod = Literal["grad_cam", "attention"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """What one model of an ensemble made of one image of the clip, or why it could not.

    Attributes:
        name: of the model.
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
    size_bytes: int = 0
    load_ms: float = 0.0
    measured: tuple[float, int] | None = None


@dataclass(frozen=True, kw_only=True)
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
    """

    probabilities: Mapping[str, float]
    calibrated: Mapping[str, float] | None
    not_music: float | None
    verdict: Verdict
    advice: tuple[Advice, ...]
    agreement: float | None
    votes: Mapping[str, int]
    border: tuple[str, str] | None
    pair: tuple[int, int] | None
    members: tuple[int, ...]

    def top(self, k: int = 5) -> tuple[GenreScore, ...]:
        """The `k` best labels of the calibrated probabilities, or of the mean where nothing was calibrated."""
        return ranked(self.calibrated or self.probabilities, k)


@dataclass(frozen=True, kw_only=True)
class EnsembleResult:
    """The answer of an ensemble for one clip.

    Attributes:
        members: one per model and image, those that failed included.
        consensus: of the largest group of members with the same labels; None when nobody answered.
        clip: what was analysed, by all of them.
        health: of the recording.
        decode_ms: what decoding took.
        spectrogram_ms: kind of image -> what drawing it took, once for all members.
        network_ms: from the first network's start to the last one's end, loading included.
        total_ms: all of it.
    """

    members: tuple[Member, ...]
    consensus: Consensus | None
    clip: ClipInfo
    health: HealthReport
    decode_ms: float
    spectrogram_ms: Mapping[str, float]
    network_ms: float
    total_ms: float

    def facts(self) -> dict[str, Any]:
        """Clip and timing as plain JSON values."""
        timing_ms = {
            "decode": self.decode_ms,
            "spectrogram": dict(self.spectrogram_ms),
            "network": self.network_ms,
            "total": self.total_ms,
        }
        return {"clip": asdict(self.clip), "timing_ms": timing_ms}


@dataclass(frozen=True, kw_only=True)
class TimelineWindow:
    """What was said of one window of a track.

    Attributes:
        start_s: where it begins in the track, in seconds.
        end_s: where its sound ends; the last window of a track may be short.
        probabilities: label -> calibrated probability, as a `Prediction` has them; empty for silence.
        not_music: probability that this is not music; None when the model cannot tell, and for silence.
        verdict: how far to trust the best label.
    """

    start_s: float
    end_s: float
    probabilities: Mapping[str, float]
    not_music: float | None
    verdict: TimelineVerdict

    @property
    def best(self) -> GenreScore | None:
        """The most probable label; None for silence and for what is not music."""
        if self.verdict in ("silence", "not_music"):
            return None
        return ranked(self.probabilities, 1)[0]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A excerpt of a track in one genre; segments follow each other without gaps.

    Attributes:
        start_s: where it begins in the track, in seconds.
        end_s: where it ends.
        genre: its label; None for silence and for what is not music.
        confidence: mean probability of that label (or of "not music") over the segment; None for silence.
        verdict: how far to trust it.
    """

    start_s: float
    end_s: float
    genre: str | None
    confidence: float | None
    verdict: TimelineVerdict


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Genre along a track.

    Attributes:
        windows: in order of time; one begins every `hop_s`.
        segments: the same in fewer words, see `segments.merge`.
        labels: the model's, in its order.
        window_s: seconds in one window.
        hop_s: seconds from one window's start to the next.
    """

    windows: tuple[TimelineWindow, ...]
    segments: tuple[Segment, ...]
    labels: tuple[str, ...]
    window_s: float
    hop_s: float
    clip: ClipInfo
    model: ModelInfo
    timing_ms: Timing

    def facts(self) -> dict[str, Any]:
        """Clip, model and timing as plain JSON values."""
        return {"clip": asdict(self.clip), "model": asdict(self.model), "timing_ms": asdict(self.timing_ms)}


@dataclass(frozen=True, kw_only=True)
class HeatPlace:
    """A place in a clip's spectrogram, in seconds from the start of the clip and Hz."""

    time_s: float
    frequency_hz: float


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """Where a model looked for one label, in the coordinates of its images.

    Rows run from high frequencies (0) to low ones, columns with time from the start of a window to its end. 1 is the
    place that speaks most for the label in all windows, 0 a place that does not speak for it or speaks against it.

    Attributes:
        label: what was asked about.
        probability: of that label, as in the prediction.
        method: how the network was explained, see `explain`.
        grids: float32 (n, rows, columns) in 0..1, one per explained window, as coarse as the network sees.
        maps: float32 (n, S, S) in 0..1, the same smoothly enlarged to the size of the images.
        start_s: start of each explained window in the clip, in seconds.
        window_s: seconds that a window is long.
        n_windows: windows in the clip; more than `n` when not all were explained.
        hottest: the hottest place; None when nothing speaks for the label.
    """

    label: str
    probability: float
    method: HeatMethod
    grids: NDArray[np.float32]
    maps: NDArray[np.float32]
    start_s: tuple[float, ...]
    window_s: float
    n_windows: int
    hottest: HeatPlace | None

    def over_clip(self, duration_s: float, *, max_columns: int) -> NDArray[np.float32]:
        """The maps side by side on the time axis of the clip: (S, columns); 0 where no window was explained.

        Args:
            duration_s: what the clip's spectrogram spans, in seconds.
            max_columns: the most columns, however long the clip.
        """
        size = self.maps.shape[-1]
        columns = max(1, min(max_columns, round(size * duration_s / self.window_s)))
        moments_s = (np.arange(columns) + 0.5) * duration_s / columns
        heat = np.zeros((size, columns), dtype=np.float32)
        for window, start_s in zip(self.maps, self.start_s, strict=True):
            inside = (moments_s >= start_s) & (moments_s < start_s + self.window_s)
            places = ((moments_s[inside] - start_s) / self.window_s * size).astype(int)
            heat[:, inside] = np.maximum(heat[:, inside], window[:, places])
        return heat
