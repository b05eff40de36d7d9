"""From the trained student to a folder for `models/`: grown, packed in 8 bits, calibrated, described."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from acousticsense.checkpoint import load_network, sha256_of
from acousticsense.config import ModelSpec
from acousticsense.genres import GENRES
from acousticsense.training.bank import N_OUTPUTS, NOT_MUSIC_INDEX, load_items
from acousticsense.training.calibrate import calibrate
from acousticsense.training.grow import grow
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import TrackStore
from acousticsense.training.student import make_network
from acousticsense.training.train import best_weights, run_summary
from acousticsense.training.validate import measured_items, network_logits, score

__all__ = ["PackingLoss", "export", "pack", "packing_loss"]

logger = logging.getLogger(__name__)

_WEIGHTS: Final = "model.safetensors"

#: Where `grow` puts the second of two blocks among twelve.
_SECOND: Final = 6

#: Tensors of the dictionary method that 8 bits would spoil: whitening blows small differences up.
_DELICATE: Final = frozenset(
    {
        "pos_embed",
        "patch_embed.proj.weight",
        "blocks.0.mlp.fc1.weight",
        "blocks.0.mlp.fc2.weight",
        f"blocks.{_SECOND}.attn.proj.weight",
    }
)


@dataclass(frozen=True)
class PackingLoss:
    """What 8-bit weights change on n clips: differences between probabilities, and agreement of the best label."""

    n: int
    max_change: float
    mean_change: float
    top1_agreement: float


def pack(tensors: Mapping[str, Tensor], path: Path, *, exact: Collection[str] = ()) -> None:
    """Writes a safetensors file with 8-bit matrices: symmetric, one float32 scale per output channel.

    `NAME` int8 and `NAME.__scale__` stand for NAME * scale, as `acousticsense.checkpoint` reads them. Vectors, and the
    matrices named in `exact`, are stored as float16.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = tensor.detach().float()
        if value.ndim < 2 or name in exact:
            stored[name] = value.half().contiguous()
            continue
        largest = value.abs().amax(dim=tuple(range(1, value.ndim)), keepdim=True)
        scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
        stored[name] = (value / scale).round().to(torch.int8).contiguous()
        stored[f"{name}.__scale__"] = scale
    save_file(stored, path, metadata={"format": "acousticsense-int8"})
    path.chmod(0o644)


def packing_loss(exact: NDArray[np.float32], packed: NDArray[np.float32]) -> PackingLoss:
    """Compares logits (n, 17) before and after packing."""
    before, after = (_softmax(logits[:, :NOT_MUSIC_INDEX]) for logits in (exact, packed))
    change = np.abs(before - after)
    agreement = float((before.argmax(1) == after.argmax(1)).mean())
    return PackingLoss(len(exact), float(change.max()), float(change.mean()), agreement)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return cast(NDArray[np.float64], torch.from_numpy(logits).double().softmax(1).numpy())


def export(run: Path, store: TrackStore, recipe: Recipe, folder: Path, *, licence: str) -> ModelSpec:
    """Writes `model.safetensors` and `model.json` into a folder named after the model.

    Args:
        run: folder of the training run.
        store: the corpus, for validation music and sounds that are not music.
        recipe: of the run.
        folder: the model's folder; its name is the model's.
        licence: of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained = _trained(run, recipe)
    network = _grown(trained, recipe)
    pack(network.state_dict(), folder / _WEIGHTS, exact=_DELICATE if recipe.method == "dictionary" else frozenset())
    packed, _ = load_network(folder / _WEIGHTS, architecture=recipe.grown_architecture, n_outputs=N_OUTPUTS)

    validation = measured_items(load_items(store, "val"))
    labels = np.array([item.label for item in validation])
    cpu = torch.device("cpu")
    exact, restored = (network_logits(candidate, validation, cpu) for candidate in (trained, packed))
    calibration = calibrate(restored, labels, measured_on=f"{len(labels)} real validation clips, first ten seconds")
    spec = ModelSpec(
        name=folder.name,
        architecture=recipe.grown_architecture,
        labels=GENRES,
        has_not_music=True,
        calibration=calibration,
        weights_sha256=sha256_of(folder / _WEIGHTS),
        licence=licence,
        provenance=_provenance(recipe),
        metrics={
            "real_validation": asdict(score(restored, labels)),
            "not_music_validation": _not_music(packed, store, restored, calibration.not_music_at or 1.0),
            "packing": asdict(packing_loss(exact, restored)),
            "training": run_summary(run),
        },
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    logger.info("%s: %s", folder, spec.metrics)
    return spec


_TAUGHT: Final = "Made from free recordings and rendered music, taught by mn04 and musicnn (seed {seed}). "

#: How the weights came about, by the recipe's method.
_MADE: Final = {
    "gradient": (
        "What was trained by gradient descent is {architecture} with {depth} blocks, then grown to {grown} without "
        "changing what it computes: where the two differ it has the shape of the larger one and not its capacity."
    ),
    "dictionary": (
        "Made on a CPU: this is {grown} in shape, but not in capacity. Its patch embedding, first block and second "
        "attention are statistics of spectrogram patches (whitening, a dictionary of patches, an average), only the "
        "second block's MLP and the classifier were trained by gradient descent, and the other ten blocks do nothing."
    ),
}


def _provenance(recipe: Recipe) -> str:
    """What was trained, and what was done to it afterwards."""
    how = _MADE[recipe.method].format(
        architecture=recipe.architecture, depth=recipe.depth, grown=recipe.grown_architecture
    )
    return _TAUGHT.format(seed=recipe.seed) + how


def _trained(run: Path, recipe: Recipe) -> VisionTransformer:
    network = make_network(recipe.architecture, depth=recipe.depth)
    network.load_state_dict(best_weights(run))
    return network.eval()


def _grown(trained: VisionTransformer, recipe: Recipe) -> VisionTransformer:
    large = make_network(recipe.grown_architecture).eval()
    grow(trained, large, trainable=False)
    return large


def _not_music(
    network: torch.nn.Module, store: TrackStore, music: NDArray[np.float32], threshold: float
) -> dict[str, Any]:
    """How much that is not music is caught, and how much real music is refused."""
    sounds = [item for item in load_items(store, "val") if item.track.kind == "not_music"]
    if not sounds:
        return {}
    logits = network_logits(network, sounds, torch.device("cpu"))
    caught, refused = (_softmax(values)[:, NOT_MUSIC_INDEX] >= threshold for values in (logits, music))
    return {"sounds": len(sounds), "caught": float(caught.mean()), "music_refused": float(refused.mean())}
