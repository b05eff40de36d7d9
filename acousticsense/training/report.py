"""The model card: the finished model on real test music, once, beside the teachers on the same clips."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from acousticsense.classifier import GenreClassifier
from acousticsense.config import ModelSpec
from acousticsense.evaluation import Evaluation, evaluate, measure, write_report
from acousticsense.genres import GENRES
from acousticsense.labelled import LabelledClip
from acousticsense.training.bank import Item, load_items
from acousticsense.training.card import card
from acousticsense.training.fetch import fetch
from acousticsense.training.recipe import Recipe
from acousticsense.training.sources import Recording, recordings
from acousticsense.training.store import TrackStore
from acousticsense.training.teachers.zero_shot import mn04_zero_shot, musicnn_zero_shot
from acousticsense.training.validate import Score, score

__all__ = ["MOST_PER_GENRE", "held_out", "report"]

logger = logging.getLogger(__name__)

#: No genre counts for more than this many test clips.
MOST_PER_GENRE = 20

#: A verdict given to fewer test clips has no figure of its own.
_FEWEST_TOLD = 8


def held_out(known: tuple[Recording, ...]) -> list[Recording]:
    """The test set: measurable recordings of the test split, at most MOST_PER_GENRE a genre, drawn by their hash."""
    chosen: list[Recording] = []
    counts: Counter[str] = Counter()
    for recording in sorted(known, key=_lot):
        if recording.split == "test" and recording.is_measurable and recording.genre is not None:
            counts[recording.genre] += 1
            if counts[recording.genre] <= MOST_PER_GENRE:
                chosen.append(recording)
    return chosen


def _lot(recording: Recording) -> str:
    return hashlib.sha256(recording.key.encode()).hexdigest()


def report(
    folder: Path,
    store: TrackStore,
    recipe: Recipe,
    *,
    work: Path,
    free_recordings: Path | None,
    note: str = "The test music was looked at once.",
) -> Evaluation:
    """Evaluates the model in `folder` on the test set and writes card, figures and metrics beside its weights.

    Args:
        folder: of the model, below a models folder.
        store: the corpus, for what the teachers heard in the test clips.
        recipe: of the run, for the card.
        work: the work folder with the fetched audio.
        free_recordings: local folder with the recordings that are not in Debian.
        note: for the card: how often the test music was looked at, and why.
    """
    fetched = list(fetch(tuple(held_out(recordings())), work, free_recordings=free_recordings))
    clips = [LabelledClip(entry.path, entry.recording.genre or "") for entry in fetched]
    names = {entry.path: entry.recording.key for entry in fetched}
    judged = evaluate(GenreClassifier.load(folder), clips)
    result = measure(
        [replace(clip, path=Path(names[clip.path])) for clip in judged.clips], unreadable=judged.unreadable
    )
    write_report(result, folder / "evaluation")
    peers = _teachers(store, {entry.recording.key for entry in fetched}, work)
    spec = ModelSpec.read(folder / "model.json")
    figures = {name: getattr(result, name) for name in ("n", "accuracy", "top3", "macro_recall", "macro_f1", "ece")}
    peer_figures = {name: asdict(value) for name, value in peers.items()}
    spec = replace(
        spec,
        calibration=replace(spec.calibration, band_accuracy=_told(result)),
        metrics={
            "validation_bands": spec.calibration.band_accuracy,
            **spec.metrics,
            "real_test": {**figures, "recall": result.recall},
            "teachers": peer_figures,
        },
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    (folder / "README.md").write_text(card(spec, result, peers, store, recipe, note=note), encoding="utf-8")
    logger.info("%s", spec.metrics["real_test"])
    return result


def _told(result: Evaluation) -> dict[str, float]:
    """What users are told of each verdict: how often it was right on test music, which the thresholds never saw."""
    return {verdict: share for verdict, (count, share) in result.verdicts.items() if count >= _FEWEST_TOLD}


def _teachers(store: TrackStore, keys: set[str], work: Path) -> dict[str, Score]:
    """The teachers' zero-shot answers for the first ten seconds of the same clips."""
    items = [item for item in load_items(store, "test") if item.track.key in keys]
    labels = np.array([GENRES.index(item.track.genre or "") for item in items])
    scores = np.stack([item.arrays.scores[0] for item in items])
    usual = np.concatenate([item.arrays.scores for item in _real(load_items(store, "train"))])
    answers = {
        "mn04 (EfficientAT, AudioSet)": mn04_zero_shot(scores, work / "teachers" / "class_labels_indices.csv"),
        "musicnn (MSD and MTT tags)": musicnn_zero_shot(scores, usual),
    }
    return {name: score(values, labels) for name, values in answers.items()}


def _real(items: list[Item]) -> list[Item]:
    return [item for item in items if item.track.kind == "real"]
