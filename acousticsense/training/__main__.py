"""`python -m acousticsense.training STAGE --work DIR`: `corpus` and `train` go on where they were stopped."""

from __future__ import annotations

import argparse
import logging
import math
from functools import partial
from pathlib import Path

import torch

from acousticsense.training.clips import Clip, load_clips
from acousticsense.training.corpus import prepare_side_by_side
from acousticsense.training.export import export
from acousticsense.training.fetch import fetch
from acousticsense.training.loop import train
from acousticsense.training.network import WEIGHTS_FILE
from acousticsense.training.readers import in_full, read_fma, read_jamendo
from acousticsense.training.recipe import read_recipe, recipe_names
from acousticsense.training.recordings import FREE_RECORDINGS, SONGS, Recording, recordings
from acousticsense.training.report import group_hold_out, report, write_clips
from acousticsense.training.sounds import made_sounds
from acousticsense.training.split import splits_csv
from acousticsense.training.tagger import TAGGERS, head_of_clips, install_tagger, judged, tagger_network
from acousticsense.training.targets import in_folds, labels_table, make_targets
from acousticsense.training.teachers.teachers import Teachers

logger = logging.getLogger(__name__)

Options = argparse.Namespace


def main(arguments: list[str] | None = None) -> int:
    """Runs one stage; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    options.run(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m acousticsense.training", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--work", type=Path, required=True, help="folder for audio, clips and runs")
    common.add_argument("--songs", type=Path, help="folder of the clips that the list names as songs")
    common.add_argument("--free-recordings", type=Path, help="folder of the recordings that are in no package")
    common.add_argument("--gtzan", type=Path, help="the data set GTZAN, for its songs in full")
    common.add_argument("--fma", type=Path, help="the data set FMA: fma_metadata and fma_small, _medium or _large")
    common.add_argument("--jamendo", type=Path, help="MTG-Jamendo: autotagging_genre.tsv and its folders of mp3")
    common.add_argument("--models", type=Path, default=Path("models"), help="where models go")
    names = (*recipe_names(), *TAGGERS)
    common.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="models; all of them when left out")
    common.add_argument("--processes", type=_count, default=1, help="that prepare clips and training images")
    common.add_argument("--threads", type=_count, default=1, help="of PyTorch")
    common.add_argument(
        "--minutes", type=float, default=math.inf, help="of processor time in the steps of each training"
    )
    common.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    common.add_argument("--bfloat16", action="store_true", help="train with bfloat16, where the processor has it")
    stages = parser.add_subparsers(required=True, metavar="STAGE")
    for run, text in (
        (_split, "draw training, validation and test music anew"),
        (_corpus, "fetch and prepare the recordings"),
        (_labels, "how right soft labels are"),
        (_train, "train the networks, those that teach others first"),
        (_export, "pack in 8 bits and calibrate"),
        (_taggers, "fit the taggers' heads and calibrate them"),
        (_report, "evaluate on the test music and write the cards: once, at the end"),
        (_all, "everything but split, one after the other"),
    ):
        stages.add_parser(run.__name__[1:], parents=[common], help=text).set_defaults(run=run)
    lists = stages.add_parser("clips", parents=[common], help="list held-out recordings for acousticsense evaluate")
    lists.add_argument("--split", choices=("val", "test"), default="test")
    lists.add_argument("--csv", type=Path, required=True, help="columns path and genre")
    lists.set_defaults(run=_clips)
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _all(options: Options) -> None:
    for stage in (_corpus, _labels, _train, _export, _taggers, _report):
        stage(options)


def _split(options: Options) -> None:
    del options  # it needs nothing but the list
    path = Path(__file__).parent / "data" / "splits.csv"
    path.write_text(splits_csv(recordings()), encoding="utf-8")


def _corpus(options: Options) -> None:
    entries = _files(options, recordings())
    if options.gtzan:
        whole = dict(in_full(recordings(), options.gtzan))
        entries = [(recording, whole.get(recording, path)) for recording, path in entries]
        entries += [entry for entry in whole.items() if entry not in entries]
    entries += _collections(options) + [(sound, Path()) for sound in made_sounds()]
    make_teachers = partial(Teachers, options.work / "teachers")
    count = prepare_side_by_side(entries, make_teachers, options.work / "clips", options.processes)
    logger.info("%d of %d recordings are prepared", count, len(entries))


def _files(options: Options, wanted: tuple[Recording, ...] | list[Recording]) -> list[tuple[Recording, Path]]:
    """Recordings of the list with their files, fetched where that is needed."""
    given = {SONGS: options.songs, FREE_RECORDINGS: options.free_recordings}
    folders = {name: folder for name, folder in given.items() if folder}
    return list(fetch(wanted, options.work, folders))


def _collections(options: Options) -> list[tuple[Recording, Path]]:
    """What there is in the user's folders of public collections."""
    found = read_fma(options.fma, recordings()) if options.fma else []
    return found + (read_jamendo(options.jamendo, recordings()) if options.jamendo else [])


def _clips_of(options: Options, split: str) -> list[Clip]:
    every = (*recordings(), *(recording for recording, _ in _collections(options)), *made_sounds())
    return load_clips(options.work / "clips", [recording for recording in every if recording.split == split])


def _labels(options: Options) -> None:
    clips, validation = _clips_of(options, "train"), _clips_of(options, "val")
    targets, others = make_targets(clips, validation, options.work / "teachers")
    parts = (("training, in folds", clips, targets), ("validation", validation, others))
    logger.info("Soft labels of artists that taught the probe nothing:\n%s", labels_table(parts))


def _train(options: Options) -> None:
    clips, validation = _clips_of(options, "train"), _clips_of(options, "val")
    teachers, runs = options.work / "teachers", options.work / "runs"
    targets, _ = make_targets(clips, [], teachers)
    mn04 = TAGGERS["efficientat_mn04"]
    tagger = tagger_network(mn04, teachers / mn04.file, head_of_clips(mn04, clips, targets))
    for name in in_order(_recipes(options), runs):
        logger.info("%s", name)
        train(
            name,
            clips,
            targets,
            tagger=tagger,
            validation=validation,
            runs=runs,
            minutes=options.minutes,
            device=options.device,
            half=options.bfloat16,
            workers=options.processes,
        )


def in_order(names: tuple[str, ...] | list[str], runs: Path) -> list[str]:
    """Recipes after those that they learn or grow from, which come along when nobody has trained them yet."""
    ordered: list[str] = []
    for name in names:
        before = read_recipe(name).needs
        missing = [other for other in before if other in names or not (runs / other / WEIGHTS_FILE).exists()]
        ordered += [*in_order(missing, runs), name]
    return list(dict.fromkeys(ordered))


def _export(options: Options) -> None:
    validation = _clips_of(options, "val")
    for name in _recipes(options):
        export(name, options.work / "runs", options.models, validation)


def _recipes(options: Options) -> list[str]:
    """Those of the wanted models that are trained from a recipe: all but the taggers."""
    return [name for name in options.only or recipe_names() if name not in TAGGERS]


def _taggers(options: Options) -> None:
    wanted = [tagger for name, tagger in TAGGERS.items() if not options.only or name in options.only]
    if not wanted:
        return
    teachers, clips, validation = options.work / "teachers", _clips_of(options, "train"), _clips_of(options, "val")
    targets, _ = make_targets(clips, [], teachers)
    folds = list(in_folds(clips, teachers))
    # No genre is to count for more than in the test.
    chosen = set(group_hold_out((clip.recording for clip in clips), "train"))
    for tagger in wanted:
        head = head_of_clips(tagger, clips, targets)
        answers = [
            judged(tagger, head_of_clips(tagger, rest, soft), [clip for clip in held_out if clip.recording in chosen])
            for rest, soft, held_out in folds
        ]
        release, folder = teachers / tagger.file, options.models / tagger.name
        spec = install_tagger(tagger, release, folder, head, validation=judged(tagger, head, validation), folds=answers)
        logger.info("%s: %s", tagger.name, spec.metrics)


def _report(options: Options) -> None:
    report(options.models, options.only or (*recipe_names(), *TAGGERS), _files(options, group_hold_out(recordings())))


def _clips(options: Options) -> None:
    chosen = group_hold_out(recordings(), options.split)
    logger.info("%s: %d clips", options.csv, write_clips(options.csv, _files(options, chosen)))


if __name__ == "__main__":
    raise SystemExit(main())
