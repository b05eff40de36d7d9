"""`acousticsense import-checkpoint`: a folder in models/ out of anybody's checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from acousticsense.errors import RequestError
from acousticsense.models.genres import LABEL_SETS
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("import-checkpoint", help="make a folder in models/ out of anybody's checkpoint")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--architecture", required=True, help="a timm or torchvision name")
    parser.add_argument("--spectrogram", choices=get_args(SpectrogramKind), default="mel")
    parser.add_argument(
        "--labels",
        required=True,
        help=f"{' or '.join(LABEL_SETS)}, a file with one label a line, or labels with commas between",
    )
    parser.add_argument("--name", required=True, help="folder under models/")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.models.catalog import Catalog
    from acousticsense.models.importer import import_checkpoint

    report = import_checkpoint(
        options.file,
        architecture=options.architecture,
        spectrogram=options.spectrogram,
        labels=_labels(options.labels),
        name=options.name,
        catalog=Catalog(Settings().models),
    )
    print(
        f"{options.name}: {len(report.matched)} tensors matched, {len(report.converted)} converted, "
        f"{len(report.unused)} unused"
    )
    for note in report.notes:
        print(f"  {note}")
    for key in report.unused:
        print(f"  unused: {key}")
    return 0


def _labels(text: str) -> tuple[str, ...]:
    if text in LABEL_SETS:
        return LABEL_SETS[text]
    try:
        is_file = "," not in text and Path(text).is_file()
        parts = Path(text).read_text(encoding="utf-8").splitlines() if is_file else text.split(",")
    except (OSError, ValueError) as error:
        raise RequestError(
            f"The labels cannot be read: {error}.", hint="Give a UTF-8 file, one label a line."
        ) from error
    return tuple(part.strip() for part in parts if part.strip())
