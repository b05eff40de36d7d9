"""`acousticsense finetune`: a model of one's own genres."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from acousticsense.cli.options import positive
from acousticsense.errors import AcousticSenseError, printable
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("finetune", help="a model of one's own genres, from a folder per genre")
    parser.add_argument("data", type=Path, metavar="DIR_OR_CSV", help="a folder per genre; or columns path,genre")
    parser.add_argument("--out", type=Path, required=True, metavar="models/NAME", help="folder of the new model")
    parser.add_argument("--base", help="model to start from: name, folder, file or hub id (the default model)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--spectrogram", choices=get_args(SpectrogramKind), help="which image (the base's main one)")
    parser.add_argument("--unfreeze", type=int, default=0, metavar="N", help="also train the last N blocks (0); slow")
    parser.add_argument("--epochs", type=positive, default=3, help="passes over the images with --unfreeze (3)")
    parser.add_argument("--folds", type=int, default=5, help="parts of which each is held out once (5)")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice (0)")
    parser.add_argument("--force", action="store_true", help="replace a model of that name")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.evaluation.report import report_markdown
    from acousticsense.finetune import Options, finetune

    if options.background:
        return _run_for_server(options)
    settings = Settings()
    settings = settings.replace(device=options.device) if options.device else settings
    chosen = Options(
        kind=options.spectrogram,
        n_folds=options.folds,
        unfreeze=options.unfreeze,
        epochs=options.epochs,
        seed=options.seed,
        overwrite=options.force,
        command=options.command_line,
    )
    try:
        result = finetune(options.data, options.out, base=options.base, options=chosen, settings=settings)
    except KeyboardInterrupt:
        print("Stopped. Give the same command again to go on; nothing was written.", file=sys.stderr)
        raise
    facts = {"model": str(options.out), "unmet_criteria": result.unmet_criteria, **result.evaluation.to_dict()}
    if options.json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(report_markdown(result.evaluation), *result.unmet_criteria, *_left_out(result.skipped), sep="\n\n")
        print(f"\n{options.out} is ready. Try: acousticsense predict --model {options.out} SONG.mp3")
    return 0


def _run_for_server(options: argparse.Namespace) -> int:
    """At the low priority, with a JSON object a line on the standard output: stages, at last a model or an error."""
    from acousticsense.finetune import Options, finetune
    from acousticsense.inference.accelerator import lower_priority
    from acousticsense.inference.payload import error_payload

    lower_priority()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # which removes what is half done
    chosen = Options(kind=options.spectrogram, command=f"acousticsense finetune corrections.csv --out {options.out}")

    def tell(stage: str, done: int, total: int) -> None:
        print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)

    try:
        result = finetune(options.data, options.out, base=options.base, options=chosen, report=tell)
    except AcousticSenseError as error:
        print(json.dumps(error_payload(error)))
        return 1
    figures = result.evaluation.to_dict()
    print(json.dumps({"model": options.out.name, **{name: figures[name] for name in ("n", "accuracy")}}))
    return 0


def _left_out(skipped: Mapping[str, str]) -> list[str]:
    return ["\n".join(f"left out: {printable(path)}: {reason}" for path, reason in skipped.items())] if skipped else []
