"""The command `acousticsense`.

What a command needs is imported when it runs: PyTorch takes seconds, and a wrong option should be told at once.
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import shlex
import sys
from collections.abc import Sequence

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when all is well, 1 when a file or a model could not be used, 2 when the command itself is wrong.
    """
    options = _parser().parse_args(arguments)
    _name_the_user()
    options.command_line = shlex.join(["acousticsense", *(sys.argv[1:] if arguments is None else arguments)])
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "matplotlib", "timm"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        status = int(options.run(options))
        if not sys.stdout.closed:  # the package mcp closes it
            sys.stdout.flush()
    except AcousticSenseError as error:
        print(f"acousticsense: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `acousticsense predict *.mp3 | head -1` has read enough. Python would flush once more at exit, into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


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
