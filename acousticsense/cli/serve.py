"""`acousticsense serve`: the web page and the REST API."""

from __future__ import annotations

import argparse
from typing import Any

from acousticsense.cli.options import add_model_options, quick_imports, settings_of
from acousticsense.serving.ports import check_port


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("serve", help="the web page and the REST API")
    parser.add_argument("--host", help="address to listen on (0.0.0.0)")
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    add_model_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    check_port(settings.host, settings.port)
    with quick_imports():
        from acousticsense.server import serve
    serve(settings)
    return 0
