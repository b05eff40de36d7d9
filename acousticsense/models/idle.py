"""Leaving out of a network what adds exactly nothing: the same answers from less work.

Models that were made on small machines fill only a part of a published design; the rest is there so that the weights
load wherever the design does, and can be trained on. Whole blocks, heads of attention, hidden units and channels are
left out here when the layers that read them have nothing but zeros for them (of convolutional networks by `channels`),
and layers of vision transformers are made as narrow as what they use of the residual stream (`narrow`). Other weights
are not touched.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from acousticsense.models.channels import without_idle_channels
from acousticsense.models.narrow import narrowed

__all__ = ["without_idle_parts"]


@torch.no_grad()
def without_idle_parts(network: nn.Module, image_size: int = 224) -> nn.Module:
    """The network without its idle blocks, heads, hidden units and channels.

    Args:
        network: changed in place, and returned; in eval mode, on the CPU. Vision transformers of timm's plain kind and
            networks with convolutions are looked into; others stay as they are.
        image_size: side of the images that it sees, in pixels.
    """
    if not isinstance(network, VisionTransformer):
        return without_idle_channels(network, image_size)
    blocks = list(network.blocks)
    network.blocks = nn.Sequential(*([block for block in blocks if _adds_something(block)] or blocks[:1]))
    plain = [cast(Any, block) for block in network.blocks if _is_plain(block)]
    for block in plain:
        _drop_heads(block.attn)
        _drop_units(block.mlp)
    if type(network) is VisionTransformer and len(plain) == len(network.blocks):
        narrowed(network)
    return network


def _is_plain(block: nn.Module) -> bool:
    """Whether nothing in a transformer's block mixes its heads or its hidden units before they are read.

    What is derived from timm's block may compute something else.
    """
    if type(block) is not Block:
        return False
    attention, mlp = block.attn, block.mlp
    return (
        type(attention) is Attention
        and type(mlp) is Mlp
        and attention.gate is None
        and isinstance(attention.norm, nn.Identity)
        and isinstance(mlp.norm, nn.Identity)
        and isinstance(mlp.fc1, nn.Linear)
    )


def _adds_something(block: nn.Module) -> bool:
    """Whether a block changes what it gets: it adds what the last layers of its attention and of its MLP give."""
    if not _is_plain(block):
        return True
    last = (cast(Any, block).attn.proj, cast(Any, block).mlp.fc2)
    return any(bool(value.any()) for layer in last for value in layer.parameters())


def _drop_heads(attention: Attention) -> None:
    """Leaves heads out whose values the projection does not read; one stays."""
    width = attention.head_dim
    is_read = attention.proj.weight.any(0).view(-1, width).any(1)
    kept = _kept(is_read)
    if len(kept) == len(is_read):
        return
    values = (width * kept[:, None] + torch.arange(width)).flatten()
    attention.proj = _linear(attention.proj, inputs=values)
    attention.qkv = _linear(
        attention.qkv, outputs=(attention.attn_dim * torch.arange(3)[:, None] + values[None]).flatten()
    )
    attention.num_heads, attention.attn_dim = len(kept), len(values)


def _drop_units(mlp: Mlp) -> None:
    """Leaves hidden units out that the second layer does not read; one stays."""
    first, second = cast(nn.Linear, mlp.fc1), cast(nn.Linear, mlp.fc2)
    is_read = second.weight.any(0)
    kept = _kept(is_read)
    if len(kept) < len(is_read):
        mlp.fc1, mlp.fc2 = _linear(first, outputs=kept), _linear(second, inputs=kept)


def _kept(is_read: Tensor) -> Tensor:
    """Indices of what is read; the first of all when nothing is, as layers of no width compute nothing sensible."""
    return is_read.nonzero()[:, 0] if bool(is_read.any()) else torch.zeros(1, dtype=torch.long)


def _linear(layer: nn.Linear, *, inputs: Tensor | None = None, outputs: Tensor | None = None) -> nn.Linear:
    """A layer with some inputs or outputs of another."""
    weight, bias = layer.weight, layer.bias
    if inputs is not None:
        weight = nn.Parameter(weight[:, inputs])
    if outputs is not None:
        weight, bias = nn.Parameter(weight[outputs]), _part(bias, outputs)
    part = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    part.weight, part.bias = weight, bias
    return part.train(layer.training)


def _part(bias: Tensor | None, kept: Tensor) -> Any:
    """Some values of a bias, if there is one."""
    return None if bias is None else nn.Parameter(bias[kept])
