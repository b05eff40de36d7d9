"""An evaluation for people: tables in Markdown, diagrams, and a list of the clips that were misclassified."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Final

import numpy as np

from acousticsense.errors import printable
from acousticsense.evaluation.markdown import table
from acousticsense.evaluation.plots import confusion_figure, reliability_figure
from acousticsense.evaluation.results import Evaluation

#: Fewer clips of a genre than this say little about it.
_FEW: Final = 5

#: Misclassified clips listed in the report; the CSV has all.
_LISTED: Final = 50


def report_markdown(result: Evaluation) -> str:
    """The report as Markdown tables."""
    return "\n\n".join((_summary(result), _recall_table(result), _confusion_table(result), _reliability_table(result)))


def write_report(result: Evaluation, folder: Path) -> None:
    """Writes `report.md`, `report.json`, `misclassified.csv`, `confusion.png` and `reliability.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (report_markdown(result), _misclassified_list(result), _unreadable_list(result))
    (folder / "report.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    text = json.dumps(result.to_dict(), ensure_ascii=False, indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    with (folder / "misclassified.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ("path", "genre", "predicted", "confidence", "rank_of_genre"))
        writer.writeheader()
        writer.writerows(clip.as_misclassified() for clip in result.misclassified)
    confusion_figure(result.labels, result.confusion).savefig(folder / "confusion.png")
    points = [(entry.confidence, entry.accuracy, entry.count) for entry in result.reliability]
    reliability_figure(points, error=result.ece).savefig(folder / "reliability.png")


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
        n = len(result.unreadable)
        notes.append(f"Not analysed: {n} files that cannot be read or repeat others; they count in no figure.")
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
    levels = table(
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
    return f"{levels}\n\n{bins}"


def _misclassified_list(result: Evaluation) -> str:
    if not result.misclassified:
        return "No clip was misclassified."
    rows = [
        [printable(clip.path.name), clip.genre, clip.ranking[0], f"{clip.confidence:.2f}"]
        for clip in result.misclassified[:_LISTED]
    ]
    more = len(result.misclassified) - len(rows)
    listed = table(("misclassified, surest first", "is", "was called", "confidence"), rows)
    return f"{listed}\n\nand {more} more in misclassified.csv." if more else listed


def _unreadable_list(result: Evaluation) -> str:
    return "\n".join(f"- {path}: {reason}" for path, reason in result.unreadable.items())
