"""What becomes of a library's rows: lists, tags in the files, and the figures at the end."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acousticsense.audio.names import check_output
from acousticsense.cli.options import check_distinct
from acousticsense.errors import RequestError, printable
from acousticsense.library.storage import absolute, check_store, is_remote

if TYPE_CHECKING:
    from acousticsense.library.export import Decided
    from acousticsense.library.ledger import LedgerRun
    from acousticsense.library.rows import Row
    from acousticsense.library.run import LibraryRun
    from acousticsense.models.spec import Calibration


#: What is decided about an answer, as options name it, and in words.
_DECISIONS: Final = {"accepted": "accepted", "review": "to review", "rejected": "rejected"}


def name_record(options: argparse.Namespace) -> None:
    """Names the undo record where tags are to be written and nobody named it.

    Raises:
        RequestError: it would lie in the current folder, and nothing can be written there.
    """
    if not options.write_tags or options.dry_run or options.record is not None:
        return
    options.record = Path(time.strftime("acousticsense-undo-%Y%m%d-%H%M%S.jsonl"))
    if not os.access(os.curdir, os.W_OK):
        raise RequestError(
            f"The undo record cannot be written into the current folder, '{Path.cwd()}'.",
            hint="Name another place with --record FILE.",
        )


def check_places(options: argparse.Namespace, ledger: Path) -> None:
    """Refuses outputs before hours are spent on them.

    Args:
        ledger: the file that keeps the rows.

    Raises:
        RequestError: one cannot be written, or would overwrite another one, the ledger or what is read.
        LibraryError: the package that writes it is not installed, or the undo record is another file.
    """
    if options.parquet:
        from acousticsense.library.export import check_parquet

        check_parquet()
    lists = (options.csv, options.jsonl, options.parquet, options.accepted, options.review, options.rejected)
    written = [path for path in (*lists, options.record) if path is not None]
    for path in written:
        if isinstance(path, str):
            check_store(path)
        else:
            check_output(path)
    read = [path[1:] if path.startswith("@") else absolute(path) for path in options.paths if path != "@-"]
    beside = [Path(f"{ledger}{ending}") for ending in ("", "-wal", "-shm")]  # SQLite's own files lie beside a ledger
    check_distinct([*beside, *written], read)
    if options.record is not None:
        from acousticsense.library.undo import check_record

        check_record(options.record)


def write_lists(rows: LedgerRun, options: argparse.Namespace) -> None:
    """Every list that was asked for."""
    from acousticsense.library import export

    for path, write in (
        (options.csv, export.write_csv),
        (options.jsonl, export.write_jsonl),
        (options.parquet, export.write_parquet),
    ):
        if path is not None:
            write(path, _decided(rows, options))
    for decision in _DECISIONS:
        if (path := getattr(options, decision)) is not None:
            export.write_csv(path, (entry for entry in _decided(rows, options) if entry[1] == decision))


def _decided(rows: LedgerRun, options: argparse.Namespace) -> Iterator[Decided]:
    from acousticsense.library.routing import decide

    for _, row in rows.rows():
        yield row, None if options.accept is None else decide(row, options.accept)


def write_tags(rows: LedgerRun, options: argparse.Namespace, stopped: threading.Event) -> int:
    """Writes, or only plans, the accepted genres; returns how many of them could not be written.

    What was written, and how to take it back, is said whatever ends it.

    Raises:
        LibraryError: the ledger cannot be used any longer.
    """
    outcomes: Counter[str] = Counter()
    try:
        _write_accepted(rows, options, stopped, outcomes)
    finally:
        done = "would be written" if options.dry_run else "written"
        say(f"tags: {outcomes['write']} {done}, {outcomes['keep']} kept as they are, {outcomes['refuse']} refused")
        if outcomes["write"] and not options.dry_run:
            say(f"to take them back: acousticsense tag --undo {shlex.quote(str(options.record))}")
    return outcomes["refuse"]


def _write_accepted(
    rows: LedgerRun, options: argparse.Namespace, stopped: threading.Event, outcomes: Counter[str]
) -> None:
    """File by file; counts in `outcomes` what became of each as soon as it is known."""
    from acousticsense.library.identity import stamp
    from acousticsense.library.routing import decide
    from acousticsense.library.tag_task import TagTask, carry_out
    from acousticsense.library.tags import TagPlan, plan_line

    for path, row in rows.rows():
        if stopped.is_set():
            break
        if decide(row, options.accept) != "accepted":
            continue
        task = TagTask(
            path=path,
            genre=row.genre,
            overwrite=options.overwrite,
            keep_mtime=options.keep_mtime,
            record=None if options.dry_run else options.record,
        )
        if is_remote(path) or rows.is_current(path, stamp(path)):
            plan = carry_out(task)
        else:
            reason = "it was changed since it was analysed; run the command again"
            plan = TagPlan(path=path, action="refuse", old="", new=row.genre, reason=reason)
        outcomes[plan.action] += 1
        if options.dry_run:
            print(plan_line(plan))
        elif plan.action == "refuse":
            say(plan_line(plan))
        elif plan.action == "write" and (now := stamp(path)) is not None:
            rows.restamp(path, now)


def take_back(record: Path) -> int:
    """Undoes what a record says; the exit code.

    Raises:
        LibraryError: the record cannot be read, is none or is damaged; what was restored until then is said.
    """
    from acousticsense.library.undo import undo

    outcomes: Counter[str] = Counter()
    files = undo(record)
    try:
        for undone in files:
            outcomes[undone.outcome] += 1
            if undone.outcome == "failed":
                say(f"{undone.path}: left as it is: {undone.reason}")
    finally:
        say(f"{outcomes['restored']} restored, {outcomes['untouched']} as before already, {outcomes['failed']} failed")
    return 1 if outcomes["failed"] else 0


def sum_up(run: LibraryRun, rows: LedgerRun, ignored: int, calibration: Calibration, accept: float | None) -> None:
    """Says how many files were analysed, what was decided, and how many mistakes to expect."""
    counts = run.counts
    say(
        f"{counts.done} done, {counts.skipped} skipped (had a row), {counts.failed} failed (their rows say why); "
        f"{ignored} other file{'' if ignored == 1 else 's'} passed by"
    )
    if accept is not None:
        _say_decisions((row for _, row in rows.rows()), calibration, accept)


def _say_decisions(rows: Iterable[Row], calibration: Calibration, accept: float) -> None:
    from acousticsense.library.routing import decide, expectation, review_reason

    decisions: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    n_short = 0
    for row in rows:
        decision = decide(row, accept)
        decisions[decision] += 1
        if decision == "accepted":
            verdicts[str(row.verdict)] += 1
        n_short += decision == "review" and bool(review_reason(row))
    short = f" ({n_short} because of their length)" if n_short else ""
    counted = [f"{decisions[name]} {word}{short if name == 'review' else ''}" for name, word in _DECISIONS.items()]
    say(", ".join(counted))
    if verdicts:
        say(expectation(verdicts, calibration))


def row_line(row: Row) -> str:
    """A row in one line."""
    if row.error is not None:
        return f"{row.path}: {row.error.code}: {row.error.message}"
    return f"{row.path}: {row.genre} {row.confidence:.1%}  [{row.verdict}]"


def say(sentence: str) -> None:
    """On the standard error, where it is in nobody's way."""
    print(printable(sentence), file=sys.stderr)
