"""Leaving out of a network what adds exactly nothing: the same answers from less work.

Models that were made on small machines fill only a part of a published design; the rest is there so that the weights
load wherever the design does, and can be trained on. Whole blocks, heads of attention, hidden units and channels are
left out here when the layer that reads them has nothing but zeros for them. Other weights are not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.densenet import DenseLayer
from timm.models.resnet import Bottleneck
from timm.models.vgg import VGG
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["without_idle_parts"]

#: Layers that treat every channel alike and by itself.
_PASSING = (nn.ReLU, nn.MaxPool2d, nn.Dropout, nn.Identity)


@torch.no_grad()
def without_idle_parts(network: nn.Module) -> nn.Module:
    """The network without its idle blocks, heads, hidden units and channels.

    Args:
        network: changed in place, and returned. Plain vision transformers of timm, ResNets with bottlenecks, VGG with
            batch norm and DenseNets are looked into; other networks stay as they are.
    """
    if isinstance(network, VisionTransformer):
        network.blocks = nn.Sequential(*(block for block in network.blocks if _adds_something(block)))
    if isinstance(network, VGG):
        for writer, norm, reader in _chain(list(network.features)):
            _drop_channels(writer, norm, reader)
    for part in cast("Iterator[Any]", network.modules()):
        if _is(part, Block) and _is_plain(part):
            _drop_heads(part.attn)
            _drop_units(part.mlp)
        elif _is(part, Bottleneck) and part.se is None and isinstance(part.aa, nn.Identity):
            _drop_channels(part.conv1, part.bn1, part.conv2)
            _drop_channels(part.conv2, part.bn2, part.conv3)
        elif _is(part, DenseLayer):
            _drop_channels(part.conv1, part.norm2, part.conv2)
    return network


def _is(part: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether it is of that kind exactly; what is derived from it may compute something else."""
    return type(part) is kind


def _is_plain(block: Block) -> bool:
    """Whether nothing in a transformer's block mixes its heads or its hidden units before they are read."""
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
    if type(block) is not Block or not _is_plain(block):
        return True
    last = (cast(Attention, block.attn).proj, cast(Mlp, block.mlp).fc2)
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


def _chain(layers: list[nn.Module]) -> Iterator[tuple[nn.Conv2d, _BatchNorm, nn.Conv2d]]:
    """Each convolution of a sequence that a batch norm follows, with it and with the next convolution."""
    last: tuple[nn.Conv2d, _BatchNorm] | None = None
    for layer, following in zip(layers, [*layers[1:], nn.Identity()], strict=True):
        if isinstance(layer, nn.Conv2d):
            if last:
                yield *last, layer
            last = (layer, following) if isinstance(following, _BatchNorm) else None
        elif not isinstance(layer, (_BatchNorm, *_PASSING)):
            last = None


def _drop_channels(writer: nn.Conv2d, norm: _BatchNorm, reader: nn.Conv2d) -> None:
    """Leaves channels out, in place, that a batch norm hands on from one convolution to another that does not read
    them; one stays."""
    is_usual = type(writer) is type(reader) is nn.Conv2d and isinstance(norm, _BatchNorm)
    if not is_usual or writer.groups > 1 or reader.groups > 1 or not (norm.affine and norm.track_running_stats):
        return
    is_read = reader.weight.any(3).any(2).any(0)
    kept = _kept(is_read)
    if len(kept) == len(is_read):
        return
    writer.weight, writer.bias = nn.Parameter(writer.weight[kept]), _part(writer.bias, kept)
    norm.weight, norm.bias = nn.Parameter(norm.weight[kept]), nn.Parameter(norm.bias[kept])
    norm.running_mean, norm.running_var = (cast(Any, norm)._buffers[n][kept] for n in ("running_mean", "running_var"))
    reader.weight = nn.Parameter(reader.weight[:, kept])
    writer.out_channels = norm.num_features = reader.in_channels = len(kept)


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
