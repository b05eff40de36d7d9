"""Which parts of an image speak for a score, by the gradients of a network.

Convolutional networks are explained by Grad-CAM on their last feature map (Selvaraju et al. 2017, arXiv 1610.02391).
Vision transformers by what each patch hands on through attention: its value vectors times the gradient that reaches
them, summed over heads and blocks. That is attention times its gradient, as in Chefer et al. 2021 (arXiv 2103.15679),
summed over queries with its sign kept; it also works where attention itself says nothing because it is uniform.
`benchmarks.heatmap` compares it with the alternatives.

Both take one forward pass and at most one backward pass, without gradients of weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn

from acousticsense.analysis.heatmap import HeatMethod
from acousticsense.errors import UnexplainableError

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

_N = TypeVar("_N", bound=nn.Module)

#: Logits (n, n_outputs) -> the number (n,) whose reasons are asked for.
Score = Callable[[Tensor], Tensor]


def method_for(network: nn.Module) -> HeatMethod:
    """How a network is explained."""
    from timm.models.vision_transformer import VisionTransformer  # timm takes seconds to import

    return "attention" if isinstance(network, VisionTransformer) else "grad_cam"


def relevance(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """How much each part of the inputs speaks for a score; parts that speak against it get 0.

    Args:
        network: a timm network in eval mode whose weights need no gradient.
        inputs: float32 (n, channels, rows, columns), as `FrontEnd.to_input` scales them.
        score: what is to be explained.

    Returns:
        float32 (n, rows, columns), 0 or more, row 0 as in `inputs`, on their device.

    Raises:
        UnexplainableError: nothing is known that explains this kind of network.
    """
    if method_for(network) == "attention":
        return _value_relevance(cast("VisionTransformer", network), inputs, score)
    return _grad_cam(network, inputs, score)


def _grad_cam(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    with torch.no_grad():
        features = _feature_map(network, inputs)
    is_channels_last = features.shape[1] != cast(Any, network).num_features == features.shape[-1]
    with torch.enable_grad():
        features.requires_grad_()
        (gradient,) = torch.autograd.grad(score(cast(Any, network).forward_head(features)).sum(), features)
    if is_channels_last:
        features, gradient = features.movedim(-1, 1), gradient.movedim(-1, 1)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * features.detach()).sum(dim=1).clamp(min=0).float()


def _feature_map(network: nn.Module, inputs: Tensor) -> Tensor:
    """What a network's pooling and classifier work on: (n, channels, rows, columns), or channels last."""
    forward_features = getattr(network, "forward_features", None)
    features = forward_features(inputs) if forward_features else None
    if not isinstance(features, Tensor) or features.ndim != 4 or not hasattr(network, "forward_head"):
        raise UnexplainableError(
            f"A heat map of a {type(network).__name__} network is not possible.",
            hint="Convolutional networks and vision transformers (ViT) can be explained; choose such a model.",
        )
    return features


def _value_relevance(network: VisionTransformer, inputs: Tensor, score: Score) -> Tensor:
    values: list[Tensor] = []
    private = weight_sharing_copy(network)
    for block in private.blocks:
        _attention_of(block).qkv.register_forward_hook(lambda *call: values.append(call[-1]))
    with torch.enable_grad():
        # Weights need no gradient, so something has to, or nothing would be recorded.
        logits = private(inputs.clone().requires_grad_())
        gradients = torch.autograd.grad(score(logits).sum(), values)
    products = [_values(value.detach() * gradient) for value, gradient in zip(values, gradients, strict=True)]
    patches = torch.stack([product.sum(dim=-1) for product in products]).sum(dim=0)[:, network.num_prefix_tokens :]
    rows, columns = network.patch_embed.grid_size
    return patches.reshape(-1, rows, columns).clamp(min=0).float()


def weight_sharing_copy(network: _N) -> _N:
    """The same network with the same weights in memory, to be hooked without other threads meeting the hooks."""
    shared = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in shared})


def _values(qkv: Tensor) -> Tensor:
    """The last third of (n, tokens, 3 * width): the value vectors of all heads."""
    return qkv.chunk(3, dim=-1)[2]


def _attention_of(block: Any) -> Any:
    attention = getattr(block, "attn", None)
    if not hasattr(attention, "qkv"):
        raise UnexplainableError(
            f"A heat map of a network with {type(block).__name__} blocks is not possible.",
            hint="Vision transformers whose attention has one qkv layer can be explained; choose such a model.",
        )
    return attention
