"""How good a model is on labelled audio: accuracy, calibration, confusion and the clips that it misclassified.

One clip is one prediction, through the same path that users take.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from acousticsense.errors import AudioError, SettingsError
from acousticsense.evaluation.calibration import FEWEST, wilson_interval
from acousticsense.evaluation.dataset import LabelledClip
from acousticsense.evaluation.markdown import table
from acousticsense.evaluation.plots import confusion_figure, reliability_figure
from acousticsense.inference.prediction import Prediction
from acousticsense.models.genres import NOT_MUSIC
from acousticsense.spectrogram.front_end import SpectrogramKind

__all__ = [
    "KEPT",
    "Bin",
    "ClipResult",
    "Evaluation",
    "NotMusic",
    "evaluate",
    "measure",
    "write_report",
]

logger = logging.getLogger(__name__)

#: Figures that a model's description keeps.
KEPT: Final = ("n", "accuracy", "accuracy_interval", "top3", "macro_recall", "macro_f1", "ece", "expected_ece")

#: Equal-width confidence bins of the reliability table and the calibration error.
_BINS: Final = 10

#: Draws of right and wrong answers from which the calibration error of an honest model is averaged, and their seed.
_DRAWS: Final = 2000
_DRAWS_SEED: Final = 1

#: Clips analysed between two lines of progress.
_PROGRESS_EVERY: Final = 50

#: Fewer clips of a genre than this say little about it.
_FEW: Final = 5

#: Misclassified clips listed in the report; the CSV has all.
_LISTED: Final = 50


class Predictor(Protocol):
    """What is evaluated; `GenreClassifier` is one."""

    def predict(self, source: Path, /, *, kind: SpectrogramKind | None = None) -> Prediction:
        """Predicts a file by one kind of image, the model's main one when None."""


@dataclass(frozen=True, kw_only=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        path: the file.
        genre: what it is.
        probabilities: label -> calibrated probability.
        verdict: the band that a user would have been shown.
    """

    path: Path
    genre: str
    probabilities: Mapping[str, float]
    verdict: str

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
        verdicts: band -> (clips of music, share right): a mix is right about either of its two genres, and "not music"
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
    def level_accuracy(self) -> dict[str, float]:
        """What users are told of each verdict about music: how often it was right, where enough clips say so."""
        return {
            verdict: share
            for verdict, (count, share) in self.verdicts.items()
            if count >= FEWEST and verdict != NOT_MUSIC
        }

    def metrics(self) -> dict[str, Any]:
        """What a description keeps of this, under `real_test`."""
        return {**{name: getattr(self, name) for name in KEPT}, "recall": self.recall, "clips": self.support}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; of the clips only the misclassified."""
        values = {key: value for key, value in vars(self).items() if key not in ("clips", "reliability", "not_music")}
        values["reliability"] = [asdict(entry) for entry in self.reliability]
        values["not_music"] = self.not_music and asdict(self.not_music)
        values["misclassified"] = [_misclassified_row(clip) for clip in self.misclassified]
        return values

    def to_markdown(self) -> str:
        """The report as Markdown tables."""
        return "\n\n".join((_summary(self), _recall_table(self), _confusion_table(self), _reliability_table(self)))


def evaluate(
    classifier: Predictor, items: Sequence[LabelledClip], *, kind: SpectrogramKind | None = None
) -> Evaluation:
    """Predicts every clip and measures the answers.

    Args:
        classifier: usually a `GenreClassifier`.
        items: clips with their genres, each one of the model's labels or "not_music".
        kind: which image, for models that know several.

    Raises:
        SettingsError: a genre is not among the model's labels, or no clip could be analysed.
    """
    results, unreadable = [], {}
    for number, item in enumerate(items, 1):
        if number % _PROGRESS_EVERY == 0:
            logger.info("%d of %d clips analysed", number, len(items))
        try:
            prediction = classifier.predict(item.path, kind=kind)
        except AudioError as error:
            logger.warning("%s is left out: %s", item.path, error)
            unreadable[str(item.path)] = str(error)
            continue
        values = prediction.probabilities
        genre = item.label_among((*values, NOT_MUSIC))
        results.append(ClipResult(path=item.path, genre=genre, probabilities=values, verdict=prediction.verdict))
    return measure(results, unreadable=unreadable)


def measure(answers: Sequence[ClipResult], *, unreadable: Mapping[str, str] | None = None) -> Evaluation:
    """All figures from answers that were already given.

    Raises:
        SettingsError: there is no clip of music among them.
    """
    clips = [clip for clip in answers if clip.genre in clip.probabilities]
    if not clips:
        raise SettingsError("No clip of music could be analysed, so there is nothing to measure.")
    labels = tuple(clips[0].probabilities)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    for clip in clips:
        confusion[labels.index(clip.genre), labels.index(clip.ranking[0])] += 1
    support, found = confusion.sum(1), confusion.diagonal()
    present = np.flatnonzero(support)
    recall = found[present] / support[present]
    f1 = 2 * found[present] / (support[present] + confusion.sum(0)[present])
    reliability = _bins(clips)
    return Evaluation(
        labels=labels,
        n=len(clips),
        accuracy=float(found.sum() / len(clips)),
        accuracy_interval=wilson_interval(int(found.sum()), len(clips)),
        top3=float(np.mean([clip.genre in clip.ranking[:3] for clip in clips])),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        unmeasured=tuple(label for label, count in zip(labels, support, strict=True) if not count),
        recall={labels[index]: float(value) for index, value in zip(present, recall, strict=True)},
        recall_interval={labels[index]: wilson_interval(int(found[index]), int(support[index])) for index in present},
        support={labels[index]: int(support[index]) for index in present},
        ece=sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in reliability) / len(clips),
        expected_ece=_expected_ece(clips),
        reliability=reliability,
        verdicts=_verdicts(clips),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        not_music=_not_music(clips, [answer for answer in answers if answer.genre not in answer.probabilities]),
        clips=tuple(clips),
        unreadable=dict(unreadable or {}),
    )


def _not_music(music: Sequence[ClipResult], others: Sequence[ClipResult]) -> NotMusic | None:
    """How often "not music" was said of what is none, and of what is."""
    caught, refused = ([clip.verdict == NOT_MUSIC for clip in clips] for clips in (others, music))
    return NotMusic(n=len(others), caught=float(np.mean(caught)), refused=float(np.mean(refused))) if others else None


def _bin(confidence: float) -> int:
    return min(_BINS - 1, int(confidence * _BINS))


def _expected_ece(clips: Sequence[ClipResult]) -> float:
    """As consistency resampling (Broecker and Smith, Weather and Forecasting 22, 2007) draws answers that are right as
    often as their confidence says, the confidences being kept."""
    confidence = np.array([clip.confidence for clip in clips])
    bins = [_bin(value) for value in confidence]
    random = np.random.default_rng(_DRAWS_SEED)
    draws = ((random.random(len(clips)) < confidence) - confidence for _ in range(_DRAWS))
    return float(np.mean([np.abs(np.bincount(bins, weights=draw)).sum() for draw in draws]) / len(clips))


def _bins(clips: Sequence[ClipResult]) -> tuple[Bin, ...]:
    grouped: dict[int, list[ClipResult]] = {}
    for clip in clips:
        grouped.setdefault(_bin(clip.confidence), []).append(clip)
    return tuple(
        Bin(
            low=index / _BINS,
            high=(index + 1) / _BINS,
            count=len(group),
            confidence=float(np.mean([clip.confidence for clip in group])),
            accuracy=_share_right(group),
        )
        for index, group in sorted(grouped.items())
    )


def _verdicts(clips: Sequence[ClipResult]) -> dict[str, tuple[int, float]]:
    grouped: dict[str, list[ClipResult]] = {}
    for clip in clips:
        grouped.setdefault(clip.verdict, []).append(clip)
    return {
        verdict: (len(group), float(np.mean([clip.is_correct for clip in group]))) for verdict, group in grouped.items()
    }


def _share_right(clips: Sequence[ClipResult]) -> float:
    return float(np.mean([clip.is_right for clip in clips]))


def _summary(result: Evaluation) -> str:
    names = ("clips", "accuracy", "95 % interval", "Top-3", "macro recall", "macro F1", "calibration error")
    low, high = result.accuracy_interval
    shares = (result.top3, result.macro_recall, result.macro_f1, result.ece)
    row = [result.n, f"{result.accuracy:.3f}", f"{low:.2f} to {high:.2f}", *(f"{share:.3f}" for share in shares)]
    honest = "By chance alone, a model whose confidence is always true would show a calibration error of"
    notes = [table(names, [row]), f"{honest} {result.expected_ece:.3f} on these clips."]
    if result.not_music:
        caught, refused, n = result.not_music.caught, result.not_music.refused, result.not_music.n
        notes.append(f"Not music: {caught:.0%} of {n} such clips are caught, {refused:.1%} of the music is refused.")
    if result.unreadable:
        notes.append(f"Not analysed: {len(result.unreadable)} files that cannot be read, which count in no figure.")
    return "\n\n".join(notes)


def _recall_table(result: Evaluation) -> str:
    rows = [
        [genre, result.support[genre], f"{share:.2f}", "{:.2f} to {:.2f}".format(*result.recall_interval[genre])]
        for genre, share in result.recall.items()
    ]
    notes = [table(("genre", "clips", "recall", "95 % interval"), rows)]
    if result.unmeasured:
        macro = f"the macro figures average over the other {len(result.recall)}"
        notes.append(f"No clips of: {', '.join(result.unmeasured)}. Nothing is known of these; {macro}.")
    if few := [genre for genre, count in result.support.items() if count < _FEW]:
        notes.append(f"Fewer than {_FEW} clips, so that the recall says little: {', '.join(few)}.")
    return "\n\n".join(notes)


def _confusion_table(result: Evaluation) -> str:
    """Rows are true genres, columns predictions; genres that occur in neither are left out."""
    counts = np.array(result.confusion)
    rows, columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
    header = ["true \\ predicted", *(result.labels[column] for column in columns)]
    return table(header, [[result.labels[row], *(counts[row, column] or "·" for column in columns)] for row in rows])


def _reliability_table(result: Evaluation) -> str:
    bands = table(
        ("verdict", "clips", "right"),
        [[verdict, count, f"{share:.2f}"] for verdict, (count, share) in sorted(result.verdicts.items())],
    )
    bins = table(
        ("confidence", "clips", "mean confidence", "right"),
        [
            [f"{entry.low:.1f} to {entry.high:.1f}", entry.count, f"{entry.confidence:.2f}", f"{entry.accuracy:.2f}"]
            for entry in result.reliability
        ],
    )
    return f"{bands}\n\n{bins}"


def _misclassified_row(clip: ClipResult) -> dict[str, Any]:
    return {
        "path": str(clip.path),
        "genre": clip.genre,
        "predicted": clip.ranking[0],
        "confidence": round(clip.confidence, 4),
        "rank_of_genre": clip.ranking.index(clip.genre) + 1,
    }


def _misclassified_list(result: Evaluation) -> str:
    if not result.misclassified:
        return "No clip was misclassified."
    rows = [
        [clip.path.name, clip.genre, clip.ranking[0], f"{clip.confidence:.2f}"]
        for clip in result.misclassified[:_LISTED]
    ]
    more = len(result.misclassified) - len(rows)
    listed = table(("misclassified, surest first", "is", "was called", "confidence"), rows)
    return f"{listed}\n\nand {more} more in misclassified.csv." if more else listed


def _unreadable_list(result: Evaluation) -> str:
    return "\n".join(f"- {path}: {reason}" for path, reason in result.unreadable.items())


def write_report(result: Evaluation, folder: Path) -> None:
    """Writes `report.md`, `report.json`, `misclassified.csv`, `confusion.png` and `reliability.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (result.to_markdown(), _misclassified_list(result), _unreadable_list(result))
    (folder / "report.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    text = json.dumps(result.to_dict(), ensure_ascii=False, indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    with (folder / "misclassified.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("path", "genre", "predicted", "confidence", "rank_of_genre"))
        writer.writeheader()
        writer.writerows(_misclassified_row(clip) for clip in result.misclassified)
    confusion_figure(result.labels, result.confusion).savefig(folder / "confusion.png")
    points = [(entry.confidence, entry.accuracy, entry.count) for entry in result.reliability]
    reliability_figure(points, error=result.ece).savefig(folder / "reliability.png")
