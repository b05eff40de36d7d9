"""Mimetic initialisation of vision transformers (A. Trockman and J. Z. Kolter, arXiv 2305.09828).

Trained transformers look alike: patches attend to patches near and like them, and attention subtracts what it finds.
Networks that begin so learn from little data. Query-key products are near a multiple of the identity, products of value
and projection near a negative one, and positions are the usual sinusoids in two dimensions.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import Tensor, nn

__all__ = ["initialise"]

#: Multiples of noise and of the identity: for queries and keys, for values and projections (section 3 of the paper).
_QUERY_KEY: Final = (0.7, 0.7)
_VALUE_PROJECTION: Final = (0.4, 0.4)


@torch.no_grad()
def initialise(network: Any) -> None:
    """Changes a timm `VisionTransformer` in place."""
    width, grid = network.embed_dim, network.patch_embed.grid_size
    positions = build_sincos2d_pos_embed(grid, dim=width)
    network.pos_embed.zero_()
    network.pos_embed[0, network.num_prefix_tokens :] = positions / positions.std() * 0.3
    for block in network.blocks:
        _attention(block.attn, width)


def _attention(attention: Any, width: int) -> None:
    heads = attention.num_heads
    depth = width // heads
    queries, keys, values = attention.qkv.weight.view(3, heads, depth, width).unbind(0)
    for head in range(heads):
        noise, identity = _QUERY_KEY
        product = noise * torch.randn(width, width) / width**0.5 + identity * torch.eye(width)
        left, right = _factors(product, depth)
        queries[head], keys[head] = left.T, right.T
    noise, identity = _VALUE_PROJECTION
    product = noise * torch.randn(width, width) / width**0.5 - identity * torch.eye(width)
    left, right = _factors(product, width)
    values.copy_(right.T.view(heads, depth, width))
    attention.proj.weight.copy_(left)
    for bias in (attention.qkv.bias, attention.proj.bias):
        if isinstance(bias, nn.Parameter):
            bias.zero_()


def _factors(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Two (n, rank) matrices of equal size whose product, the second transposed, is nearest to `product` (n, n)."""
    left, values, right = torch.linalg.svd(product)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, right[:rank].T * root
