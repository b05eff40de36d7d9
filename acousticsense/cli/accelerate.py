"""`acousticsense accelerate`: the fastest way to compute a model here that answers the same."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from acousticsense.cli.options import classifier_of, positive, settings_of
from acousticsense.errors import RequestError


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser(
        "accelerate", help="find the fastest way to compute a model here that answers the same"
    )
    parser.add_argument("--model", help="name in models/, folder, file, or hf:/ms: id")
    parser.add_argument("--folder", type=Path, help="music to calibrate and compare on (versions of the examples)")
    parser.add_argument("--windows", type=positive, help="windows to compare on (500 of a folder, 200 of the examples)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run, device="cpu", spectrogram=None)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.inference.acceleration import accelerate
    from acousticsense.inference.accelerator import lower_priority
    from acousticsense.inference.backends.selection import check_installed, network_store
    from acousticsense.inference.backends.store import NetworkStore
    from acousticsense.inference.equivalence_data import example_data, folder_data

    settings = settings_of(options)
    if settings.backend == "pytorch":
        raise RequestError("The backend is set to pytorch.", hint="Unset ACOUSTICSENSE_BACKEND.")
    check_installed("openvino")
    if options.background:
        lower_priority()
    classifier = classifier_of(options)
    if options.folder:
        data = folder_data(classifier.spec, options.folder, n_comparison=options.windows or 500)
    else:
        data = example_data(classifier.spec, n_comparison=options.windows or 200)
    store = NetworkStore(options.store) if options.store else network_store(settings)
    with redirect_stdout(sys.stderr):  # NNCF draws its progress
        outcome = accelerate(classifier, store, data, wanted=settings.backend, again=not options.background)
    if outcome:
        print(json.dumps(outcome.to_dict(), ensure_ascii=False) if options.json else outcome.to_table())
    return 0
