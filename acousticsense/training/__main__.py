"""`python -m acousticsense.training STAGE`: every stage goes on where it was stopped."""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path

import torch

from acousticsense.training import alter
from acousticsense.training import export as exporting
from acousticsense.training import report as reporting
from acousticsense.training.bank import load_items
from acousticsense.training.held_out import held_out_table
from acousticsense.training.ingest import ingest_recordings
from acousticsense.training.recipe import Recipe
from acousticsense.training.render.plan import jobs, render
from acousticsense.training.sources import recordings
from acousticsense.training.store import TrackStore
from acousticsense.training.teachers.panel import TeacherPanel
from acousticsense.training.teachers.zero_shot import ClassLists
from acousticsense.training.train import BEST_FILE, pick_device, train

_LICENCE = "CC-BY-SA-4.0"


def main(arguments: list[str] | None = None) -> int:
    """Runs one stage; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    options.run(options, Recipe.read(options.recipe), TrackStore(options.work / "tracks"))
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--work", type=Path, required=True, help="folder for audio, tracks and checkpoints")
    common.add_argument("--recipe", type=Path, help="a recipe.json of your own")
    common.add_argument("--free-recordings", type=Path, help="folder with the recordings that are in no package")
    common.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser = argparse.ArgumentParser(prog="python -m acousticsense.training", description=__doc__)
    stages = parser.add_subparsers(required=True, metavar="STAGE")

    corpus = stages.add_parser("corpus", parents=[common], help="fetch, render, hear through the teachers")
    corpus.add_argument(
        "--only", choices=("real", "altered", "rendered"), help="a part of it; what networks made is with the real"
    )
    corpus.add_argument(
        "--share", type=_share, default=(1, 1), metavar="I/N", help="every Nth of it, for N processes side by side"
    )
    corpus.set_defaults(run=_corpus)

    labels = stages.add_parser("labels", parents=[common], help="how right soft labels are on groups left out")
    labels.set_defaults(run=_labels)

    training = stages.add_parser("train", parents=[common], help="train the student, or go on training it")
    training.add_argument("--minutes", type=float, default=math.inf, help="stop after so many, learning rate and all")
    training.add_argument("--device", default="auto")
    training.add_argument("--workers", type=int, default=1, help="processes that draw batches")
    training.add_argument(
        "--begin-with",
        type=Path,
        metavar="WORK",
        help="another work folder, whose kept weights are the first here",
    )
    training.add_argument("--check-every", type=int, default=50, help="steps between validations")
    training.set_defaults(run=_train)

    exporter = stages.add_parser("export", parents=[common], help="grow, pack in 8 bits, calibrate")
    exporter.set_defaults(run=_export)
    calibrator = stages.add_parser(
        "calibrate", parents=[common], help="exported models' temperature and verdict bands anew"
    )
    calibrator.set_defaults(run=_calibrate)
    reporter = stages.add_parser("report", parents=[common], help="evaluate on the test music and write the card")
    reporter.add_argument("--note", required=True, help="how often it was looked at")
    reporter.set_defaults(run=_report)
    clips = stages.add_parser("clips", parents=[common], help="list held-out recordings for acousticsense evaluate")
    clips.add_argument("--split", choices=("val", "test"), default="test")
    clips.add_argument(
        "--csv", type=Path, required=True, metavar="OUT", help="the list, with the columns path and genre"
    )
    clips.set_defaults(run=_clips)
    exporter.add_argument(
        "--average-with",
        type=Path,
        action="append",
        default=[],
        metavar="OTHER_WORK",
        help="export the mean of these weights and of those of other runs",
    )
    for stage in (exporter, calibrator, reporter):
        stage.add_argument("--out", type=Path, required=True, help="the folder of models, e.g. models")
    for stage in (training, exporter, calibrator, reporter):
        stage.add_argument("--student", action="append", help="a model of the recipe; all of them when left out")
    return parser


def _share(text: str) -> tuple[int, int]:
    """From "2/3", the second of three shares.

    Raises:
        ValueError: anything else.
    """
    index, _, count = text.partition("/")
    share = int(index), int(count)
    if not 1 <= share[0] <= share[1]:
        raise ValueError(text)
    return share


def _corpus(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    panel = TeacherPanel(options.work / "teachers")
    index, count = options.share
    mine = slice(index - 1, None, count)
    if options.only in (None, "real"):
        for split in ("val", "test", "train"):
            wanted = tuple(entry for entry in recordings() if entry.split == split and (entry.genre or split != "test"))
            ingest_recordings(
                wanted[mine],
                store,
                panel,
                work=options.work,
                free_recordings=options.free_recordings,
                most_windows=recipe.real_windows,
            )
    if options.only in (None, "altered"):
        planned = alter.plan(recordings(), recipe.altered, seed=recipe.seed)[mine]
        alter.ingest_altered(planned, store, panel, work=options.work, free_recordings=options.free_recordings)
    if options.only in (None, "rendered"):
        planned_rendered = jobs(recipe.rendered_per_genre, recipe.not_music, seed=recipe.seed)[mine]
        render(planned_rendered, store, panel, most_windows=1)


def _labels(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    items, class_lists = load_items(store, "train", "val"), ClassLists.beside(options.work / "teachers")
    known = tuple(recording for recording in recordings() if recording.split != "test")
    table = held_out_table(items, known, c=recipe.probe_c, class_lists=class_lists)
    logging.getLogger(__name__).info("Windows of groups left out of the fit:\n%s", table)


def _train(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    for name in _in_order(recipe, options.student or list(recipe.students), options.work / "run"):
        train(
            store,
            options.work / "run" / name,
            recipe,
            name,
            device=pick_device(options.device),
            minutes=options.minutes,
            check_every=options.check_every,
            workers=options.workers,
            teachers=options.work / "teachers",
            begin_with=options.begin_with / "run" / name if options.begin_with else None,
        )


def _in_order(recipe: Recipe, names: list[str], runs: Path) -> list[str]:
    """The students after the colleagues that they learn from; a colleague that nobody has trained yet comes along."""
    ordered = []
    for name in names:
        colleague = recipe.students[name].colleague
        if colleague in names or (colleague and not (runs / colleague / BEST_FILE).exists()):
            ordered.append(colleague)
        ordered.append(name)
    return list(dict.fromkeys(ordered))


def _export(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    for name in options.student or recipe.students:
        exporting.export(
            options.work / "run" / name,
            store,
            recipe,
            options.out / name,
            licence=_LICENCE,
            teachers=options.work / "teachers",
            average_with=[other / "run" / name for other in options.average_with],
        )


def _calibrate(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    for name in options.student or recipe.students:
        exporting.calibrated_anew(options.out / name, store)


def _report(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    reporting.report(
        options.out,
        options.student or list(recipe.students),
        store,
        work=options.work,
        free_recordings=options.free_recordings,
        note=options.note,
    )


def _clips(options: argparse.Namespace, recipe: Recipe, store: TrackStore) -> None:
    del recipe, store
    count = reporting.write_clips(
        options.csv, recordings(), options.split, work=options.work, free_recordings=options.free_recordings
    )
    logging.getLogger(__name__).info("%s: %d clips", options.csv, count)


if __name__ == "__main__":
    raise SystemExit(main())
