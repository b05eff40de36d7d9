"""How good a model is on labelled audio: accuracy, calibration, confusion and the clips that it misjudged.

One clip is one prediction, through the same path that users take.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from acousticsense.errors import AudioError, SettingsError
from acousticsense.results import Prediction

__all__ = [
    "Bin",
    "ClipResult",
    "Evaluation",
    "LabelledClip",
    "evaluate",
    "measure",
    "read_items",
    "write_report",
]

logger = logging.getLogger(__name__)

#: Equal-width confidence bins of the reliability table and the calibration error.
_BINS: Final = 10

_AUDIO: Final = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif", ".wma", ".webm"})


class Predictor(Protocol):
    """What is evaluated; `GenreClassifier` is one."""

    def predict(self, source: Path, /) -> Prediction:
        """Judges a file."""


@dataclass(frozen=True)
class LabelledClip:
    """A file and its genre."""

    path: Path
    genre: str


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


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Clips whose confidence lies in low..high: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All figures over n clips; shares are in 0..1.

    Attributes:
        labels: the model's labels, the order of `confusion`.
        n: clips judged.
        accuracy: share whose best label is right.
        top3: share whose genre is among the three best.
        macro_recall: recall averaged over the genres that have clips.
        macro_f1: F1 averaged over the genres that have clips.
        recall: genre -> share found, for genres that have clips.
        support: genre -> number of clips.
        ece: expected calibration error, confidence against accuracy in ten equal bins, weighted by count.
        reliability: those bins, the empty ones left out.
        verdicts: band -> (clips, share right).
        confusion: [true][predicted] counts.
        clips: every clip, in the order given.
        unreadable: files that could not be judged, with the reason; they count in no figure.
    """

    labels: tuple[str, ...]
    n: int
    accuracy: float
    top3: float
    macro_recall: float
    macro_f1: float
    recall: Mapping[str, float]
    support: Mapping[str, int]
    ece: float
    reliability: tuple[Bin, ...]
    verdicts: Mapping[str, tuple[int, float]]
    confusion: tuple[tuple[int, ...], ...]
    clips: tuple[ClipResult, ...]
    unreadable: Mapping[str, str]

    @property
    def misjudged(self) -> tuple[ClipResult, ...]:
        """Clips whose best label is wrong, the surest mistakes first."""
        return tuple(sorted((clip for clip in self.clips if not clip.is_right), key=lambda clip: -clip.confidence))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; of the clips only the misjudged."""
        values = {key: value for key, value in vars(self).items() if key not in ("clips", "reliability")}
        values["reliability"] = [asdict(entry) for entry in self.reliability]
        values["misjudged"] = [_misjudged_row(clip) for clip in self.misjudged]
        return values

    def to_markdown(self) -> str:
        """The report as Markdown tables."""
        return "\n\n".join((_summary(self), _recall_table(self), _confusion_table(self), _reliability_table(self)))


def read_items(source: Path) -> list[LabelledClip]:
    """Labelled clips from a CSV with the columns `path` and `genre`, or from a folder with a folder per genre.

    Relative paths in a CSV are relative to the CSV.

    Raises:
        SettingsError: no such file, a column is missing, or nothing is in it.
    """
    if source.is_dir():
        items = [
            LabelledClip(path, folder.name)
            for folder in sorted(entry for entry in source.iterdir() if entry.is_dir())
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in _AUDIO
        ]
    else:
        items = _read_csv(source)
    if not items:
        raise SettingsError(f"{source} names no clips.", hint="Give a CSV with path,genre or a folder per genre.")
    return items


def _read_csv(source: Path) -> list[LabelledClip]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source} cannot be read: {error}.") from error
    if rows and not {"path", "genre"} <= set(rows[0]):
        raise SettingsError(f"{source} lacks a column.", hint=f"It has {', '.join(rows[0])}; needed are path, genre.")
    return [LabelledClip(source.parent / row["path"], row["genre"]) for row in rows]


def evaluate(classifier: Predictor, items: Iterable[LabelledClip]) -> Evaluation:
    """Judges every clip and measures the answers.

    Args:
        classifier: usually a `GenreClassifier`.
        items: clips with their genres, each one of the model's labels.

    Raises:
        SettingsError: a genre is not among the model's labels, or no clip could be judged.
    """
    results, unreadable = [], {}
    for item in items:
        try:
            prediction = classifier.predict(item.path)
        except AudioError as error:
            logger.warning("%s is left out: %s", item.path, error)
            unreadable[str(item.path)] = str(error)
            continue
        values = prediction.probabilities
        if item.genre not in values:
            raise SettingsError(f"{item.genre!r} is not a label of this model.", hint=f"It knows: {', '.join(values)}.")
        results.append(ClipResult(path=item.path, genre=item.genre, probabilities=values, verdict=prediction.verdict))
    return measure(results, unreadable=unreadable)


def measure(clips: Sequence[ClipResult], *, unreadable: Mapping[str, str] | None = None) -> Evaluation:
    """All figures from answers that were already given.

    Raises:
        SettingsError: there are no clips.
    """
    if not clips:
        raise SettingsError("No clip could be judged, so there is nothing to measure.")
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
        top3=float(np.mean([clip.genre in clip.ranking[:3] for clip in clips])),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        recall={labels[index]: float(value) for index, value in zip(present, recall, strict=True)},
        support={labels[index]: int(support[index]) for index in present},
        ece=sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in reliability) / len(clips),
        reliability=reliability,
        verdicts=_verdicts(clips),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        clips=tuple(clips),
        unreadable=dict(unreadable or {}),
    )


def _bins(clips: Sequence[ClipResult]) -> tuple[Bin, ...]:
    grouped: dict[int, list[ClipResult]] = {}
    for clip in clips:
        grouped.setdefault(min(_BINS - 1, int(clip.confidence * _BINS)), []).append(clip)
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
    return {verdict: (len(group), _share_right(group)) for verdict, group in grouped.items()}


def _share_right(clips: Sequence[ClipResult]) -> float:
    return float(np.mean([clip.is_right for clip in clips]))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is left-aligned, numbers are not."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _summary(result: Evaluation) -> str:
    names = ("clips", "accuracy", "Top-3", "macro recall", "macro F1", "calibration error")
    values = (result.accuracy, result.top3, result.macro_recall, result.macro_f1, result.ece)
    return _table(names, [[result.n, *(f"{value:.3f}" for value in values)]])


def _recall_table(result: Evaluation) -> str:
    rows = [[genre, result.support[genre], f"{share:.2f}"] for genre, share in result.recall.items()]
    missing = [label for label in result.labels if label not in result.support]
    note = f"\n\nNo clips of: {', '.join(missing)}." if missing else ""
    return _table(("genre", "clips", "recall"), rows) + note


def _confusion_table(result: Evaluation) -> str:
    """Rows are true genres, columns predictions; genres that occur in neither are left out."""
    counts = np.array(result.confusion)
    rows, columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
    header = ["true \\ predicted", *(result.labels[column] for column in columns)]
    return _table(header, [[result.labels[row], *(counts[row, column] or "·" for column in columns)] for row in rows])


def _reliability_table(result: Evaluation) -> str:
    bands = _table(
        ("verdict", "clips", "right"),
        [[verdict, count, f"{share:.2f}"] for verdict, (count, share) in sorted(result.verdicts.items())],
    )
    bins = _table(
        ("confidence", "clips", "mean confidence", "right"),
        [
            [f"{entry.low:.1f} to {entry.high:.1f}", entry.count, f"{entry.confidence:.2f}", f"{entry.accuracy:.2f}"]
            for entry in result.reliability
        ],
    )
    return f"{bands}\n\n{bins}"


def _misjudged_row(clip: ClipResult) -> dict[str, Any]:
    return {
        "path": str(clip.path),
        "genre": clip.genre,
        "predicted": clip.ranking[0],
        "confidence": round(clip.confidence, 4),
        "rank_of_genre": clip.ranking.index(clip.genre) + 1,
    }


def write_report(result: Evaluation, folder: Path) -> None:
    """Writes `report.md`, `report.json`, `misjudged.csv`, `confusion.png` and `reliability.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(result.to_markdown() + "\n", encoding="utf-8")
    text = json.dumps(result.to_dict(), ensure_ascii=False, indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    with (folder / "misjudged.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("path", "genre", "predicted", "confidence", "rank_of_genre"))
        writer.writeheader()
        writer.writerows(_misjudged_row(clip) for clip in result.misjudged)
    _draw_confusion(result).savefig(folder / "confusion.png")
    _draw_reliability(result).savefig(folder / "reliability.png")


def _draw_confusion(result: Evaluation) -> Figure:
    """Rows sum to 1 in colour, counts are written in."""
    counts = np.array(result.confusion)
    rows = np.flatnonzero(counts.sum(1))
    shares: NDArray[np.float64] = counts[rows] / counts[rows].sum(1, keepdims=True)
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(rows)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(result.labels)), result.labels, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), [f"{result.labels[row]} ({counts[row].sum()})" for row in rows])
    axes.set(xlabel="predicted", ylabel="true (clips)")
    for (row, column), share in np.ndenumerate(shares):
        if share:
            ink = "white" if share > 0.5 else "black"
            axes.text(column, row, str(counts[rows[row], column]), ha="center", va="center", color=ink, fontsize=8)
    return figure


def _draw_reliability(result: Evaluation) -> Figure:
    """Confidence against accuracy; the size of a point is its number of clips."""
    figure = Figure(figsize=(4.5, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="grey", linewidth=1)
    confidence = [entry.confidence for entry in result.reliability]
    accuracy = [entry.accuracy for entry in result.reliability]
    axes.scatter(confidence, accuracy, s=[20 + 400 * entry.count / result.n for entry in result.reliability])
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right", title=f"error {result.ece:.3f}")
    return figure
