"""The command `acousticsense tag`: a library in, one row for every file out, and tags where they are wanted.

Exit codes: 0 when every file has a row (and every tag that was to be written is there), 1 when something that was
asked for could not be done, 2 when the command itself is wrong, 130 when it was interrupted. A file that cannot be
analysed has a row that says why, and is no reason for a 1; a place that was named and is not there is one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from acousticsense.audio.names import check_output
from acousticsense.cli.options import positive
from acousticsense.errors import LibraryError, TagError
from acousticsense.library.storage import absolute, check_store, output
from acousticsense.serving import requests
from acousticsense.settings import Settings

if TYPE_CHECKING:
    from acousticsense.inference.classifier import Duration, GenreClassifier
    from acousticsense.inference.preprocess import Recipe
    from acousticsense.library.export import Decided
    from acousticsense.library.ledger import LedgerRun
    from acousticsense.library.predict import BatchPredictor
    from acousticsense.library.rows import Row
    from acousticsense.library.run import Engine, LibraryRun
    from acousticsense.library.tags import TagPlan
    from acousticsense.library.undo import UndoRecord
    from acousticsense.library.walk import Walk
    from acousticsense.spectrogram.front_end import SpectrogramKind

__all__ = ["TagOptions", "add_tag", "parse", "tag"]

_INTERRUPTED: Final = 130
#: Between two progress lines: on a terminal the line is rewritten, in a log it is a new one.
_TERMINAL_S: Final = 0.5
_LOG_S: Final = 10.0


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


def tag(options: TagOptions, settings: Settings) -> int:
    """Carries the command out and returns its exit code.

    Raises:
        AcousticSenseError: the model, the ledger or an output cannot be used.
    """
    return _undo(options.undo) if options.undo else _Command(options, settings).run()


def _undo(record: Path) -> int:
    from acousticsense.library.undo import undo

    outcomes: Counter[str] = Counter()
    for undone in undo(record):
        outcomes[undone.outcome] += 1
        if undone.outcome == "failed":
            _say(f"{undone.path}: left as it is: {undone.reason}")
    _say(f"{outcomes['restored']} restored, {outcomes['untouched']} as before already, {outcomes['failed']} failed")
    return 1 if outcomes["failed"] else 0


@dataclass
class _Command:
    """One run of the command, stage after stage."""

    options: TagOptions
    settings: Settings
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        from acousticsense.inference.classifier import GenreClassifier
        from acousticsense.library.identity import network_digest, settings_digest
        from acousticsense.library.ledger import Ledger
        from acousticsense.library.walk import Walk

        options = self.options
        _check_folders([options.csv, options.jsonl, options.parquet])
        _check_folders([options.accepted, options.review, options.rejected, options.record])
        walk = Walk(options.paths)
        classifier = GenreClassifier.load(device=self.settings.device, settings=self.settings)
        classifier = classifier.for_spectrogram(options.spectrogram)
        recipe = classifier.recipe(duration_s=options.duration_s, offset_s=options.offset_s)
        with Ledger(options.ledger or self.settings.cache_dir / "library.sqlite") as ledger:
            rows = ledger.begin(
                [absolute(path) for path in options.paths],
                settings=settings_digest(classifier.spec, recipe),
                network=network_digest(classifier.spec),
                fresh=options.fresh,
            )
            run = self._library_run(walk, rows, classifier, recipe)
            with _until_interrupted(self.stopped):
                self._predict(run, copy(walk))
                if not (run.counts.seen or self.stopped.is_set()):
                    raise LibraryError("No audio file was found.", hint=f"{walk.ignored} other files were passed by.")
                self._write_lists(rows)
                n_failed = self._tag_files(rows) if options.write_tags and not self.stopped.is_set() else 0
            self._sum_up(run, rows, walk.ignored, classifier)
        if self.stopped.is_set():
            _say("Interrupted. Nothing is lost: the same command goes on from here.")
            return _INTERRUPTED
        if walk.n_missing:
            _say(f"{walk.n_missing} of the places that were named lead to nothing.")
        return 1 if n_failed or walk.n_missing else 0

    def _library_run(self, walk: Walk, rows: LedgerRun, classifier: GenreClassifier, recipe: Recipe) -> LibraryRun:
        from acousticsense.library.predict import BatchPredictor
        from acousticsense.library.run import LibraryRun

        predict = BatchPredictor(classifier, recipe, rows.known)
        return LibraryRun(walk, rows, self._engine(predict, recipe), predict)

    def _engine(self, predict: BatchPredictor, recipe: Recipe) -> Engine:
        from acousticsense.library.engine import EngineOptions, LocalEngine
        from acousticsense.library.ray_engine import PredictorSource, RayEngine

        options = self.options
        scope = EngineOptions(workers=options.workers, timeout_s=options.timeout_s)
        if options.engine == "local":
            return LocalEngine(predict, recipe, scope)
        source = PredictorSource(
            settings=self.settings, spectrogram=options.spectrogram, recipe=recipe, digest=predict.digest
        )
        address = self.settings.ray_address if options.ray_address is None else options.ray_address
        return RayEngine(source, scope, address=address)

    def _predict(self, run: LibraryRun, listing: Walk) -> None:
        """Runs the engine and shows progress; a second walk, beside it, finds out how many files there are."""
        options = self.options
        progress = _Progress(run)
        threading.Thread(target=progress.count, args=(listing,), daemon=True).start()
        speak = not (options.csv or options.jsonl or options.parquet or options.write_tags)
        batches = run.batches()
        for batch in batches:
            for _, row in batch if speak else ():
                print(_line(row))
            progress.show()
            if self.stopped.is_set():
                batches.close()
                break
        progress.show(last=True)

    def _write_lists(self, rows: LedgerRun) -> None:
        from acousticsense.library import export

        options = self.options
        for path, write in (
            (options.csv, export.write_csv),
            (options.jsonl, export.write_jsonl),
            (options.parquet, export.write_parquet),
        ):
            if path is not None:
                write(path, self._decided(rows))
        for decision in ("accepted", "review", "rejected"):
            path = getattr(options, decision)
            if path is not None:
                export.write_csv(path, (entry for entry in self._decided(rows) if entry[1] == decision))

    def _decided(self, rows: LedgerRun) -> Iterator[Decided]:
        from acousticsense.library.routing import decide

        accept = self.options.accept
        for _, row in rows.rows():
            yield row, None if accept is None else decide(row, accept)

    def _tag_files(self, rows: LedgerRun) -> int:
        """Writes, or only plans, the accepted genres; returns how many of them could not be written."""
        from acousticsense.library.tags import plan_line
        from acousticsense.library.undo import UndoRecord

        options = self.options
        outcomes: Counter[str] = Counter()
        record_path = options.record or Path(time.strftime("acousticsense-undo-%Y%m%d-%H%M%S.jsonl"))
        with UndoRecord(record_path) as record:
            for plan in self._plans(rows):
                if self.stopped.is_set():
                    break
                outcome = plan.action
                if options.dry_run:
                    print(plan_line(plan))
                elif plan.action == "write":
                    outcome = self._write(plan, record, rows)
                elif plan.action == "refuse":
                    _say(plan_line(plan))
                outcomes[outcome] += 1
        done = "would be written" if options.dry_run else "written"
        _say(f"tags: {outcomes['write']} {done}, {outcomes['keep']} kept as they are, {outcomes['refuse']} refused")
        if outcomes["write"] and not options.dry_run:
            _say(f"to take them back: acousticsense tag --undo {record_path}")
        return outcomes["refuse"]

    def _plans(self, rows: LedgerRun) -> Iterator[TagPlan]:
        from acousticsense.library.routing import decide
        from acousticsense.library.tags import plan_tag

        for path, row in rows.rows():
            if decide(row, self.options.accept or 0.0) == "accepted":
                yield plan_tag(path, row.genre, overwrite=self.options.overwrite)

    def _write(self, plan: TagPlan, record: UndoRecord, rows: LedgerRun) -> Literal["write", "refuse"]:
        from acousticsense.library.identity import stamp
        from acousticsense.library.tags import write_tag

        try:
            write_tag(plan, keep_mtime=self.options.keep_mtime, before_replace=record.add)
        except TagError as error:
            _say(f"refuse {plan.path}: {error}")
            return "refuse"
        if (now := stamp(plan.path)) is not None:
            rows.restamp(plan.path, now)
        return "write"

    def _sum_up(self, run: LibraryRun, rows: LedgerRun, ignored: int, classifier: GenreClassifier) -> None:
        from acousticsense.library.routing import decide, expectation

        counts = run.counts
        _say(
            f"{counts.done} done, {counts.skipped} skipped (had a row), {counts.failed} failed (their rows say why); "
            f"{ignored} other files passed by"
        )
        if self.options.accept is None:
            return
        decisions: Counter[str] = Counter()
        verdicts: Counter[str] = Counter()
        for _, row in rows.rows():
            decision = decide(row, self.options.accept)
            decisions[decision] += 1
            if decision == "accepted":
                verdicts[str(row.verdict)] += 1
        _say(", ".join(f"{decisions[name]} {word}" for name, word in _DECISIONS.items()))
        if verdicts:
            _say(expectation(verdicts, classifier.spec.calibration))


_DECISIONS: Final = {"accepted": "accepted", "review": "to review", "rejected": "rejected"}


class _Progress:
    """One line on the standard error: files, rate, time left."""

    def __init__(self, run: LibraryRun) -> None:
        self._run = run
        self._total: int | None = None
        self._started = time.monotonic()
        self._shown = self._started
        self._terminal = sys.stderr.isatty()

    def count(self, listing: Walk) -> None:
        """Finds the number of files, which may take longer than the first rows."""
        self._total = sum(1 for _ in listing)

    def show(self, *, last: bool = False) -> None:
        """Prints the line, but not more often than anyone reads it."""
        now = time.monotonic()
        if not last and now - self._shown < (_TERMINAL_S if self._terminal else _LOG_S):
            return
        self._shown = now
        line = self._line(now - self._started)
        print(
            f"\r{line:<78}" if self._terminal else line, end="\n" if last or not self._terminal else "", file=sys.stderr
        )

    def _line(self, elapsed_s: float) -> str:
        counts = self._run.counts
        analysed = counts.done + counts.failed
        rate = analysed / elapsed_s if elapsed_s > 0 else 0.0
        line = f"{counts.seen} of {self._total or '?'} files, {counts.failed} failed, {rate:.1f} files/s"
        if self._total and rate and counts.seen < self._total:
            line += f", {_clock((self._total - counts.seen) / rate)} left"
        return line


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


def _check_folders(outputs: Iterable[Output | None]) -> None:
    """Refuses outputs that cannot be written before hours are spent on them."""
    for path in outputs:
        if isinstance(path, str):
            check_store(path)
        elif path is not None:
            check_output(path)


def _line(row: Row) -> str:
    if row.error is not None:
        return f"{row.path}: {row.error.code}: {row.error.message}"
    return f"{row.path}: {row.genre} {row.confidence:.1%}  [{row.verdict}]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value
