"""What an evaluation gives: frozen results. Nothing here computes a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from acousticsense.errors import printable
from acousticsense.models.genres import NOT_MUSIC

#: Figures that a model's description keeps.
KEPT: Final = ("n", "accuracy", "accuracy_interval", "top3", "macro_recall", "macro_f1", "ece", "expected_ece")


@dataclass(frozen=True, kw_only=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        genre: what it is.
        probabilities: label -> calibrated probability.
        verdict: the confidence level that a user would have been shown.
        too_short: it is so short that the verdict is "unsure" whatever the probabilities.
    """

    path: Path
    genre: str
    probabilities: Mapping[str, float]
    verdict: str
    too_short: bool = False

    @property
    def ranking(self) -> list[str]:
        """Labels, the likeliest first; equal probabilities stay in label order."""
        return sorted(self.probabilities, key=lambda label: -self.probabilities[label])

    @property
    def confidence(self) -> float:
        """Probability of the best label."""
        return max(self.probabilities.values())

    @property
    def is_right(self) -> bool:
        """Whether the best label is the genre."""
        return self.ranking[0] == self.genre

    @property
    def is_correct(self) -> bool:
        """Whether the verdict on this music is right: of a mix either of the two best labels, "not music" never."""
        if self.verdict == NOT_MUSIC:
            return False
        return self.genre in self.ranking[: 2 if self.verdict == "mixed" else 1]

    def as_misclassified(self) -> dict[str, Any]:
        """Plain JSON values for a list of mistakes."""
        return {
            "path": printable(str(self.path)),
            "genre": self.genre,
            "predicted": self.ranking[0],
            "confidence": round(self.confidence, 4),
            "rank_of_genre": self.ranking.index(self.genre) + 1,
        }


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Clips whose confidence lies in low..high: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class NotMusic:
    """What became of clips labelled "not_music", and of the music beside them.

    Attributes:
        n: clips that are not music.
        caught: share of them that was called not music.
        refused: share of the music that was called not music.
    """

    n: int
    caught: float
    refused: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All figures over n clips of music; shares are in 0..1.

    Attributes:
        labels: the model's labels, the order of `confusion`.
        n: clips of music analysed.
        accuracy: share whose best label is right.
        accuracy_interval: bounds that hold the true accuracy in 95 of 100 cases, if the clips are independent.
        top3: share whose genre is among the three best.
        macro_recall: recall averaged over the genres that have clips.
        macro_f1: F1 averaged over the genres that have clips.
        unmeasured: labels without a clip, of which no figure speaks.
        recall: genre -> share found, for genres that have clips.
        recall_interval: genre -> bounds of the recall, like those of the accuracy.
        support: genre -> number of clips.
        ece: expected calibration error, confidence against accuracy in ten equal bins, weighted by count.
        expected_ece: the mean of `ece` for a model that is right exactly as often as these confidences say. An `ece`
            near it is no evidence of a confidence that is off.
        reliability: those bins, the empty ones left out.
        verdicts: verdict -> (clips of music, share right): a mix is right about either of its two genres, "not music"
            never.
        confusion: [true][predicted] counts.
        not_music: how clips labelled "not_music" fared; they count in no other figure. None when there were none.
        clips: every clip of music, in the order given.
        unreadable: files that could not be analysed, with the reason; they count in no figure.
    """

    labels: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    top3: float
    macro_recall: float
    macro_f1: float
    unmeasured: tuple[str, ...]
    recall: Mapping[str, float]
    recall_interval: Mapping[str, tuple[float, float]]
    support: Mapping[str, int]
    ece: float
    expected_ece: float
    reliability: tuple[Bin, ...]
    verdicts: Mapping[str, tuple[int, float]]
    confusion: tuple[tuple[int, ...], ...]
    not_music: NotMusic | None
    clips: tuple[ClipResult, ...]
    unreadable: Mapping[str, str]

    @property
    def misclassified(self) -> tuple[ClipResult, ...]:
        """Clips whose best label is wrong, the surest mistakes first."""
        return tuple(sorted((clip for clip in self.clips if not clip.is_right), key=lambda clip: -clip.confidence))

    @property
    def level_counts(self) -> dict[str, tuple[int, int]]:
        """Verdict about music -> (right answers, all answers); see `calibration.with_counts`.

        Clips that are too short do not count: they are all unsure, and users are told why, not how often it is right.
        """
        counts: dict[str, tuple[int, int]] = {}
        for clip in self.clips:
            if clip.verdict != NOT_MUSIC and not clip.too_short:
                right, n = counts.get(clip.verdict, (0, 0))
                counts[clip.verdict] = (right + clip.is_correct, n + 1)
        return counts

    def metrics(self) -> dict[str, Any]:
        """What a description keeps of this, under `real_test`."""
        return {**{name: getattr(self, name) for name in KEPT}, "recall": self.recall, "clips": self.support}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; of the clips only the misclassified."""
        values = {key: value for key, value in vars(self).items() if key not in ("clips", "reliability", "not_music")}
        values["reliability"] = [asdict(entry) for entry in self.reliability]
        values["not_music"] = self.not_music and asdict(self.not_music)
        values["misclassified"] = [clip.as_misclassified() for clip in self.misclassified]
        return values
