"""The command `acousticsense tag`: a library in, one row for every file out, and tags where they are wanted.

Exit codes: 0 when every file has a row (and every tag that was to be written is there), 1 when something that was
asked for could not be done, 2 when the command itself is wrong, 130 when it was interrupted. A file that cannot be
analysed has a row that says why, and is no reason for a 1; a place that was named and is not there or cannot be read
is one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from acousticsense.cli.options import classifier_of, settings_of
from acousticsense.cli.tag_options import add_options, check_options
from acousticsense.cli.tag_report import (
    check_places,
    name_record,
    row_line,
    say,
    sum_up,
    take_back,
    write_lists,
    write_tags,
)
from acousticsense.errors import LibraryError
from acousticsense.library.storage import absolute
from acousticsense.serving.requests import ClipRequest, parse

if TYPE_CHECKING:
    from acousticsense.inference.decoding import Recipe
    from acousticsense.library.ledger import LedgerRun
    from acousticsense.library.predict import BatchPredictor
    from acousticsense.library.run import Engine, LibraryRun
    from acousticsense.library.walk import Walk
    from acousticsense.models.spec import Calibration
    from acousticsense.settings import Settings


_INTERRUPTED: Final = 130
#: Between two progress lines, on a terminal and in a log.
_TERMINAL_S: Final = 0.5
_LOG_S: Final = 10.0


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("tag", help="predict whole libraries, and write genres into the files")
    add_options(parser)

    def run(options: argparse.Namespace) -> int:
        check_options(options, parser)
        return _run(options)

    parser.set_defaults(run=run)


def _run(options: argparse.Namespace) -> int:
    wanted, settings = parse(ClipRequest, vars(options)), settings_of(options)
    if options.undo:
        return take_back(options.undo)
    from acousticsense.library.identity import network_digest, settings_digest
    from acousticsense.library.ledger import Ledger
    from acousticsense.library.predict import BatchPredictor
    from acousticsense.library.run import LibraryRun
    from acousticsense.library.walk import Walk

    name_record(options)
    place = options.ledger or settings.cache_dir / "library.sqlite"
    check_places(options, place)
    walk = Walk(options.paths)
    classifier = classifier_of(options)
    recipe = classifier.recipe(duration_s=wanted.duration_s, offset_s=wanted.offset_s)
    with closing(Ledger(place)) as ledger:
        rows = ledger.begin(
            [absolute(path) for path in options.paths],
            settings=settings_digest(classifier.spec, recipe),
            network=network_digest(classifier.spec),
            fresh=options.fresh,
        )
        predictor = BatchPredictor(classifier, recipe, rows.known)
        run = LibraryRun(walk, rows, _engine(predictor, recipe, options, settings), predictor)
        return _carry_out(run, walk, rows, options, classifier.spec.calibration)


def _carry_out(
    run: LibraryRun, walk: Walk, rows: LedgerRun, options: argparse.Namespace, calibration: Calibration
) -> int:
    """Stage after stage, until all is done or somebody stops it."""
    stopped = threading.Event()
    with _until_interrupted(stopped):
        speak = not (options.csv or options.jsonl or options.parquet or options.write_tags)
        _predict(run, copy(walk), stopped, speak=speak)
        if not (run.counts.seen or stopped.is_set()):
            raise LibraryError("No audio file was found.", hint=f"{walk.ignored} other files were passed by.")
        write_lists(rows, options)
        n_failed = write_tags(rows, options, stopped) if options.write_tags and not stopped.is_set() else 0
    sum_up(run, rows, walk.ignored, calibration, options.accept)
    if stopped.is_set():
        say("Interrupted. Nothing is lost: the same command goes on from here.")
        return _INTERRUPTED
    if walk.n_missing:
        say(f"{walk.n_missing} of the places that were named lead to nothing or cannot be read.")
    return 1 if n_failed or walk.n_missing else 0


def _engine(predictor: BatchPredictor, recipe: Recipe, options: argparse.Namespace, settings: Settings) -> Engine:
    from acousticsense.library.engine import EngineOptions, LocalEngine
    from acousticsense.library.ray_engine import RayEngine
    from acousticsense.library.ray_nodes import PredictorSource

    scope = EngineOptions(workers=options.workers, timeout_s=options.timeout_s)
    if options.engine == "local":
        return LocalEngine(predictor, recipe, scope)
    source = PredictorSource(settings=settings, spectrogram=options.spectrogram, recipe=recipe, digest=predictor.digest)
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
