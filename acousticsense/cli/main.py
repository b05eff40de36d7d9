"""The command `acousticsense`.

What a command needs is imported when it runs: PyTorch takes seconds, and a wrong option should be told at once.
"""

from __future__ import annotations

import argparse
import codecs
import getpass
import io
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from acousticsense import __version__
from acousticsense.cli import (
    accelerate,
    compare,
    ensemble,
    evaluate,
    explain,
    finetune,
    import_checkpoint,
    mcp,
    models,
    predict,
    serve,
    similar,
    tag,
    timeline,
)
from acousticsense.errors import AcousticSenseError

#: What a shell reports of a program that wrote to a closed pipe: 128 + SIGPIPE.
_NOBODY_READS: Final = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when all is well, 1 when a file or a model could not be used or the output not be written, 2 when the command
        itself is wrong, 130 when it was interrupted, 141 when nobody reads its output any more.
    """
    _prepare_streams()
    try:
        try:
            return _run(arguments)
        finally:
            if not sys.stdout.closed:  # the package mcp closes it
                sys.stdout.flush()
    except BrokenPipeError:  # `acousticsense predict *.mp3 | head -1` has read enough
        _discard(sys.stdout)
        _discard(sys.stderr)
        return _NOBODY_READS
    except OSError as error:
        if not _fails(sys.stdout):
            raise
        _discard(sys.stdout)
        print(f"acousticsense: the output cannot be written ({error.strerror}).", file=sys.stderr)
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    _name_the_user()
    options.command_line = shlex.join(["acousticsense", *(sys.argv[1:] if arguments is None else arguments)])
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "matplotlib", "timm"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        return int(options.run(options))
    except AcousticSenseError as error:
        print(f"acousticsense: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _prepare_streams() -> None:
    """Gives closed streams something to read or to write to, and lets the output hold any name."""
    # In this order, so that each gets its own descriptor, which no file that is opened later must have.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("escape", _escape)
        sys.stdout.reconfigure(errors="escape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks as \\uNNNN, which JSON allows, unlike the \\xNN of "backslashreplace"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _fails(stream: TextIO) -> bool:
    """Whether the stream takes nothing any more: tried with a line break, as what failed may be in no buffer now."""
    try:
        print(file=stream, flush=True)
    except OSError:
        return True
    return False


def _discard(stream: TextIO) -> None:
    """Sends what a stream still holds into nothing: Python would flush it once more at exit, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _name_the_user() -> None:
    """Gives a user id without a line in passwd (`docker run --user 12345`) the name that PyTorch asks for."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user{os.getuid()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="acousticsense", description="Music genres, with the reason why.")
    parser.add_argument("--version", action="version", version=f"acousticsense {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        serve,
        predict,
        ensemble,
        timeline,
        compare,
        similar,
        mcp,
        tag,
        explain,
        models,
        import_checkpoint,
        evaluate,
        finetune,
        accelerate,
    ):
        command.add(commands)
    return parser
