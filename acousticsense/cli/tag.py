"""The command `acousticsense tag`: a library in, one row for every file out, and tags where they are wanted.

Exit codes: 0 when every file has a row (and every tag that was to be written is there), 1 when something that was
asked for could not be done, 2 when the command itself is wrong, 130 when it was interrupted. A file that cannot be
analysed has a row that says why, and is no reason for a 1; a place that was named and is not there is one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Final

<<<<<<< HEAD
from acousticsense.audio.names import check_output
from acousticsense.cli.options import positive
from acousticsense.errors import LibraryError, TagError
from acousticsense.library.storage import absolute, check_store, output
from acousticsense.serving import requests
=======
from tqdm import tqdm

from acousticsense.cli.tag_options import TagOptions, add_tag, parse
from acousticsense.cli.tag_report import check_places, row_line, say, sum_up, take_back, write_lists, write_tags
from acousticsense.errors import LibraryError
from acousticsense.library.storage import absolute
>>>>>>> 1df2c10 (Read playlists as players write them; send short clips to review; give each upload a name of its own; split the command tag)
from acousticsense.settings import Settings

if TYPE_CHECKING:
    from acousticsense.inference.classifier import GenreClassifier
    from acousticsense.inference.preprocess import Recipe
    from acousticsense.library.ledger import LedgerRun
    from acousticsense.library.predict import BatchPredictor
    from acousticsense.library.run import Engine, LibraryRun
    from acousticsense.library.walk import Walk

__all__ = ["TagOptions", "add_tag", "parse", "tag"]

_INTERRUPTED: Final = 130
#: Between two progress lines: on a terminal the line is rewritten, in a log it is a new one.
_TERMINAL_S: Final = 0.5
_LOG_S: Final = 10.0


<<<<<<< HEAD
Output = Path | str


@dataclass(frozen=True, kw_only=True)
class TagOptions:
    """What the command line said; see the help of each option."""

    paths: tuple[str, ...]
    spectrogram: SpectrogramKind | None
    duration_s: Duration
    offset_s: float
    csv: Output | None
    jsonl: Output | None
    parquet: Output | None
    accept: float | None
    accepted: Output | None
    review: Output | None
    rejected: Output | None
    write_tags: bool
    dry_run: bool
    overwrite: bool
    keep_mtime: bool
    record: Path | None
    undo: Path | None
    fresh: bool
    ledger: Path | None
    workers: int | None
    timeout_s: float
    engine: Literal["local", "ray"]
    ray_address: str | None


def add_tag(parser: argparse.ArgumentParser) -> None:
    """Adds the command's own options; the caller adds those for the model."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files, folders, quoted patterns, s3:// or gs:// URLs, or @LIST with one of these a line",
    )
    results = parser.add_argument_group("results (one line a file on the standard output if none is named)")
    results.add_argument("--csv", type=output, metavar="OUT", help="for spreadsheets")
    results.add_argument("--jsonl", type=output, metavar="OUT", help="everything that is known, one JSON object a line")
    results.add_argument("--parquet", type=output, metavar="OUT", help="for data tools; needs pyarrow")
    routing = parser.add_argument_group("routing")
    routing.add_argument("--accept", type=_share, metavar="P", help="lowest confidence that is accepted, e.g. 0.85")
    for name, what in (
        ("accepted", "answers at or above --accept"),
        ("review", "answers below it, for a person to look at"),
        ("rejected", "what is not music or could not be analysed"),
    ):
        routing.add_argument(f"--{name}", type=output, metavar="OUT", help=f"CSV with {what}")
    tags = parser.add_argument_group("tags")
    tags.add_argument("--write-tags", action="store_true", help="write accepted genres into the files (needs --accept)")
    tags.add_argument("--dry-run", action="store_true", help="with --write-tags: only print what would be written")
    tags.add_argument("--overwrite", action="store_true", help="replace genres that are in the files already")
    tags.add_argument("--keep-mtime", action="store_true", help="leave the files' modification times as they are")
    tags.add_argument("--record", type=Path, metavar="FILE", help="where the undo record goes (here, named by time)")
    tags.add_argument("--undo", type=Path, metavar="RECORD", help="take written tags back")
    work = parser.add_argument_group("work")
    again = work.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where an earlier run stopped (always so)")
    again.add_argument("--fresh", action="store_true", help="predict every file again")
    work.add_argument("--ledger", type=Path, metavar="FILE", help="which files have rows (library.sqlite in the cache)")
    work.add_argument("--workers", type=positive, help="decoder processes (one less than the cores, at least two)")
    work.add_argument("--engine", choices=["local", "ray"], default="local", help="processes here, or a Ray cluster")
    work.add_argument(
        "--ray-address", metavar="ADDRESS", help='"auto", HOST:PORT or ray://HOST:PORT (this machine alone)'
    )
    work.add_argument("--timeout", type=_seconds, default=60.0, metavar="S", help="seconds for decoding one file (60)")


def parse(options: argparse.Namespace, parser: argparse.ArgumentParser) -> TagOptions:
    """The options, checked against each other; ends the program with status 2 when they contradict."""
    if not options.paths and not options.undo:
        parser.error("name files or folders, or --undo RECORD")
    if options.accept is None and (options.write_tags or options.accepted or options.review or options.rejected):
        parser.error("say how sure an answer must be to be accepted, for instance --accept 0.85")
    if not options.write_tags and (options.dry_run or options.overwrite or options.keep_mtime or options.record):
        parser.error("--dry-run, --overwrite, --keep-mtime and --record go with --write-tags")
    if options.ray_address is not None and options.engine != "ray":
        parser.error("--ray-address goes with --engine ray")
    excerpt = requests.parse(requests.ClipRequest, vars(options))
    return TagOptions(
        paths=tuple(options.paths),
        spectrogram=options.spectrogram,
        duration_s=excerpt.duration_s,
        offset_s=excerpt.offset_s,
        csv=options.csv,
        jsonl=options.jsonl,
        parquet=options.parquet,
        accept=options.accept,
        accepted=options.accepted,
        review=options.review,
        rejected=options.rejected,
        write_tags=options.write_tags,
        dry_run=options.dry_run,
        overwrite=options.overwrite,
        keep_mtime=options.keep_mtime,
        record=options.record,
        undo=options.undo,
        fresh=options.fresh,
        ledger=options.ledger,
        workers=options.workers,
        timeout_s=options.timeout,
        engine=options.engine,
        ray_address=options.ray_address,
    )


=======
>>>>>>> 1df2c10 (Read playlists as players write them; send short clips to review; give each upload a name of its own; split the command tag)
def tag(options: TagOptions, settings: Settings) -> int:
    """Carries the command out and returns its exit code.

    Raises:
        AcousticSenseError: the model, the ledger or an output cannot be used.
    """
    if options.undo:
        return take_back(options.undo)
    from acousticsense.inference.classifier import GenreClassifier
    from acousticsense.library.identity import network_digest, settings_digest
    from acousticsense.library.ledger import Ledger
    from acousticsense.library.walk import Walk

    check_places(options)
    walk = Walk(options.paths)
    classifier = GenreClassifier.load(device=settings.device, settings=settings)
    classifier = classifier.for_spectrogram(options.spectrogram)
    recipe = classifier.recipe(duration_s=options.duration_s, offset_s=options.offset_s)
    with Ledger(options.ledger or settings.cache_dir / "library.sqlite") as ledger:
        rows = ledger.begin(
            [absolute(path) for path in options.paths],
            settings=settings_digest(classifier.spec, recipe),
            network=network_digest(classifier.spec),
            fresh=options.fresh,
        )
        return _run(walk, rows, classifier, recipe, options, settings)


def _run(
    walk: Walk,
    rows: LedgerRun,
    classifier: GenreClassifier,
    recipe: Recipe,
    options: TagOptions,
    settings: Settings,
) -> int:
    """Stage after stage, until all is done or somebody stops it."""
    from acousticsense.library.predict import BatchPredictor
    from acousticsense.library.run import LibraryRun

    predict = BatchPredictor(classifier, recipe, rows.known)
    run = LibraryRun(walk, rows, _engine(predict, recipe, options, settings), predict)
    stopped = threading.Event()
    with _until_interrupted(stopped):
        _predict(
            run, copy(walk), stopped, speak=not (options.csv or options.jsonl or options.parquet or options.write_tags)
        )
        if not (run.counts.seen or stopped.is_set()):
            raise LibraryError("No audio file was found.", hint=f"{walk.ignored} other files were passed by.")
        write_lists(rows, options)
        n_failed = write_tags(rows, options, stopped) if options.write_tags and not stopped.is_set() else 0
    sum_up(run, rows, walk.ignored, classifier.spec.calibration, options.accept)
    if stopped.is_set():
        say("Interrupted. Nothing is lost: the same command goes on from here.")
        return _INTERRUPTED
    if walk.n_missing:
        say(f"{walk.n_missing} of the places that were named lead to nothing.")
    return 1 if n_failed or walk.n_missing else 0


def _engine(predict: BatchPredictor, recipe: Recipe, options: TagOptions, settings: Settings) -> Engine:
    from acousticsense.library.engine import EngineOptions, LocalEngine
    from acousticsense.library.ray_engine import PredictorSource, RayEngine

    scope = EngineOptions(workers=options.workers, timeout_s=options.timeout_s)
    if options.engine == "local":
        return LocalEngine(predict, recipe, scope)
    source = PredictorSource(settings=settings, spectrogram=options.spectrogram, recipe=recipe, digest=predict.digest)
    return RayEngine(
        source, scope, address=settings.ray_address if options.ray_address is None else options.ray_address
    )


def _predict(run: LibraryRun, listing: Walk, stopped: threading.Event, *, speak: bool) -> None:
    """Runs the engine and shows progress; a second walk, beside it, finds out how many files there are."""
    pause_s = _TERMINAL_S if sys.stderr.isatty() else _LOG_S
    with tqdm(unit=" files", mininterval=pause_s, maxinterval=pause_s, dynamic_ncols=True) as progress:
        threading.Thread(target=_count, args=(listing, progress), daemon=True).start()
        batches = run.batches()
        for batch in batches:
            for _, row in batch if speak else ():
                progress.write(row_line(row))
            progress.set_postfix(failed=run.counts.failed, refresh=False)
            progress.update(run.counts.seen - progress.n)
            if stopped.is_set():
                batches.close()
                break
        progress.update(run.counts.seen - progress.n)


def _count(listing: Walk, progress: tqdm[None]) -> None:
    """Finds the number of files, which may take longer than the first rows."""
    progress.total = sum(1 for _ in listing)


@contextmanager
def _until_interrupted(stopped: threading.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) sets `stopped`, the second one ends the program at once."""

    def stop(number: int, _: object) -> None:
        if stopped.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopped.set()
        os.write(
            2, b"\nStopping after the files that are under way; once more stops at once.\n"
        )  # print may be at work

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
