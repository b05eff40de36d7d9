"""A vision transformer grown into a wider one that computes the same function (Net2Net: Chen, Goodfellow and Shlens,
arXiv 1511.05641).

Features, heads and hidden units stand in `k` copies. What a unit receives from the copies of one input is shared out
among them by random shares that sum to one, so that the copies become different when they are trained. Layer norms do
not change: mean and variance of copies are those of the originals.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def grow(small: Any, large: Any, *, seed: int) -> None:
    """Fills a timm `VisionTransformer` with one whose width, heads and hidden units are a whole part of its own.

    Args:
        small: of the same depth, patches and head width.
        large: changed in place.
        seed: of the random shares.

    Raises:
        ValueError: the widths are not multiples, or depth or head width differ.
    """
    copies, rest = divmod(large.embed_dim, small.embed_dim)
    heads = [network.blocks[0].attn.num_heads for network in (small, large)]
    if rest or len(small.blocks) != len(large.blocks) or heads[1] != copies * heads[0]:
        raise ValueError(
            f"A transformer of width {small.embed_dim}, {heads[0]} heads and {len(small.blocks)} blocks cannot grow "
            f"into one of width {large.embed_dim}, {heads[1]} heads and {len(large.blocks)} blocks: all must be the "
            f"same multiple, and the depth the same."
        )
    source = torch.Generator().manual_seed(seed)
    wide = dict(large.named_parameters())
    for name, weight in small.named_parameters():
        wide[name].copy_(_grown(name, weight, copies, source))


def _grown(name: str, weight: Tensor, copies: int, source: torch.Generator) -> Tensor:
    """One parameter for `copies` copies of everything."""
    if ".qkv." in name:  # queries, keys and values stand one after the other
        plain = name.replace("qkv.", "")
        return torch.cat([_grown(plain, part, copies, source) for part in weight.chunk(3)])
    if name.startswith("head."):  # there are as many answers as before
        return _shared(weight, copies, source) if weight.ndim == 2 else weight
    if weight.ndim == 2:
        return torch.cat([_shared(weight, copies, source) for _ in range(copies)])
    if weight.ndim == 4:  # the patch embedding: pixels are not copied
        return weight.repeat(copies, 1, 1, 1)
    return weight.repeat(*(1 for _ in weight.shape[1:]), copies)  # biases, norms, positions, class token


def _shared(weight: Tensor, copies: int, source: torch.Generator) -> Tensor:
    """(outputs, inputs) -> (outputs, copies * inputs): weights of the copies of an input sum to the original's."""
    shares = torch.rand(copies, *weight.shape, generator=source, dtype=torch.float64) + 0.5
    shares /= shares.sum(0)
    return torch.cat(list((shares * weight.double()).to(weight.dtype)), dim=1)
