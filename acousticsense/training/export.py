"""From a trained network to a folder for `models/`: packed in 8 bits, calibrated on validation music, described."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from torch import nn

from acousticsense.evaluation.calibration import Answers, fit_calibration
from acousticsense.files import sha256_of
from acousticsense.models.checkpoint import load_network
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Alternative, Calibration, ModelSpec
from acousticsense.models.weights import write_state_dict
from acousticsense.training.clips import N_OUTPUTS, Clip
from acousticsense.training.images import CQT, MEL
from acousticsense.training.network import trained_network
from acousticsense.training.recipe import Recipe, read_recipe
from acousticsense.training.score import answers_of, figures, logits_of

logger = logging.getLogger(__name__)

_WEIGHTS: Final = "model.safetensors"

#: Parts of the names of tensors that 8 bits would spoil and that are small: positions, of very different size; filters
#: over single channels, which have few weights to average errors out; gates, which scale whole channels; and the narrow
#: first stages of MobileNetV3 and EfficientNet, which all others build on.
_DELICATE: Final = (
    *("pos_embed", "cls_token", ".conv_dw.", ".se.", "conv_stem."),
    *("blocks.0.0.conv", "blocks.1.0.conv", "blocks.1.1.conv"),
)

#: Packing must leave the best label of this share of clips alone.
_LEAST_AGREEMENT: Final = 0.9

_LICENCE: Final = "CC-BY-NC-SA-4.0"


def export(name: str, runs: Path, out: Path, validation: Sequence[Clip]) -> ModelSpec:
    """Writes `model.safetensors` and `model.json` into the folder `out/name`.

    Args:
        name: of the recipe, and of the model.
        runs: folder of all runs.
        out: folder of models.
        validation: prepared clips of the validation split, and sounds that are no music.

    Raises:
        FileNotFoundError: it has not been trained.
        RuntimeError: the packed network is not the one that was trained.
    """
    recipe, folder = read_recipe(name), out / name
    folder.mkdir(parents=True, exist_ok=True)
    network = trained_network(name, runs)
    tensors = network.state_dict()
    robust = {key for key in tensors if not any(part in key for part in _DELICATE)}
    write_state_dict(tensors, folder / _WEIGHTS, eight_bit=robust)
    packed, _ = load_network(
        folder / _WEIGHTS, architecture=recipe.architecture, model_args=recipe.model_args, n_outputs=N_OUTPUTS
    )
    agreement = _agreement(network, packed, validation)
    if agreement < _LEAST_AGREEMENT:
        raise RuntimeError(
            f"The packed network names the trained one's label for {agreement:.0%} of the clips only: look at which "
            "tensors 8 bits spoil."
        )
    (by_mel, on_mel), (by_cqt, on_cqt) = (calibrated(answers_of(packed, validation, kind)) for kind in ("mel", "cqt"))
    spec = ModelSpec(
        name=name,
        architecture=recipe.architecture,
        model_args=recipe.model_args,
        labels=GENRES,
        has_not_music=True,
        front_end=MEL,
        alternatives=(Alternative(front_end=CQT, calibration=by_cqt, metrics=on_cqt),),
        calibration=by_mel,
        weights_sha256=sha256_of(folder / _WEIGHTS),
        licence=_LICENCE,
        provenance=_provenance(recipe),
        metrics={
            "training": _last(runs / name),
            "packing": {"n": len(validation), "top1_agreement": round(agreement, 4)},
            **earlier_looks(folder),
            **on_mel,
        },
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    logger.info("%s: %s", folder, spec.metrics)
    return spec


def earlier_looks(folder: Path) -> dict[str, int]:
    """How often the test music was looked at with earlier weights of a model, as a figure that new ones keep."""
    path = folder / "model.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"] if path.exists() else {}
    return {"test_looks": metrics["test_looks"]} if "test_looks" in metrics else {}


def calibrated(validation: Answers, folds: Sequence[Answers] = ()) -> tuple[Calibration, dict[str, Any]]:
    """Temperature and thresholds, and the figures of a description that go with them.

    Args:
        validation: answers to validation clips, of which the figures are.
        folds: answers to training clips of networks that learned nothing from their artists; with these, the
            calibration rests on several times as many.
    """
    logits = np.concatenate([part.logits for part in (validation, *folds)])
    labels = np.concatenate([part.labels for part in (validation, *folds)])
    genres = labels[labels >= 0]
    what, apart = ("recordings", ", artists held out") if folds else ("validation recordings", "")
    fit = fit_calibration(
        replace(validation, logits=logits, labels=labels),
        measured_on=f"{len(genres)} {what} of {len(set(genres))} genres{apart}",
    )
    right = figures(validation.logits, validation.labels)
    metrics = {
        "real_validation": {name: round(value, 4) for name, value in right.items()},
        "not_music_validation": _not_music_figures(validation, fit.calibration.not_music_at),
        "validation_bands": fit.calibration.level_accuracy,
        "validation_shortfalls": list(fit.unmet_criteria),
    }
    # The thresholds were chosen by these very answers: users are told what other music shows, or nothing.
    return replace(fit.calibration, level_accuracy={}, level_counts={}), metrics


def _not_music_figures(answers: Answers, threshold: float | None) -> dict[str, float]:
    """How much that is not music is caught, and how much music is refused."""
    scores, is_music = answers.not_music(), answers.labels >= 0
    if scores is None or threshold is None or is_music.all():
        return {}
    caught, refused = scores[~is_music] >= threshold, scores[is_music] >= threshold
    return {"sounds": len(caught), "caught": float(caught.mean()), "music_refused": float(refused.mean())}


def _agreement(exact: nn.Module, packed: nn.Module, clips: Sequence[Clip]) -> float:
    before, after = (logits_of(network, clips).argmax(1) for network in (exact, packed))
    return float((before == after).mean())


def _last(run: Path) -> dict[str, Any]:
    """The last line of a run's history."""
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return cast(dict[str, Any], json.loads(lines[-1]))


def _provenance(recipe: Recipe) -> str:
    """What was trained on what, in words."""
    begins = {
        "": "Trained from nothing",
        "mimetic": "Trained from nothing (mimetic initialisation)",
    }.get(recipe.begins_as, f"Grown from {recipe.begins_as} without a change of its function, then trained on")
    networks = "".join(f" and of {name} to each image" for name in recipe.taught_by)
    return (
        f"{begins}, all weights by gradient descent, on recordings with labels and without, taught by the answers of "
        f"efficientat_mn04 to the sound of each image{networks}, and by soft labels from mn04, YAMNet and musicnn "
        f"(seed {recipe.seed}). The same weights were trained on mel and on cqt images."
    )
