"""`acousticsense evaluate`: accuracy, calibration and confusion on labelled audio."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from acousticsense.cli.options import add_model_options, add_spectrogram_option, classifier_of, settings_of
from acousticsense.errors import AudioError, RequestError, printable
from acousticsense.files import atomic_write

if TYPE_CHECKING:
    from acousticsense.analysis.predictor import EnsemblePredictor
    from acousticsense.evaluation.results import Evaluation
    from acousticsense.models.spec import EnsembleSpec


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("evaluate", help="accuracy, calibration and confusion on labelled audio")
    parser.add_argument("data", type=Path, metavar="CSV_OR_DIR", help="columns path,genre; or a folder per genre")
    add_model_options(parser)
    add_spectrogram_option(parser)
    parser.add_argument("--models", help='evaluate what these say together: names with commas between, or "all"')
    parser.add_argument(
        "--calibrate", action="store_true", help="with --models: write models/ensemble.json from these clips instead"
    )
    parser.add_argument(
        "--record", action="store_true", help="with --models: write what was measured into models/ensemble.json, too"
    )
    parser.add_argument("--out", type=Path, help="folder for the report, the plots and the misclassified list")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.evaluation.dataset import distinct, read_items
    from acousticsense.evaluation.evaluate import evaluate
    from acousticsense.evaluation.report import report_markdown, write_report

    for option in ("record", "calibrate"):
        if getattr(options, option) and not options.models:
            raise RequestError(f"--{option} is for several models together.", hint="Name them with --models.")
    if options.models and options.model:
        raise RequestError(
            f"--models asks for several models together, and --model names one ({options.model}).",
            hint="Leave one of the two out.",
        )
    found = distinct(read_items(options.data))
    items = list(found.clips.values())
    left_out = {**found.unreadable, **found.repeated}
    if options.calibrate:
        for path, reason in left_out.items():
            print(f"left out: {printable(path)}: {printable(reason)}", file=sys.stderr)
        return _calibrate(_predictor(options), [(item.path, item.genre) for item in items], options)
    if options.out:
        _make_folder(options.out)
    predicts = _predictor(options) if options.models else classifier_of(options)
    if options.record:
        _refuse_other_models(cast("EnsemblePredictor", predicts), [item.path for item in items], options)
    result = evaluate(predicts, items, left_out)
    if options.record:
        _record(result, options)
    if options.out:
        write_report(result, options.out)
    print(json.dumps(result.to_dict(), ensure_ascii=False) if options.json else report_markdown(result))
    return 1 if len(result.unreadable) > len(found.repeated) else 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"'{folder}' cannot be made ({error.strerror}).", hint="Choose another place.") from error


def _predictor(options: argparse.Namespace) -> EnsemblePredictor:
    from acousticsense.analysis.ensemble import Ensemble
    from acousticsense.analysis.predictor import EnsemblePredictor

    settings = settings_of(options)
    models = "" if options.models in (None, "all") else options.models
    return EnsemblePredictor(
        ensemble=Ensemble.load(device=settings.device, settings=settings),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        spectrogram=options.spectrogram or "both",
    )


def _calibrate(predictor: EnsemblePredictor, clips: Sequence[tuple[Path, str]], options: argparse.Namespace) -> int:
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE

    spec = predictor.calibrate(clips, measured_on=f"{len(clips)} clips of {options.data.name}")
    path = settings_of(options).models / ENSEMBLE_FILE
    _write(path, spec)
    print(f"{path}: {len(spec.members)} members, temperature {spec.calibration.temperature}")
    return 0


def _refuse_other_models(predictor: EnsemblePredictor, clips: Sequence[Path], options: argparse.Namespace) -> None:
    """Raises before the work where its figures could not be recorded; the first clip that can be analysed tells."""
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE
    from acousticsense.models.spec import EnsembleSpec

    path = settings_of(options).models / ENSEMBLE_FILE
    EnsembleSpec.read(path)
    for clip in clips:
        with suppress(AudioError):
            if not predictor.is_calibrated(clip):
                raise RequestError(f"{path} was calibrated for other models or images.", hint="Calibrate these first.")
            return


def _record(result: Evaluation, options: argparse.Namespace) -> None:
    """Keeps in the description of an ensemble how it did on music that calibrated nothing."""
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE
    from acousticsense.evaluation.calibration import with_counts
    from acousticsense.models.spec import EnsembleSpec

    path = settings_of(options).models / ENSEMBLE_FILE
    spec = EnsembleSpec.read(path)
    calibration = with_counts(spec.calibration, result.level_counts)
    spec = replace(spec, calibration=calibration, metrics={**spec.metrics, "real_test": result.metrics()})
    _write(path, spec)


def _write(path: Path, spec: EnsembleSpec) -> None:
    try:
        with atomic_write(path) as file:
            file.write(spec.to_json().encode())
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror}).", hint="It is as it was.") from error
