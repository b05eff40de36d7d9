"""Vision transformers whose layers read and write a part of the residual stream: the same answers from narrower layers.

Where a layer's weights are zero for most features of the residual stream, the stream's features are put into another
order, the same in all layers, so that what each layer reads and writes lies side by side; the layer then multiplies
that excerpt alone. Layer norm is still taken over all features, in which order does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["narrowed"]

#: Largest share of the multiplications that may be left for it to be worth it.
_WORTHWHILE: Final = 0.9


@torch.no_grad()
def narrowed(network: VisionTransformer) -> VisionTransformer:
    """The network with layers that read and write only what they have weights for.

    Args:
        network: changed in place, and returned. Its blocks are timm's plain ones, with layer norm and without layer
            scale; a network that is otherwise made (register tokens, other pooling or heads), or in which there is
            little to gain, stays as it is.
    """
    if not _is_usual(network):
        return network
    blocks = [_Uses.of(block) for block in cast("Iterable[Any]", network.blocks)]
    embedding = cast(nn.Conv2d, network.patch_embed.proj)
    imaged = _has_weights(embedding.weight, embedding.bias)
    written = torch.stack([block.written for block in blocks]).any(0)
    order = _order([written, imaged, *(used for block in blocks for used in block.read)])
    excerpts = [[_Excerpt.of(used[order]) for used in block.read] for block in blocks]
    output, image = _Excerpt.of(written[order]), _Excerpt.of(imaged[order])
    if _share_left(excerpts, output) > _WORTHWHILE:
        return network
    _reorder(network, order)
    for block, reads in zip(cast("Iterable[Any]", network.blocks), excerpts, strict=True):
        _narrow_block(block, reads, output)
    embedding.weight, embedding.bias = _rows(embedding.weight, image), _rows(embedding.bias, image)
    embedding.out_channels = image.length
    network.patch_embed.norm = _Widened(image)  # as in blocks: an empty place behind a layer that writes a excerpt
    return network


@dataclass(frozen=True)
class _Excerpt:
    """Features `start` to `start` + `length` of `width`."""

    start: int
    length: int
    width: int

    @classmethod
    def of(cls, used: Tensor) -> _Excerpt:
        """The shortest that has all features of a mask (D,), and at least one."""
        places = used.nonzero()[:, 0].tolist() or [0]
        return cls(places[0], places[-1] + 1 - places[0], len(used))

    @property
    def slice(self) -> slice:
        return slice(self.start, self.start + self.length)


@dataclass(frozen=True)
class _Uses:
    """Which features a block uses, masks (D,): what queries and keys, values, and the MLP read, and what it writes."""

    read: tuple[Tensor, Tensor, Tensor]
    written: Tensor

    @classmethod
    def of(cls, block: Any) -> _Uses:
        queries_keys, values = _parted(block.attn.qkv.weight)
        before_attention, before_mlp = (_has_weights(norm.weight, norm.bias) for norm in (block.norm1, block.norm2))
        return cls(
            read=(
                before_attention & queries_keys.any(0),
                before_attention & values.any(0),
                before_mlp & block.mlp.fc1.weight.any(0),
            ),
            written=_has_weights(block.attn.proj.weight, block.attn.proj.bias)
            | _has_weights(block.mlp.fc2.weight, block.mlp.fc2.bias),
        )


def _is_usual(network: Any) -> bool:
    if type(network.patch_embed) is not PatchEmbed:  # a convolutional network, for example
        return False
    blocks = list(network.blocks)
    norms: list[Any] = [norm for block in blocks for norm in (block.norm1, block.norm2)]
    slots = [slot for block in blocks for slot in (block.ls1, block.ls2, block.attn.q_norm, block.attn.k_norm)]
    slots += [network.norm_pre, network.patch_embed.norm, network.fc_norm]
    return (
        bool(blocks)
        and isinstance(network.norm, nn.LayerNorm)
        and all(isinstance(norm, nn.LayerNorm) and norm.elementwise_affine for norm in norms)
        and all(type(slot) is nn.Identity for slot in slots)
        and type(network.head) is nn.Linear
        and network.reg_token is None
        and network.attn_pool is None
        and isinstance(network.cls_token, Tensor)
        and isinstance(network.pos_embed, Tensor)
    )


def _has_weights(weight: Tensor, bias: Tensor | None) -> Tensor:
    """Which rows of a weight, or of a bias, are not all zero."""
    has = weight.flatten(1).any(1) if weight.ndim > 1 else weight != 0
    return has if bias is None else has | (bias != 0)


def _order(masks: list[Tensor]) -> Tensor:
    """An order of the features (D,): those of the first mask first, and those of the same masks together."""
    signatures = torch.stack(masks, 1).tolist()
    return torch.tensor(sorted(range(len(signatures)), key=lambda feature: [not used for used in signatures[feature]]))


def _share_left(reads: list[list[_Excerpt]], output: _Excerpt) -> float:
    """About the share of the blocks' multiplications that is left."""
    lengths = [read.length for block in reads for read in block]
    return (sum(lengths) / len(lengths) + output.length) / (2 * output.width)


def _reorder(network: VisionTransformer, order: Tensor) -> None:
    """Puts the features of the residual stream into another order."""
    network.cls_token, network.pos_embed = (
        nn.Parameter(cast(Tensor, value)[..., order]) for value in (network.cls_token, network.pos_embed)
    )
    writers: list[Any] = [network.patch_embed.proj, network.norm]
    readers: list[Any] = [network.head]
    for block in cast("Iterable[Any]", network.blocks):
        writers += [block.norm1, block.attn.proj, block.norm2, block.mlp.fc2]
        readers += [block.attn.qkv, block.mlp.fc1]
    for layer in writers:
        layer.weight = nn.Parameter(layer.weight[order])
        layer.bias = None if layer.bias is None else nn.Parameter(layer.bias[order])
    for layer in readers:
        layer.weight = nn.Parameter(layer.weight[:, order])


def _narrow_block(block: Any, reads: list[_Excerpt], output: _Excerpt) -> None:
    attention, mlp = block.attn, block.mlp
    matched, handed_on, mapped = reads
    attention.qkv = _QueriesKeysValues(attention.qkv, matched, handed_on)
    mlp.fc1 = _Reading(mlp.fc1.weight, mlp.fc1.bias, mapped)
    for layer in (attention.proj, mlp.fc2):
        layer.weight, layer.bias = _rows(layer.weight, output), _rows(layer.bias, output)
        layer.out_features = output.length
    block.ls1 = block.ls2 = _Widened(output)  # where timm puts a layer scale: the last thing before a sum


def _parted(qkv: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of queries and keys, and those of values."""
    matched, handed_on = qkv.tensor_split([2 * len(qkv) // 3])
    return matched, handed_on


def _rows(value: Any, excerpt: _Excerpt) -> Any:
    return None if value is None else nn.Parameter(value[excerpt.slice].clone())


class _Reading(nn.Linear):
    """A linear layer of a excerpt of its input."""

    def __init__(self, weight: Tensor, bias: Tensor | None, excerpt: _Excerpt) -> None:
        super().__init__(excerpt.length, len(weight), bias=False)
        self._slice = excerpt.slice
        self.weight = nn.Parameter(weight[:, excerpt.slice].clone())
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias.clone()))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., n_outputs) of x (..., D)."""
        return functional.linear(x[..., self._slice], self.weight, self.bias)


class _QueriesKeysValues(nn.Module):
    """The layer before attention; what matches tokens and what they hand on read different features."""

    def __init__(self, qkv: nn.Linear, matched: _Excerpt, handed_on: _Excerpt) -> None:
        super().__init__()
        weights = _parted(qkv.weight)
        biases = (None, None) if qkv.bias is None else _parted(qkv.bias)
        self.queries_keys = _Reading(weights[0], biases[0], matched)
        self.values = _Reading(weights[1], biases[1], handed_on)

    def forward(self, x: Tensor) -> Tensor:
        """Queries, keys and values (n, tokens, 3 * width) of x (n, tokens, D)."""
        return torch.cat([self.queries_keys(x), self.values(x)], -1)


class _Widened(nn.Module):
    """A excerpt of the residual stream with zeros around it."""

    def __init__(self, excerpt: _Excerpt) -> None:
        super().__init__()
        self._padding = (excerpt.start, excerpt.width - excerpt.start - excerpt.length)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., length) as (..., D)."""
        return functional.pad(x, self._padding)
