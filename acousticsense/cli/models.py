"""`acousticsense models`: what is installed, and whether its hashes are right."""

from __future__ import annotations

import argparse
from typing import Any

from acousticsense.errors import UnknownModelError
from acousticsense.settings import Settings


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("models", help="what is installed")
    parser.add_argument("action", nargs="?", choices=["list", "verify"], default="list")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.models.catalog import Catalog

    catalog = Catalog(Settings().models)
    if not catalog.names():
        raise UnknownModelError(
            f"{catalog.root} holds no model.",
            hint="Copy the project's folder models/ there, or set ACOUSTICSENSE_MODELS.",
        )
    if options.action == "verify":
        results = catalog.verify()
        for result in results:
            print(f"{result.name}: {'ok' if result.error is None else result.error}")
        return 1 if any(result.error is not None for result in results) else 0
    for entry in catalog.list():
        if entry.spec is None:
            print(f"{entry.name}: cannot be used: {entry.error}")
        else:
            spec = entry.spec
            kinds = " or ".join(spec.kinds)
            print(f"{entry.name}: {spec.architecture}, {kinds}, {len(spec.labels)} labels, {spec.licence}")
    return 0
