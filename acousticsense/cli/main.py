"""The command `acousticsense`.

What a command needs is imported when it runs: PyTorch takes seconds, and a wrong option should be told at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from acousticsense import __version__
from acousticsense.analysis.exports import audacity_labels, timeline_csv
from acousticsense.analysis.payload import explanation_payload, timeline_payload
from acousticsense.analysis.results import Heatmap
from acousticsense.cli.tag import add_tag, parse, positive, tag
from acousticsense.errors import AcousticSenseError, RequestError
from acousticsense.i18n.messages import text
from acousticsense.inference.payload import error_payload, prediction_payload
from acousticsense.models.genres import LABEL_SETS
from acousticsense.serving.ports import check_port
from acousticsense.settings import BACKENDS, Settings
from acousticsense.spectrogram.front_end import SpectrogramKind

if TYPE_CHECKING:
    from acousticsense.analysis.ensemble import EnsemblePredictor
    from acousticsense.evaluation.evaluate import Evaluation
    from acousticsense.inference.classifier import Duration, GenreClassifier

__all__ = ["main"]

#: As in `classifier`: the model's own choice of seconds.
_MODEL_DEFAULT: Final = "model"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when all is well, 1 when a file or a model could not be used, 2 when the command itself is wrong.
    """
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="acousticsense", description="Music genres, with the reason why.")
    parser.add_argument("--version", action="version", version=f"acousticsense {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_predict(commands)
    _add_ensemble(commands)
    _add_timeline(commands)
    _add_compare(commands)
    _add_tag(commands)
    _add_explain(commands)
    _add_models(commands)
    _add_import(commands)
    _add_evaluate(commands)
    _add_finetune(commands)
    _add_accelerate(commands)
    return parser


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser("serve", help="the web page and the REST API")
    parser.add_argument("--host", help="address to listen on (0.0.0.0)")
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    _add_model_options(parser)
    parser.set_defaults(run=_serve)


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser("predict", help="predict files")
    parser.add_argument("files", nargs="+", metavar="FILE")
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    _add_excerpt_options(parser)
    parser.add_argument("--top-k", type=positive, default=5, help="genres to show (5)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_predict)


def _add_ensemble(commands: Any) -> None:
    parser = commands.add_parser("ensemble", help="ask several models about one file")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--models", default="", help="names in models/, with commas between (all of them)")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--spectrogram", choices=["mel", "cqt", "both"], default="both", help="which images (both)")
    parser.add_argument("--duration", type=_seconds, default="10", help='seconds to predict, or "all" (10)')
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to skip (0)")
    parser.add_argument("--top-k", type=positive, default=3, help="genres to show for each model (3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write the whole table to a file")
    parser.set_defaults(run=_ensemble)


def _add_timeline(commands: Any) -> None:
    parser = commands.add_parser("timeline", help="genre along a whole track")
    parser.add_argument("file", metavar="FILE")
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    parser.add_argument("--window", type=float, help="seconds in a window, 1 to 60 (the model's own, 10)")
    parser.add_argument("--hop", type=float, help="seconds from one window's start to the next (the window)")
    parser.add_argument("--duration", type=float, help="seconds to predict (to the end)")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to skip (0)")
    parser.add_argument("--json", action="store_true", help="windows and segments as JSON")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a table with a row per window")
    parser.add_argument("--labels", type=Path, metavar="OUT", help="write the segments as a label track for Audacity")
    parser.set_defaults(run=_timeline)


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="two versions of a piece: what moved")
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    _add_excerpt_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, as POST /api/compare answers")
    parser.set_defaults(run=_compare)


def _add_tag(commands: Any) -> None:
    parser = commands.add_parser("tag", help="predict whole libraries, and write genres into the files")
    add_tag(parser)
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    _add_excerpt_options(parser)
    parser.set_defaults(run=lambda options: tag(parse(options, parser), _settings(options)))


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser("explain", help="where the model looked for a genre")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--label", default="", help="the genre to explain (the best one)")
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    _add_excerpt_options(parser)
    parser.add_argument("--png", type=Path, metavar="OUT", help="write the heat map over the spectrogram")
    parser.add_argument("--json", action="store_true", help="print the answer with the heat map's values as JSON")
    parser.set_defaults(run=_explain)


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="what is installed")
    parser.add_argument("action", nargs="?", choices=["list", "verify"], default="list")
    parser.set_defaults(run=_models)


def _add_import(commands: Any) -> None:
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
    parser.set_defaults(run=_import)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="accuracy, calibration and confusion on labelled audio")
    parser.add_argument("data", type=Path, metavar="CSV_OR_DIR", help="columns path,genre; or a folder per genre")
    _add_model_options(parser)
    _add_spectrogram_option(parser)
    parser.add_argument("--models", help='evaluate what these say together: names with commas between, or "all"')
    parser.add_argument(
        "--calibrate", action="store_true", help="with --models: write models/ensemble.json from these clips instead"
    )
    parser.add_argument(
        "--record", action="store_true", help="with --models: write what was measured into models/ensemble.json, too"
    )
    parser.add_argument("--out", type=Path, help="folder for the report, the plots and the misclassified list")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=_evaluate)


def _add_finetune(commands: Any) -> None:
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
    parser.set_defaults(run=_finetune)


def _add_accelerate(commands: Any) -> None:
    parser = commands.add_parser(
        "accelerate", help="find the fastest way to compute a model here that answers the same"
    )
    parser.add_argument("--model", help="name in models/, folder, file, or hf:/ms: id")
    parser.add_argument("--folder", type=Path, help="music to calibrate and compare on (versions of the examples)")
    parser.add_argument("--windows", type=positive, help="windows to compare on (500 of a folder, 200 of the examples)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_accelerate, device="cpu", spectrogram=None)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="name in models/, folder, file, or hf:/ms: id")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--backend", choices=BACKENDS, help="what computes (auto: the fastest that answers the same)")


def _add_spectrogram_option(parser: argparse.ArgumentParser) -> None:
    choices = get_args(SpectrogramKind)
    parser.add_argument("--spectrogram", choices=choices, help="which image, for models that know several")


def _add_excerpt_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--duration", type=_duration, default=_MODEL_DEFAULT, help='seconds to predict, or "all" (10)')
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to skip (0)")


def _duration(text: str) -> Duration:
    # argparse converts defaults too
    return "model" if text == _MODEL_DEFAULT else None if text == "all" else float(text)


def _seconds(text: str) -> float | None:
    return None if text == "all" else float(text)


def _settings(options: argparse.Namespace) -> Settings:
    """The environment's settings, overridden by what the command line says."""
    given = {name: getattr(options, name, None) for name in ("host", "port", "model", "device", "backend")}
    return replace(Settings.from_env(), **{name: value for name, value in given.items() if value is not None})


def _classifier(options: argparse.Namespace) -> GenreClassifier:
    from acousticsense.inference.classifier import GenreClassifier

    settings = _settings(options)
    return GenreClassifier.load(device=settings.device, settings=settings).for_spectrogram(options.spectrogram)


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)
    check_port(settings.host, settings.port)
    from acousticsense.server import serve

    serve(settings)
    return 0


def _predict(options: argparse.Namespace) -> int:
    classifier = _classifier(options)
    failed = 0
    for file in options.files:
        try:
            prediction = classifier.predict(file, duration_s=options.duration, offset_s=options.offset)
        except AcousticSenseError as error:
            failed += 1
            line = json.dumps({"path": file, **error_payload(error)}, ensure_ascii=False) if options.json else ""
            print(line or f"{file}: {error}", file=sys.stdout if options.json else sys.stderr)
            continue
        if options.json:
            print(json.dumps({"path": file, **prediction_payload(prediction, top_k=options.top_k)}, ensure_ascii=False))
        else:
            scores = "  ".join(f"{score.label} {score.confidence:.1%}" for score in prediction.top(options.top_k))
            print(f"{file}: {scores}  [{prediction.verdict}]")
    return 1 if failed else 0


def _ensemble(options: argparse.Namespace) -> int:
    from acousticsense.analysis.ensemble import Ensemble
    from acousticsense.analysis.ensemble_payload import ensemble_csv, ensemble_payload, ensemble_text

    settings = _settings(options)
    _check_outputs(options.csv)
    result = Ensemble.load(device=settings.device, settings=settings).predict(
        options.file,
        models=[name.strip() for name in options.models.split(",") if name.strip()],
        spectrogram=options.spectrogram,
        duration_s=options.duration,
        offset_s=options.offset,
    )
    if options.csv:
        _write(options.csv, ensemble_csv(result))
    if options.json:
        print(json.dumps({"path": options.file, **ensemble_payload(result, top_k=options.top_k)}, ensure_ascii=False))
    else:
        print(ensemble_text(result, top_k=options.top_k))
    return 1 if any(member.error for member in result.members) else 0


def _timeline(options: argparse.Namespace) -> int:
    from acousticsense.analysis.timeline import make_timeline

    _check_outputs(options.csv, options.labels)
    timeline = make_timeline(
        _classifier(options),
        options.file,
        window_s=options.window,
        hop_s=options.hop,
        duration_s=options.duration,
        offset_s=options.offset,
        max_windows=_settings(options).max_timeline_windows,
        progress=_show_progress if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for path, write in ((options.csv, timeline_csv), (options.labels, audacity_labels)):
        if path:
            _write(path, write(timeline))
    if options.json:
        print(json.dumps({"path": options.file, **timeline_payload(timeline)}, ensure_ascii=False))
        return 0
    for segment in timeline.segments:
        verdict = text(f"verdict.{segment.verdict}")
        share = "" if segment.confidence is None else f" {segment.confidence:.1%}"
        named = f"{segment.genre}{share}  [{segment.verdict}]" if segment.genre else f"{verdict}{share}"
        print(f"{segment.start_s:9.1f} {segment.end_s:9.1f}  {named}")
    return 0


def _show_progress(done_s: float, expected_s: float | None) -> None:
    total = f" of {expected_s:.0f}" if expected_s else ""
    print(f"\r{done_s:.0f}{total} s analysed ", end="", file=sys.stderr, flush=True)


def _check_outputs(*places: Path | None) -> None:
    from acousticsense.evaluation.dataset import check_output

    for place in places:
        if place is not None:
            check_output(place)


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"'{path}' cannot be written ({error.strerror}).", hint="Choose another place.") from error


def _compare(options: argparse.Namespace) -> int:
    from acousticsense.analysis.compare import compare, comparison_payload, comparison_sentences

    comparison = compare(
        _classifier(options), options.a, options.b, duration_s=options.duration, offset_s=options.offset
    )
    if options.json:
        print(json.dumps(comparison_payload(comparison), ensure_ascii=False))
        return 0
    before = comparison.a.prediction.probabilities
    after = comparison.b.prediction.probabilities
    for label in sorted(before, key=lambda label: -max(before[label], after[label])):
        print(f"{label:>12} {before[label]:8.1%} {after[label]:8.1%} {100 * (after[label] - before[label]):+7.1f}")
    print("\n".join(comparison_sentences(comparison)))
    return 0


def _explain(options: argparse.Namespace) -> int:
    from acousticsense.analysis.explain import explain
    from acousticsense.analysis.figures import heatmap_drawing

    _check_outputs(options.png)
    classifier = _classifier(options)
    explained = explain(classifier, options.file, options.label, duration_s=options.duration, offset_s=options.offset)
    prediction, heatmap = explained.analysis.prediction, explained.heatmap
    if options.png:
        draw = heatmap_drawing(explained.analysis.images, heatmap, offset_s=prediction.clip.offset_s)
        try:
            options.png.write_bytes(draw())
        except OSError as error:
            raise RequestError(f"{options.png} cannot be written: {error}.", hint="Name another file.") from error
    if options.json:
        print(json.dumps({"path": options.file, **explanation_payload(prediction, heatmap)}, ensure_ascii=False))
    else:
        print(f"{options.file}: {heatmap.label} {heatmap.probability:.1%}; {_place(heatmap, prediction.clip.offset_s)}")
    return 0


def _place(heatmap: Heatmap, offset_s: float) -> str:
    if heatmap.hottest is None:
        return "nothing in the image speaks for it"
    place = heatmap.hottest
    return f"the model looked most at {offset_s + place.time_s:.1f} s, around {place.frequency_hz:.0f} Hz"


def _models(options: argparse.Namespace) -> int:
    from acousticsense.models.catalog import Catalog

    catalog = Catalog(Settings.from_env().models)
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


def _import(options: argparse.Namespace) -> int:
    from acousticsense.models.catalog import Catalog, import_checkpoint

    report = import_checkpoint(
        options.file,
        architecture=options.architecture,
        spectrogram=options.spectrogram,
        labels=_labels(options.labels),
        name=options.name,
        catalog=Catalog(Settings.from_env().models),
    )
    print(
        f"{options.name}: {len(report.matched)} tensors matched, {len(report.converted)} converted, "
        f"{len(report.unused)} unused"
    )
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


def _evaluate(options: argparse.Namespace) -> int:
    from acousticsense.evaluation.dataset import read_items
    from acousticsense.evaluation.evaluate import evaluate, write_report

    items = read_items(options.data)
    if options.record and not options.models:
        raise RequestError("--record is for several models together.", hint="Name them with --models.")
    if options.calibrate:
        return _calibrate(_panel(options), [(item.path, item.genre) for item in items], options)
    if options.out:
        _make_folder(options.out)
    predicts = _panel(options) if options.models else _classifier(options)
    result = evaluate(predicts, items, kind=options.spectrogram)
    if options.record:
        _record(result, cast("EnsemblePredictor", predicts), options)
    if options.out:
        write_report(result, options.out)
    print(json.dumps(result.to_dict(), ensure_ascii=False) if options.json else result.to_markdown())
    return 1 if result.unreadable else 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"'{folder}' cannot be made ({error.strerror}).", hint="Choose another place.") from error


def _finetune(options: argparse.Namespace) -> int:
    from acousticsense.finetune.run import Options, finetune

    settings = Settings.from_env()
    settings = replace(settings, device=options.device) if options.device else settings
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
    facts = {"model": str(options.out), "shortfalls": result.shortfalls, **result.evaluation.to_dict()}
    if options.json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(result.evaluation.to_markdown(), *result.shortfalls, *_left_out(result.skipped), sep="\n\n")
        print(f"\n{options.out} is ready. Try: acousticsense predict --model {options.out} SONG.mp3")
    return 0


def _left_out(skipped: Mapping[str, str]) -> list[str]:
    return ["\n".join(f"left out: {path}: {reason}" for path, reason in skipped.items())] if skipped else []


def _panel(options: argparse.Namespace) -> EnsemblePredictor:
    from acousticsense.analysis.ensemble import Ensemble, EnsemblePredictor

    settings = _settings(options)
    models = "" if options.models in (None, "all") else options.models
    return EnsemblePredictor(
        ensemble=Ensemble.load(device=settings.device, settings=settings),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        spectrogram=options.spectrogram or "both",
    )


def _calibrate(panel: EnsemblePredictor, clips: Sequence[tuple[Path, str]], options: argparse.Namespace) -> int:
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE

    spec = panel.calibrate(clips, measured_on=f"{len(clips)} clips of {options.data.name}")
    path = _settings(options).models / ENSEMBLE_FILE
    path.write_text(spec.to_json(), encoding="utf-8")
    print(f"{path}: {len(spec.members)} members, temperature {spec.calibration.temperature}")
    return 0


def _record(result: Evaluation, panel: EnsemblePredictor, options: argparse.Namespace) -> None:
    """Keeps in the description of an ensemble how it did on music that calibrated nothing."""
    from acousticsense.analysis.ensemble import ENSEMBLE_FILE
    from acousticsense.models.spec import EnsembleSpec

    path = _settings(options).models / ENSEMBLE_FILE
    spec = EnsembleSpec.read(path)
    if not panel.is_calibrated(result.clips[0].path):
        raise RequestError(f"{path} was calibrated for other models or images.", hint="Calibrate these first.")
    calibration = replace(spec.calibration, band_accuracy=result.band_accuracy)
    spec = replace(spec, calibration=calibration, metrics={**spec.metrics, "real_test": result.metrics()})
    path.write_text(spec.to_json(), encoding="utf-8")


def _accelerate(options: argparse.Namespace) -> int:
    from acousticsense.inference.acceleration import accelerate, become_unimportant
    from acousticsense.inference.backends.selection import check_installed, network_store
    from acousticsense.inference.backends.store import NetworkStore
    from acousticsense.inference.equivalence_data import examples_music, folder_music

    settings = _settings(options)
    if settings.backend == "pytorch":
        raise RequestError("The backend is set to pytorch.", hint="Unset ACOUSTICSENSE_BACKEND.")
    check_installed("openvino")
    if options.background:
        become_unimportant()
    classifier = _classifier(options)
    if options.folder:
        music = folder_music(classifier.spec, options.folder, n_gate=options.windows or 500)
    else:
        music = examples_music(classifier.spec, n_gate=options.windows or 200)
    store = NetworkStore(options.store) if options.store else network_store(settings)
    with redirect_stdout(sys.stderr):  # NNCF draws its progress
        outcome = accelerate(classifier, store, music, wanted=settings.backend, again=not options.background)
    if outcome:
        print(json.dumps(outcome.to_dict(), ensure_ascii=False) if options.json else outcome.to_table())
    return 0
