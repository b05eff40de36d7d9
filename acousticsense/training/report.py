"""The finished models on test music, once: figures into `model.json`, tables and plots, and the model card."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from acousticsense.evaluation.calibration import with_counts
from acousticsense.evaluation.dataset import LabelledClip
from acousticsense.evaluation.evaluate import evaluate
from acousticsense.evaluation.metrics import measure
from acousticsense.evaluation.report import write_report
from acousticsense.evaluation.results import Evaluation
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.training.card import card
from acousticsense.training.recipe import read_recipe
from acousticsense.training.recordings import GTZAN, Recording, Split
from acousticsense.training.tagger import TAGGERS

logger = logging.getLogger(__name__)

#: No genre counts for more than this many clips.
MOST_PER_GENRE: Final = 30


def group_hold_out(known: Iterable[Recording], split: Split = "test") -> list[Recording]:
    """What is measured on: measurable recordings of a split, at most MOST_PER_GENRE a genre, drawn by their hash."""
    chosen: list[Recording] = []
    counts: Counter[str] = Counter()
    for recording in sorted(known, key=lambda entry: hashlib.sha256(entry.key.encode()).hexdigest()):
        if recording.split == split and recording.is_measurable and recording.genre is not None:
            counts[recording.genre] += 1
            if counts[recording.genre] <= MOST_PER_GENRE:
                chosen.append(recording)
    return chosen


def write_clips(out: Path, clips: Iterable[tuple[Recording, Path]]) -> int:
    """Writes a CSV of recordings and their genres, for `acousticsense evaluate`; returns how many they are."""
    rows = [(path.resolve(), recording.genre) for recording, path in clips]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "genre"))
        writer.writerows(rows)
    return len(rows)


def report(models: Path, names: Sequence[str], clips: Sequence[tuple[Recording, Path]]) -> None:
    """Evaluates models of a folder on `clips`, which are `group_hold_out`, each with its file.

    Card, figures and metrics are written beside the models' weights.
    """
    recordings = {path: recording for recording, path in clips}
    labelled = [LabelledClip(path, recording.genre or "") for path, recording in recordings.items()]
    exact = Settings(backend="pytorch")  # a card is about the weights, not about fewer bits of them
    for name in names:
        folder = models / name
        classifier = GenreClassifier.load(folder, settings=exact)
        spec, results = classifier.spec, {}
        for kind in spec.kinds:
            result = evaluate(classifier.for_spectrogram(kind), labelled)
            named = [replace(clip, path=Path(recordings[clip.path].key)) for clip in result.clips]
            write_report(measure(named, unreadable=result.unreadable), folder / "evaluation" / kind)
            logger.info("%s %s: top1 %.3f top3 %.3f", name, kind, result.accuracy, result.top3)
            songs = [clip for clip in result.clips if recordings[clip.path].known_by == GTZAN]
            results[kind] = {"real_test": result, **({"songs_test": measure(songs)} if songs else {})}
        spec = _with_figures(spec, results)
        (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
        title = TAGGERS[name].title if name in TAGGERS else read_recipe(name).title
        text = card(spec, results, title=title, most=MOST_PER_GENRE)
        (folder / "README.md").write_text(text, encoding="utf-8")


def _with_figures(spec: ModelSpec, results: Mapping[SpectrogramKind, Mapping[str, Evaluation]]) -> ModelSpec:
    """The description with what was measured on test music, for each image; every look is counted."""
    looks = spec.metrics.get("test_looks", 0) + 1
    for kind in reversed(spec.kinds):  # the main one last, so that it is the main one again
        shown = spec.for_spectrogram(kind)
        figures = {name: part.metrics() for name, part in results[kind].items()}
        calibration = with_counts(shown.calibration, results[kind]["real_test"].level_counts)
        spec = replace(shown, calibration=calibration, metrics={**shown.metrics, **figures})
    return replace(spec, metrics={**spec.metrics, "test_looks": looks})
