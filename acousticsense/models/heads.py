"""The classifier head of a checkpoint, read off its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from acousticsense.errors import IncompatibleCheckpointError
from acousticsense.models.conversion import Renamed, layer_indices


@dataclass(frozen=True, kw_only=True)
class Head:
    """The classifier a checkpoint brings along.

    Attributes:
        hidden: widths of its hidden layers; empty is a single linear layer.
        n_outputs: width of the last layer.
        direct: see `networks.build_network`.
    """

    hidden: tuple[int, ...]
    n_outputs: int
    direct: bool


def mlp_indices(n_linear: int) -> tuple[int, ...]:
    """Places of the linear layers in the `nn.Sequential` of an MLP head: (1, 4, 7, 9) for upstream's four.

    Every linear layer but the last has a dropout before it, every one but the first a ReLU.
    """
    return (*(1 + 3 * i for i in range(n_linear - 1)), 3 * n_linear - 3)


def find_head(renamed: Renamed, architecture: str, where: str) -> tuple[Head, Renamed]:
    """Reads the classifier's shape off its tensors and gives its layers our places.

    Args:
        renamed: result of `to_timm`.
        architecture: timm name of the network.
        where: our name of its classifier, e.g. "head.fc".

    Returns:
        The head, and the tensors with the head's layers renamed to `classifier` or `classifier.1`, `.4` ...

    Raises:
        IncompatibleCheckpointError: no classifier, or one whose hidden layers are not upstream's, so that what happens
            between them (which activation?) cannot be known.
    """
    places = _linear_places(renamed.tensors, architecture, where)
    weights = [renamed.tensors[f"{place}.weight"] for place in places]
    odd = next((weight for weight in weights if weight.ndim != 2 or weight.shape[0] < 1), None)
    if odd is not None:
        raise IncompatibleCheckpointError(f"The classifier {where} has a layer of shape {tuple(odd.shape)}.")
    widths = [weight.shape[0] for weight in weights]
    head = Head(hidden=tuple(widths[:-1]), n_outputs=widths[-1], direct=_is_direct(renamed.tensors, architecture))
    return head, _move(renamed, f"{places[0]}.", f"{where}.") if len(places) == 1 else renamed


def _linear_places(tensors: Mapping[str, Tensor], architecture: str, where: str) -> list[str]:
    """Our names of the classifier's linear layers, in order; raises like `find_head`."""
    if f"{where}.weight" in tensors:
        return [where]
    indices = layer_indices(tensors, where)
    if not indices:
        raise IncompatibleCheckpointError(
            f"The file holds no classifier for {architecture}: expected {where}.weight, found nothing like it.",
            hint="It may belong to another architecture, or be a feature extractor without its last layer.",
        )
    if len(indices) > 1 and indices != mlp_indices(len(indices)):
        raise IncompatibleCheckpointError(
            f"The classifier has {len(indices)} layers at places {indices}, which is not a known layout: expected "
            f"one layer, or places {mlp_indices(len(indices))}.",
            hint="Weights alone do not say which activations lie between them.",
        )
    return [f"{where}.{index}" for index in indices]


def _is_direct(tensors: Mapping[str, Tensor], architecture: str) -> bool:
    """Whether VGG's or MobileNetV3's own hidden classifier layers are absent."""
    if architecture.startswith("vgg"):
        return "pre_logits.fc1.weight" not in tensors
    return architecture.startswith("mobilenetv3") and "conv_head.weight" not in tensors


def _move(renamed: Renamed, old: str, new: str) -> Renamed:
    """The same tensors with one name prefix replaced."""

    def place(name: str) -> str:
        return new + name[len(old) :] if name.startswith(old) else name

    tensors = {place(name): tensor for name, tensor in renamed.tensors.items()}
    return Renamed(tensors, {place(name): source for name, source in renamed.origin.items()})
