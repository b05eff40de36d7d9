"""The model card: the finished model on real test music, once, beside the teachers on the same clips."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from acousticsense.evaluation.calibration import with_counts
from acousticsense.evaluation.dataset import LabelledClip
from acousticsense.evaluation.evaluate import evaluate
from acousticsense.evaluation.metrics import measure
from acousticsense.evaluation.report import write_report
from acousticsense.evaluation.results import Evaluation
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.training.bank import Item, load_items
from acousticsense.training.card import card
from acousticsense.training.fetch import fetch
from acousticsense.training.sources import Recording, Split, recordings
from acousticsense.training.store import TrackStore
from acousticsense.training.teachers.zero_shot import ClassLists, mn04_zero_shot, musicnn_zero_shot, yamnet_zero_shot
from acousticsense.training.validate import Score, score

__all__ = ["MOST_PER_GENRE", "held_out", "report", "write_clips"]

logger = logging.getLogger(__name__)

#: No genre counts for more than this many test clips.
MOST_PER_GENRE = 20


def held_out(known: tuple[Recording, ...], split: Split = "test") -> list[Recording]:
    """What is measured on: measurable recordings of a split, at most MOST_PER_GENRE a genre, drawn by their hash."""
    chosen: list[Recording] = []
    counts: Counter[str] = Counter()
    for recording in sorted(known, key=_lot):
        if recording.split == split and recording.is_measurable and recording.genre is not None:
            counts[recording.genre] += 1
            if counts[recording.genre] <= MOST_PER_GENRE:
                chosen.append(recording)
    return chosen


def write_clips(
    out: Path, known: tuple[Recording, ...], split: Split, *, work: Path, free_recordings: Path | None
) -> int:
    """Writes a CSV of held-out recordings and their genres, for `acousticsense evaluate`; returns how many they are."""
    fetched = list(fetch(tuple(held_out(known, split)), work, free_recordings=free_recordings))
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "genre"))
        rows.writerows((entry.path.resolve(), entry.recording.genre) for entry in fetched)
    return len(fetched)


def _lot(recording: Recording) -> str:
    return hashlib.sha256(recording.key.encode()).hexdigest()


def report(
    models: Path,
    names: Sequence[str],
    store: TrackStore,
    *,
    work: Path,
    free_recordings: Path | None,
    note: str = "The test music was looked at once.",
) -> dict[tuple[str, SpectrogramKind], Evaluation]:
    """Evaluates models on the test set and writes card, figures and metrics beside their weights.

    Args:
        models: the folder of models.
        names: which of them.
        store: the corpus, for what the teachers heard in the test clips.
        work: the work folder with the fetched audio.
        free_recordings: local folder with the recordings that are in no package.
        note: for the cards: how often the test music was looked at, and why.

    Returns:
        The evaluation of each model and kind of image.
    """
    fetched = list(fetch(tuple(held_out(recordings())), work, free_recordings=free_recordings))
    keys = {entry.path: entry.recording.key for entry in fetched}
    clips = [LabelledClip(entry.path, entry.recording.genre or "") for entry in fetched]
    peers = _teachers(store, set(keys.values()), work)
    results: dict[tuple[str, SpectrogramKind], Evaluation] = {}
    exact = Settings().replace(backend="pytorch")  # a card is about the weights, not about fewer bits of them
    for name in names:
        folder = models / name
        classifier = GenreClassifier.load(folder, settings=exact)
        spec = classifier.spec
        mine = {kind: _evaluated(classifier, clips, keys, kind) for kind in spec.kinds}
        for kind, result in mine.items():
            write_report(result, folder / "evaluation" / kind)
            logger.info("%s %s: top1 %.3f top3 %.3f", name, kind, result.accuracy, result.top3)
        spec = _with_figures(spec, mine, peers)
        (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
        (folder / "README.md").write_text(card(spec, mine, peers, note=note), encoding="utf-8")
        results |= {(name, kind): result for kind, result in mine.items()}
    return results


def _evaluated(
    classifier: GenreClassifier, clips: list[LabelledClip], keys: dict[Path, str], kind: SpectrogramKind
) -> Evaluation:
    """The evaluation, with the names of the recordings in place of local paths."""
    judged = evaluate(classifier, clips, kind=kind)
    named = [replace(clip, path=Path(keys[clip.path])) for clip in judged.clips]
    return measure(named, unreadable=judged.unreadable)


def _with_figures(
    spec: ModelSpec, results: Mapping[SpectrogramKind, Evaluation], peers: Mapping[str, Score]
) -> ModelSpec:
    """The description with what was measured on test music, for each image."""
    (main, result), *others = ((figures.metrics(), figures) for figures in results.values())
    return replace(
        spec,
        calibration=with_counts(spec.calibration, result.level_counts),
        metrics={**spec.metrics, "real_test": main, "teachers": {name: asdict(value) for name, value in peers.items()}},
        alternatives=tuple(
            replace(
                other,
                calibration=with_counts(other.calibration, figures.level_counts),
                metrics={**other.metrics, "real_test": measured},
            )
            for other, (measured, figures) in zip(spec.alternatives, others, strict=True)
        ),
    )


def _teachers(store: TrackStore, keys: set[str], work: Path) -> dict[str, Score]:
    """The teachers' zero-shot answers for the first ten seconds of the same clips."""
    items = [item for item in load_items(store, "test") if item.track.key in keys]
    labels = np.array([GENRES.index(item.track.genre or "") for item in items])
    scores = np.stack([item.arrays.scores[0] for item in items])
    usual = np.concatenate([item.arrays.scores for item in _real(load_items(store, "train"))])
    lists = ClassLists.beside(work / "teachers")
    answers = {
        "mn04 (EfficientAT, AudioSet)": mn04_zero_shot(scores, lists),
        "YAMNet (AudioSet)": yamnet_zero_shot(scores, lists),
        "musicnn (MSD and MTT tags)": musicnn_zero_shot(scores, usual),
    }
    return {name: score(values, labels) for name, values in answers.items()}


def _real(items: list[Item]) -> list[Item]:
    return [item for item in items if item.track.kind == "real"]
