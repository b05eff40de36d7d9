"""The network that is trained: a narrow vision transformer with a head for the teachers' features."""

from __future__ import annotations

import math
from typing import Any, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from acousticsense.training.bank import N_OUTPUTS

__all__ = ["Student", "make_network"]


def make_network(architecture: str, *, depth: int | None = None, patch_drop: float = 0.0) -> VisionTransformer:
    """An untrained timm vision transformer with 17 outputs and `depth` blocks (None: as many as it has by design)."""
    size: dict[str, Any] = {} if depth is None else {"depth": depth}
    network = timm.create_model(architecture, num_classes=N_OUTPUTS, patch_drop_rate=patch_drop, **size)
    return cast(VisionTransformer, network)


class Student(nn.Module):
    """The network and, beside its classifier, a head that is thrown away after training.

    The auxiliary head regresses what the teachers feel, from the same features that the classifier reads: a soft label
    says little about a piece of music, 784 features say much.
    """

    def __init__(self, architecture: str, *, depth: int, n_teacher_features: int, patch_drop: float) -> None:
        super().__init__()
        self.network = make_network(architecture, depth=depth, patch_drop=patch_drop)
        self.teacher_head = nn.Linear(self.network.embed_dim, n_teacher_features)
        _mimetic_init(self.network)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 17) and teacher features (n, n_teacher_features) of normalised pictures (n, 3, 224, 224)."""
        features = self.network.forward_head(self.network.forward_features(pictures), pre_logits=True)
        return self.network.head(features), self.teacher_head(features)


@torch.no_grad()
def _mimetic_init(network: VisionTransformer) -> None:
    """Attention that begins as trained attention looks (Trockman & Kolter, arXiv 2305.09828), and sinusoidal positions.

    Query and key weights multiply to about 0.7 I, value and projection weights to about -0.4 I, each plus noise; with
    little data this stands in for pre-training.
    """
    width = network.embed_dim
    for block in network.blocks:
        attention = cast(Any, block).attn
        qkv, proj, heads = attention.qkv.weight, attention.proj.weight, cast(int, attention.num_heads)
        depth = width // heads
        value, output = _factors(0.4 * torch.randn(width, width) / math.sqrt(width) - 0.4 * torch.eye(width), width)
        qkv[2 * width :] = value.T
        proj.copy_(output)
        for head in range(heads):
            product = 0.7 * torch.randn(width, width) / math.sqrt(width) + 0.7 * torch.eye(width)
            query, key = _factors(product, depth)
            rows = slice(head * depth, (head + 1) * depth)
            qkv[:width][rows] = query.T
            qkv[width : 2 * width][rows] = key.T
    grid = cast(tuple[int, int], network.patch_embed.grid_size)
    cast(Tensor, network.pos_embed)[:, -grid[0] * grid[1] :] = 0.5 * _positions(grid, width)


def _factors(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Matrices A, B (n, rank) with A B^T the best approximation of `product` (n, n), shared evenly."""
    left, strength, right = torch.linalg.svd(product)
    root = strength[:rank].sqrt()
    return left[:, :rank] * root, right[:rank].T * root


def _positions(grid: tuple[int, int], width: int) -> Tensor:
    """Sinusoidal embedding (1, rows * columns, width), half the width for each axis (Vaswani et al., 2017)."""
    quarter = width // 4
    speed = torch.exp(-math.log(10_000.0) * torch.arange(quarter) / quarter)
    waves = []
    for axis, size in enumerate(grid):
        angle = torch.arange(size)[:, None] * speed
        wave = torch.cat([angle.sin(), angle.cos()], 1)
        shape = (size, 1, 2 * quarter) if axis == 0 else (1, size, 2 * quarter)
        waves.append(wave.view(shape).expand(*grid, -1))
    return torch.cat(waves, 2).reshape(1, grid[0] * grid[1], width)
