"""Growing a vision transformer wider and deeper without changing what it computes.

Width: every feature is repeated r times in a row, and whatever reads features has its weights divided by r, so that
sums stay what they were (Net2Net, arXiv 1511.05641; bert2BERT, arXiv 2110.07143). Layer norms see
the same mean and variance; attention keeps its scale, as heads are repeated and not widened. Depth: blocks whose
outputs are zero are put between the others (LEMON, arXiv 2310.07999).

The grown network has the capacity of its architecture and, until it is trained further, the knowledge of the small one.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

__all__ = ["grow"]

_BLOCK: Final = re.compile(r"blocks\.(\d+)\.(.+)")

#: Outputs of a block; zero makes the block do nothing.
_OUTPUTS: Final = frozenset({"attn.proj.weight", "attn.proj.bias", "mlp.fc2.weight", "mlp.fc2.bias"})


def grow(small: VisionTransformer, large: VisionTransformer, *, trainable: bool = True) -> None:
    """Fills `large` so that it computes exactly what `small` computes.

    Args:
        small: width w, head width d, b blocks.
        large: width r * w for a whole r, head width d, at least b blocks, the same number of outputs.
        trainable: blocks that do nothing get the inputs of the block before, so that training can wake them; otherwise
            they are zero throughout, which compresses to nothing.

    Raises:
        ValueError: the two do not fit together.
    """
    times, rest = divmod(large.embed_dim, small.embed_dim)
    if rest or _head_width(small) != _head_width(large) or len(large.blocks) < len(small.blocks):
        raise ValueError(
            f"width {small.embed_dim} with {len(small.blocks)} blocks cannot be grown to width {large.embed_dim} "
            f"with {len(large.blocks)}: widths must divide, head widths be equal, and blocks not get fewer"
        )
    source = small.state_dict()
    places = _places(len(small.blocks), len(large.blocks))
    grown = {}
    for name in large.state_dict():
        match = _BLOCK.fullmatch(name)
        if match is None:
            grown[name] = _widen(name, source[name], times, _head_width(small))
            continue
        origin, part = places[int(match[1])], match[2]
        nearest = origin if origin is not None else _nearest(places, int(match[1]))
        value = _widen(part, source[f"blocks.{nearest}.{part}"], times, _head_width(small))
        is_zero = origin is None and (part in _OUTPUTS or not trainable)
        grown[name] = torch.zeros_like(value) if is_zero else value
    large.load_state_dict(grown)


def _head_width(network: VisionTransformer) -> int:
    return cast(int, network.embed_dim // cast(Any, network.blocks)[0].attn.num_heads)


def _places(small: int, large: int) -> list[int | None]:
    """For each block of the large network the block of the small one that it copies; None does nothing.

    >>> _places(2, 4)
    [0, None, 1, None]
    """
    places: list[int | None] = [None] * large
    for index in range(small):
        places[index * large // small] = index
    return places


def _nearest(places: list[int | None], index: int) -> int:
    """The last copied block before `index`; the first block is always a copy."""
    return max(origin for origin in places[: index + 1] if origin is not None)


def _widen(name: str, value: Tensor, times: int, head_width: int) -> Tensor:
    """One tensor at `times` its width; `name` without the block's prefix says what it is."""
    if name == "attn.qkv.weight":
        widened = _heads(_columns(value, times), 3, times, head_width)
    elif name == "attn.qkv.bias":
        widened = _heads(value[:, None], 3, times, head_width)[:, 0]
    elif name == "attn.proj.weight":
        widened = (_heads(value.T, 1, times, head_width).T / times).repeat_interleave(times, dim=0)
    elif name in ("mlp.fc1.weight", "mlp.fc2.weight"):
        widened = _columns(value, times).repeat_interleave(times, dim=0)
    elif name == "patch_embed.proj.weight":
        widened = value.repeat_interleave(times, dim=0)
    elif name == "head.weight":
        widened = _columns(value, times)
    else:  # the head's bias stays; norms, other biases, positions and the class token hold one value per feature
        widened = value if name == "head.bias" else value.repeat_interleave(times, dim=-1)
    return widened


def _columns(weight: Tensor, times: int) -> Tensor:
    """Inputs repeated, each copy counting for its share."""
    return weight.repeat_interleave(times, dim=1) / times


def _heads(rows: Tensor, groups: int, times: int, head_width: int) -> Tensor:
    """Rows (groups * heads * head_width, n) with every head repeated `times` in a row within its group."""
    split = rows.reshape(groups, -1, head_width, rows.shape[1])
    return split.repeat_interleave(times, dim=1).reshape(-1, rows.shape[1])
