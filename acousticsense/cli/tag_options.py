"""What `acousticsense tag` can be told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from acousticsense.cli.options import add_clip_options, positive
from acousticsense.library.storage import output

#: Far beyond any file, and within what the system's clocks can wait for.
_MAX_TIMEOUT_S: Final = 86_400


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to its parser."""
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
    work.add_argument(
        "--timeout",
        dest="timeout_s",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="seconds for decoding one file (60)",
    )
    add_clip_options(parser)


def check_options(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Ends the program with status 2 when options contradict each other."""
    if not options.paths and not options.undo:
        parser.error("name files or folders, or --undo RECORD")
    if options.undo and (others := _beside_undo(options, parser)):
        parser.error(f"--undo takes back all that its record says and goes with nothing else: leave out {others}")
    if options.accept is None and (options.write_tags or options.accepted or options.review or options.rejected):
        parser.error("say how sure an answer must be to be accepted, for instance --accept 0.85")
    if not options.write_tags and (options.dry_run or options.overwrite or options.keep_mtime or options.record):
        parser.error("--dry-run, --overwrite, --keep-mtime and --record go with --write-tags")
    if options.ray_address is not None and options.engine != "ray":
        parser.error("--ray-address goes with --engine ray")


def _beside_undo(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """What was given and would be without effect, as the command line calls it."""
    alone = vars(parser.parse_args([f"--undo={options.undo}"]))
    given = [name for name, value in alone.items() if getattr(options, name) != value]
    return ", ".join("PATH" if name == "paths" else f"--{name.removesuffix('_s').replace('_', '-')}" for name in given)


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= _MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {_MAX_TIMEOUT_S} (a day), not {text}")
    return value
