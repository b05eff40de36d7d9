"""From labelled files to a model's folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acousticsense.errors import printable
from acousticsense.evaluation.calibration import CalibrationFit, with_counts
from acousticsense.evaluation.dataset import read_items
from acousticsense.evaluation.report import write_report
from acousticsense.evaluation.results import KEPT, Evaluation
from acousticsense.finetune.card import card
from acousticsense.finetune.options import Options
from acousticsense.finetune.progress import Report, silent
from acousticsense.finetune.tracks import gather
from acousticsense.finetune.trainer import Trainer
from acousticsense.models.catalog import Catalog, resolve
from acousticsense.models.importer import check_new, install
from acousticsense.models.load import load_resolved
from acousticsense.models.spec import ModelSpec
from acousticsense.models.weights import eight_bit_names
from acousticsense.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finetuned:
    """What came of it.

    Attributes:
        evaluation: of out-of-fold answers.
        unmet_criteria: why a confidence level is never said, in words.
        skipped: files that were left out, with the reason.
    """

    spec: ModelSpec
    evaluation: Evaluation
    unmet_criteria: tuple[str, ...]
    skipped: Mapping[str, str]


def finetune(
    source: Path,
    out: Path,
    *,
    base: str | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
    report: Report = silent,
) -> Finetuned:
    """Trains a model on labelled files and writes its folder, which appears whole or not at all.

    What the base network makes of each file is kept below the cache folder: a run that was stopped, or one with more
    files, only decodes what is new.

    Args:
        source: a folder with a folder per genre, or a CSV with the columns path,genre and perhaps group.
        out: the folder to make, e.g. models/mine; its name becomes the model's.
        base: model to start from, see `catalog.resolve`; None is the default model.
        settings: folders, device and limits; from the environment when None.

    Raises:
        RequestError: the folder exists or cannot be a model's name, or an option is out of range.
        SettingsError: too few usable files or genres.
        CheckpointError: the base cannot be used, or the folder cannot be written.
        UnknownModelError: there is no such base.
    """
    options, settings = options or Options(), settings or Settings()
    catalog = Catalog(out.resolve().parent)
    check_new(catalog, out.resolve().name, (), overwrite=options.overwrite)
    material = gather(read_items(source))
    found = resolve(base or settings.model or None, Catalog(settings.models), cache_dir=settings.cache_dir)
    network, base_spec = load_resolved(found)
    trainer = Trainer(network, base_spec, material, options, settings, report=report)
    result, fit, compared = _measured(trainer, options)
    spec = _described(trainer, options, out.resolve().name, result, fit)
    report("saving", 0, 1)
    weights = trainer.weights()

    def describe(folder: Path) -> None:
        write_report(result, folder / "evaluation")
        text = card(
            spec,
            result,
            trainer.material,
            base=base_spec,
            command=printable(options.command),
            n_folds=trainer.n_folds,
            single_group=trainer.single_group,
            unmet_criteria=fit.unmet_criteria,
            compared=compared,
        )
        (folder / "README.md").write_text(text, encoding="utf-8")

    kept = eight_bit_names(found.weights) - trainer.trained
    spec = install(catalog, weights, spec, eight_bit=kept, describe=describe)
    trainer.clean_up()
    return Finetuned(spec, result, fit.unmet_criteria, trainer.material.skipped)


def _measured(trainer: Trainer, options: Options) -> tuple[Evaluation, CalibrationFit, str]:
    """Figures and calibration from out-of-fold predictions, and what training the last blocks changed, in words."""
    result, fit = trainer.out_of_fold(blocks=False).measured()
    if not options.unfreeze:
        return result, fit, ""
    before = result
    result, fit = trainer.out_of_fold(blocks=True).measured()
    compared = _comparison(before, result, options.unfreeze)
    logger.info("%s", compared)
    return result, fit, compared


def _described(trainer: Trainer, options: Options, name: str, result: Evaluation, fit: CalibrationFit) -> ModelSpec:
    base, material = trainer.base, trainer.material
    how = f"; its last {options.unfreeze} blocks were trained too" if options.unfreeze else ""
    return ModelSpec(
        name=name,
        architecture=base.architecture,
        model_args=base.model_args,
        labels=material.labels,
        has_not_music=material.has_not_music,
        head=base.head,
        front_end=base.front_end,
        windows=trainer.windows,
        calibration=with_counts(fit.calibration, result.level_counts),
        licence=f"not stated; derived from {base.name} ({base.licence or 'no licence stated'})",
        provenance=(
            f"{base.name} (weights {base.weights_sha256[:12]}) with a new classifier, fitted to "
            f"{len(material.tracks)} labelled tracks{how}. Seed {options.seed}."
        ),
        metrics={"real_test": _figures(result, trainer.n_folds)},
    )


def _figures(result: Evaluation, n_folds: int) -> dict[str, Any]:
    figures = {name: getattr(result, name) for name in (*KEPT, "recall")}
    return {**figures, "how": f"each track held out once, in {n_folds} parts"}


def _comparison(before: Evaluation, after: Evaluation, n_blocks: int) -> str:
    advice = "" if after.accuracy >= before.accuracy else " Training the blocks did not help; consider leaving it out."
    return (
        f"With a new classifier alone, {before.accuracy:.1%} of the same tracks were right; with the last {n_blocks} "
        f"blocks trained too, {after.accuracy:.1%}.{advice}"
    )
