"""From a trained network to a folder for `models/`: packed in 8 bits, calibrated on validation music, described."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.evaluation.calibration import Answers, CalibrationFit, fit_calibration
from acousticsense.files import sha256_of
from acousticsense.models.checkpoint import load_network
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Alternative, Calibration, ModelSpec
from acousticsense.models.weights import write_state_dict
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.training.clips import N_OUTPUTS, NOT_MUSIC_INDEX, Clip
from acousticsense.training.front_ends import CQT, MEL
from acousticsense.training.network import trained_network
from acousticsense.training.recipe import Recipe, read_recipe
from acousticsense.training.score import logits_of, score

__all__ = ["calibrate", "earlier_looks", "export", "not_music_figures"]

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
    spec = ModelSpec(
        name=name,
        architecture=recipe.architecture,
        model_args=recipe.model_args,
        labels=GENRES,
        has_not_music=True,
        front_end=MEL,
        alternatives=(Alternative(front_end=CQT),),
        weights_sha256=sha256_of(folder / _WEIGHTS),
        licence=_LICENCE,
        provenance=_provenance(recipe),
        metrics={
            "training": _last(runs / name),
            "packing": {"n": len(validation), "top1_agreement": round(agreement, 4)},
            **earlier_looks(folder),
        },
    )
    spec = calibrate(spec, packed, validation)
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    logger.info("%s: %s", folder, spec.metrics)
    return spec


def earlier_looks(folder: Path) -> dict[str, int]:
    """How often the test music was looked at with earlier weights of a model, as a figure that new ones keep."""
    path = folder / "model.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"] if path.exists() else {}
    return {"test_looks": metrics["test_looks"]} if "test_looks" in metrics else {}


def calibrate(spec: ModelSpec, network: nn.Module, validation: Sequence[Clip]) -> ModelSpec:
    """The description with temperature, thresholds and validation figures for both images."""
    by_mel, by_cqt = (_calibrated(network, validation, front_end) for front_end in (MEL, CQT))
    alternative = replace(spec.alternatives[0], calibration=by_cqt[0], metrics=by_cqt[1])
    return replace(spec, calibration=by_mel[0], metrics={**spec.metrics, **by_mel[1]}, alternatives=(alternative,))


def _calibrated(
    network: nn.Module, validation: Sequence[Clip], front_end: FrontEnd
) -> tuple[Calibration, dict[str, Any]]:
    """Calibration and validation figures for one kind of image, of the first window of each clip."""
    kind = front_end.kind
    measured = [clip for clip in validation if clip.recording.is_measurable or clip.label == NOT_MUSIC_INDEX]
    logits = logits_of(network, measured, kind)
    labels = np.array([-1 if clip.label == NOT_MUSIC_INDEX else clip.label for clip in measured])
    genres = len(set(labels.tolist()) - {-1})
    measured_on = f"{(labels >= 0).sum()} validation recordings of {genres} genres"
    fit: CalibrationFit = fit_calibration(
        Answers(logits=logits, labels=labels, n_labels=NOT_MUSIC_INDEX), measured_on=measured_on
    )
    metrics = {
        "real_validation": score(network, validation, kind),
        "not_music_validation": not_music_figures(logits, labels, fit.calibration.not_music_at),
        "validation_bands": fit.calibration.level_accuracy,
        "validation_shortfalls": list(fit.unmet_criteria),
    }
    # The thresholds were chosen by these very answers: users are told what other music shows, or nothing.
    return replace(fit.calibration, level_accuracy={}, level_counts={}), metrics


def not_music_figures(
    logits: NDArray[np.float32], labels: NDArray[np.int64], threshold: float | None
) -> dict[str, float]:
    """How much that is not music is caught, and how much music is refused."""
    scores = torch.from_numpy(logits).softmax(1)[:, NOT_MUSIC_INDEX].numpy()
    if threshold is None or (labels >= 0).all():
        return {}
    caught, refused = scores[labels < 0] >= threshold, scores[labels >= 0] >= threshold
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
