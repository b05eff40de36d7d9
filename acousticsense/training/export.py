"""From a trained student to a folder for `models/`: grown, packed in 8 bits, calibrated, described."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.models.checkpoint import load_network, sha256_of, write_state_dict
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Alternative, Calibration, ModelSpec
from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, FrontEnd
from acousticsense.training.bank import N_OUTPUTS, NOT_MUSIC_INDEX, Item, load_items
from acousticsense.training.calibrate import calibrate
from acousticsense.training.recipe import Recipe, StudentRecipe
from acousticsense.training.store import TrackStore
from acousticsense.training.students.making import make_student
from acousticsense.training.train import averaged_weights, run_summary
from acousticsense.training.validate import Heard, hear, measured_items, score

__all__ = ["PackingLoss", "calibrated_anew", "export", "packing_loss"]

logger = logging.getLogger(__name__)

_WEIGHTS: Final = "model.safetensors"

#: Parts of the names of tensors that 8 bits would spoil and that are small: positions, of very different size; filters
#: over single channels, which have few weights to average errors out; gates, which scale whole channels; and the narrow
#: first stages of MobileNetV3 and EfficientNet, which all others build on.
_DELICATE: Final = (
    *("pos_embed", "cls_token", ".conv_dw.", ".se.", "conv_stem."),
    *("blocks.0.0.", "blocks.1.0.", "blocks.1.1."),
)

#: Growing and packing must leave the best label of this share of windows alone; asked of so many windows or more.
_LEAST_AGREEMENT: Final = 0.9
_FEWEST_COMPARED: Final = 30


@dataclass(frozen=True)
class PackingLoss:
    """What growing and 8-bit weights change on n windows: in probabilities, and how often the best label stays."""

    n: int
    max_change: float
    mean_change: float
    top1_agreement: float


def packing_loss(exact: NDArray[np.float32], packed: NDArray[np.float32]) -> PackingLoss:
    """Compares logits (n, 17) before and after packing."""
    before, after = (_softmax(logits[:, :NOT_MUSIC_INDEX]) for logits in (exact, packed))
    change = np.abs(before - after)
    agreement = float((before.argmax(1) == after.argmax(1)).mean())
    return PackingLoss(len(exact), float(change.max()), float(change.mean()), agreement)


def _checked(loss: PackingLoss) -> PackingLoss:
    """The loss, if it is one that users may be given.

    Raises:
        RuntimeError: the network that users would get is not the one that was trained.
    """
    if loss.n >= _FEWEST_COMPARED and loss.top1_agreement < _LEAST_AGREEMENT:
        raise RuntimeError(
            f"The packed network names the trained one's label for {loss.top1_agreement:.0%} of {loss.n} windows only: "
            "look at how it was grown, and at which tensors 8 bits spoil."
        )
    return loss


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return cast(NDArray[np.float64], torch.from_numpy(logits).double().softmax(1).numpy())


def export(
    run: Path,
    store: TrackStore,
    recipe: Recipe,
    folder: Path,
    *,
    licence: str,
    teachers: Path | None = None,
    average_with: Sequence[Path] = (),
) -> ModelSpec:
    """Writes `model.safetensors` and `model.json` into a folder named after a model of the recipe.

    Args:
        run: folder of the model's training run.
        store: the corpus, for validation music and sounds that are not music.
        recipe: of the run.
        folder: the model's folder; its name is the model's.
        licence: of the weights.
        teachers: folder with the teachers' weights, for students that begin as one of them.
        average_with: folders of other runs of this network; the mean of all runs' weights is exported.

    Raises:
        FileNotFoundError: a run keeps no weights.
        ValueError: `average_with` is of other networks.
        RuntimeError: the packed network is not the one that was trained.
    """
    student_recipe = recipe.students[folder.name]
    folder.mkdir(parents=True, exist_ok=True)
    student = cast(nn.Module, make_student(student_recipe, teachers=teachers))
    student.load_state_dict(averaged_weights((run, *average_with)))
    student.eval()
    grown = cast(Any, student).grown().eval()
    tensors = grown.state_dict()
    robust = {name for name in tensors if not any(part in name for part in _DELICATE)}
    write_state_dict(tensors, folder / _WEIGHTS, eight_bit=robust)
    packed, _ = load_network(
        folder / _WEIGHTS, architecture=student_recipe.architecture, n_outputs=N_OUTPUTS, head=student_recipe.head
    )
    validation = load_items(store, "val")
    of_mel = _described(folder.name, student, packed, validation, NATIVE_MEL)
    alternatives: tuple[Alternative, ...] = ()
    if student_recipe.cqt:
        of_cqt = _described(folder.name, student, packed, validation, NATIVE_CQT)
        alternatives = (Alternative(front_end=NATIVE_CQT, calibration=of_cqt[0], metrics=of_cqt[1]),)
    training = run_summary(run)
    if others := [run_summary(other) for other in average_with]:
        training["averaged_steps"] = [other["kept_step"] + other.get("steps_before", 0) for other in others]
        training["heard_generated"] = any(summary["heard_generated"] for summary in (training, *others))
    spec = ModelSpec(
        name=folder.name,
        architecture=student_recipe.architecture,
        labels=GENRES,
        has_not_music=True,
        head=student_recipe.head,
        alternatives=alternatives,
        calibration=of_mel[0],
        weights_sha256=sha256_of(folder / _WEIGHTS),
        licence=licence,
        provenance=_provenance(student_recipe, recipe.seed, heard_generated=training["heard_generated"]),
        metrics={**of_mel[1], "training": training},
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    logger.info("%s: %s", folder, spec.metrics)
    return spec


def calibrated_anew(folder: Path, store: TrackStore) -> ModelSpec:
    """Measures temperature and verdict bands of an exported model again, and writes them into its `model.json`.

    For when the rules of `fit_calibration` or the labels of validation music have changed. How often each verdict was
    right on test music is forgotten by this: `report` measures it again, and the ensemble's figures need theirs.

    Args:
        folder: of the model.
        store: the corpus; only its validation tracks are looked at.

    Raises:
        CheckpointError: there is no model, or its weights do not fit.
    """
    spec = ModelSpec.read(folder / "model.json")
    packed, _ = load_network(
        folder / spec.weights_file, architecture=spec.architecture, n_outputs=spec.n_outputs, head=spec.head
    )
    validation = load_items(store, "val")

    def anew(front_end: FrontEnd, metrics: Mapping[str, Any]) -> dict[str, Any]:
        calibration, measured, _ = _calibrated(spec.name, packed, validation, front_end)
        return {"calibration": calibration, "metrics": {**metrics, **measured}}

    others = tuple(replace(other, **anew(other.front_end, other.metrics)) for other in spec.alternatives)
    spec = replace(spec, alternatives=others, **anew(spec.front_end, spec.metrics))
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec


def _described(
    name: str, student: nn.Module, packed: nn.Module, validation: list[Item], front_end: FrontEnd
) -> tuple[Calibration, dict[str, Any]]:
    """Calibration and validation figures for one kind of image, and what packing has changed."""
    calibration, metrics, of_music = _calibrated(name, packed, validation, front_end)
    exact = hear(student, measured_items(validation), front_end)
    return calibration, {**metrics, "packing": asdict(_checked(packing_loss(exact.logits, of_music.logits)))}


def _calibrated(
    name: str, packed: nn.Module, validation: list[Item], front_end: FrontEnd
) -> tuple[Calibration, dict[str, Any], Heard]:
    """Calibration, validation figures and the answers to validation music, for one kind of image."""
    music = measured_items(validation)
    sounds = [item for item in validation if item.track.kind == "not_music"]
    of_music = hear(packed, music, front_end)
    of_sounds = hear(packed, sounds, front_end) if sounds else None
    logits = np.concatenate([part.logits for part in (of_music, of_sounds) if part])
    labels = np.concatenate([of_music.labels, np.full(len(of_sounds.labels) if of_sounds else 0, -1)])
    sources = np.repeat(np.arange(len(music) + len(sounds)), [len(item.arrays.starts_s) for item in (*music, *sounds)])
    measured_on = f"{len(of_music.labels)} windows of {len(music)} real validation tracks"
    fit = calibrate(f"{name}, {front_end.kind}", logits, labels, sources, measured_on=measured_on)
    calibration = fit.calibration
    metrics = {
        "real_validation": asdict(score(of_music.logits, of_music.labels)),
        "not_music_validation": _not_music(of_music, of_sounds, calibration.not_music_at),
        "validation_bands": calibration.level_accuracy,
        "validation_shortfalls": list(fit.unmet_criteria),
    }
    # The thresholds were chosen by these very answers: users are told what other music shows, or nothing.
    return replace(calibration, level_accuracy={}, level_counts={}), metrics, of_music


def _not_music(music: Heard, sounds: Heard | None, threshold: float | None) -> dict[str, Any]:
    """How much that is not music is caught, and how much real music is refused."""
    if sounds is None or threshold is None:
        return {}
    caught, refused = (_softmax(part.logits)[:, NOT_MUSIC_INDEX] >= threshold for part in (sounds, music))
    return {"sounds": len(caught), "caught": float(caught.mean()), "music_refused": float(refused.mean())}


_TAUGHT: Final = (
    "Made from {material}, taught by mn04, musicnn and YAMNet (seed "
    "{seed}). {how} The same weights were trained on mel and on cqt images."
)

_COLLEAGUE: Final = (
    "It learned the answers, features and feature maps of {} for the same images, beside the teachers' answers."
)

#: How the weights came about, by the recipe's network.
_MADE: Final = {
    "full": "All of {architecture} was trained by gradient descent.",
    "mn04": (
        "All of {architecture} was trained by gradient descent, beginning with the weights of EfficientAT mn04 (MIT "
        "licence) in 40 % of its channels."
    ),
    "thin": (
        "Made on a CPU: a network of this design with {share:.0%} of the channels was trained by gradient descent, and "
        "the other channels of {architecture} are idle: it has the shape of the published network, not its capacity."
    ),
    "patch_conv": (
        "Made on a CPU: a small convolutional network over patches, which {architecture} can compute exactly (heads "
        "that attend by place are convolutions), was trained by gradient descent. Blocks, heads and units that it "
        "does not need are idle: it has the shape of {architecture} and not its capacity."
    ),
}


def _provenance(recipe: StudentRecipe, seed: int, *, heard_generated: bool) -> str:
    """What was trained on what, and what was done to it afterwards."""
    kinds = ("free recordings, rendered music and music that networks made", "free recordings and rendered music")
    material = kinds[0] if heard_generated else kinds[1]
    how = _MADE[recipe.network].format(architecture=recipe.architecture, share=recipe.size.get("width", 1))
    colleague = f" {_COLLEAGUE.format(recipe.colleague)}" if recipe.colleague else ""
    return _TAUGHT.format(material=material, seed=seed, how=how) + colleague
