"""A spectrogram transformer over columns, small enough to train on a CPU, that ViT-B/16 can compute.

A ViT-B/16 spends its time on 196 patches. This network looks at each patch once (block 0's MLP), collects the patches
of a column of the picture, 0.7 s of sound, into one token (block 1's attention, each head looking at one or two rows),
and then is an ordinary transformer over 14 columns and the class token: a fraction of the work per picture.

`grown` writes the same computation into a timm ViT-B/16. Features of a patch, codes of its row and column, constants
and the state of its column live in different parts of the 768 features of the residual stream. Patch features and codes
are kept small (`_PATCH_SCALE`) beside the constants, so that layer norm scales all patches alike and sees next to
nothing of them once there is a column state: the 14 patches of a column then carry the same state. Unused blocks add
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.networks import build_network

__all__ = ["ColumnNetwork"]

#: Of ViT-B/16.
_ARCHITECTURE: Final = "vit_base_patch16_224"
_WIDTH: Final = 768
_HEADS: Final = 12
_HEAD_WIDTH: Final = 64
_GRID: Final = 14
_PATCH_PX: Final = 16
_NORM_EPS: Final = 1e-6

#: Rows of patches that each head of the collecting block looks at; row 0 is the highest frequencies.
_ROWS: Final = ((0, 1), (2, 3), *((row,) for row in range(4, _GRID)))

#: Patch features and codes in the residual stream are this much smaller than the numbers they stand for.
_PATCH_SCALE: Final = 0.003
_CODES: Final = 2 * _GRID

#: Constants in the residual stream of every patch, half of them positive and half negative.
_CONSTANT: Final = 3.0
_CONSTANTS: Final = 8
_ENERGY: Final = _CONSTANTS * _CONSTANT**2

#: Deviation that layer norm finds in a patch, next to independent of the patch.
_DEVIATION: Final = math.sqrt(_ENERGY / _WIDTH)

#: Attention logit of a wanted patch above the others; exp(-40) is nothing.
_CERTAIN: Final = 40.0


#: Statistics of a patch: bands of two pixels, their values over time, and how sharply GELU is made to bend.
_BANDS: Final = _PATCH_PX // 2
_RAW: Final = _BANDS * _PATCH_PX
_SHARPNESS: Final = 20.0
_STEPS: Final = (1, 4)
_LEVELS: Final = (-0.5, 0.0, 0.5)


class ColumnNetwork(nn.Module):
    """Pictures (n, 3, 224, 224) to logits; the three colours are the same in a spectrogram picture, and one is read.

    Args:
        n_outputs: width of the last layer.
        patch_width: features of a patch.
        patch_hidden: hidden units per patch.
        width: of the column state, a multiple of 64; with patch features, codes and constants at most 768.
        hidden: units of each block's MLP, at most 3072.
        depth: attention blocks over columns, at most 10.
        dropout: share of features left out while training.
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        patch_width: int = 168,
        patch_hidden: int = 1024,
        width: int = 512,
        hidden: int = 1024,
        depth: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.width = width
        self._patch_width, self._dropout = patch_width, dropout
        self.patch = nn.Linear(_PATCH_PX * _PATCH_PX, patch_width)
        self.place = nn.Parameter(torch.randn(_GRID, _GRID, patch_width) * 0.1)
        self.patch_mlp = _mlp(patch_width + _CODES, patch_hidden, patch_width)
        self.value = nn.Linear(patch_width + _CODES, len(_ROWS) * _HEAD_WIDTH)
        self.collect = nn.Linear(len(_ROWS) * _HEAD_WIDTH, width)
        self.class_token = nn.Parameter(0.1 * torch.randn(width))
        self.first_norm = _StateNorm(width)
        self.first_mlp = _mlp(width, hidden, width)
        self.blocks = nn.ModuleList(_Block(width, hidden, dropout) for _ in range(depth))
        self.norm = _StateNorm(width)
        self.head = nn.Linear(width, n_outputs)
        self.register_buffer("_codes", _codes(), persistent=False)

    def rows(self, pictures: Tensor) -> Tensor:
        """What the collecting heads find in each column, before it is projected: (n, 14, heads * 64)."""
        patches = functional.unfold(pictures[:, :1], _PATCH_PX, stride=_PATCH_PX).transpose(1, 2)
        features = self.patch(patches).view(len(patches), _GRID, _GRID, -1) + self.place
        features = features + self.patch_mlp(self._patch_norm(features))
        return _collected(self.value(self._patch_norm(features)))

    def features(self, seen: Tensor) -> Tensor:
        """What the classifier reads: (n, width), of pictures (n, 3, 224, 224) or of their `rows`."""
        columns = self.collect(self.rows(seen) if seen.ndim == 4 else seen)
        # the class token looks at all columns at once
        state = torch.cat([self._class_token() + columns.mean(1, keepdim=True), columns], 1)
        state = functional.dropout(state, self._dropout / 2, self.training)
        state = state + functional.dropout(self.first_mlp(self.first_norm(state)), self._dropout, self.training)
        for index, block in enumerate(self.blocks, start=1):
            # nobody reads the columns after the last block
            state = block(state, asking=1 if index == len(self.blocks) else None)
        return cast(Tensor, self.norm(state[:, :1])[:, 0])

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) of features (n, width)."""
        return cast(Tensor, self.head(functional.dropout(features, self._dropout, self.training)))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, n_outputs)."""
        return self.logits(self.features(pictures))

    @torch.no_grad()
    def begin_with_statistics(self) -> None:
        """Sets the patch stage to statistics of eight bands per patch: their mean, how much they change from one pixel
        to the next and over four, and how far they rise above three levels.

        Averaged over the columns these are the means, deviations and fluxes by which music has been told apart since
        Tzanetakis & Cook (2002); they need no training.

        Raises:
            ValueError: patch features or hidden units are too few.
        """
        units = list(_statistics())
        kinds = 1 + max(kind for kind, *_ in units)
        if self._patch_width < _RAW + kinds * _BANDS or cast(nn.Linear, self.patch_mlp[0]).out_features < len(units):
            raise ValueError(f"statistics need {_RAW + kinds * _BANDS} patch features and {len(units)} hidden units")
        pixels = self.patch.weight.zero_().view(-1, _PATCH_PX, _PATCH_PX)
        for band in range(_BANDS):
            for time in range(_PATCH_PX):
                pixels[band * _PATCH_PX + time, 2 * band : 2 * band + 2, time] = 0.5
        self.patch.bias.zero_()
        self.place.zero_()
        wide, narrow = cast(nn.Linear, self.patch_mlp[0]), cast(nn.Linear, self.patch_mlp[2])
        for value in (wide.weight, wide.bias, narrow.weight, narrow.bias):
            value.zero_()
        for index, (kind, band, share, coefficients, level) in enumerate(units):
            for time, coefficient in coefficients:
                wide.weight[index, band * _PATCH_PX + time] = _SHARPNESS * coefficient
            wide.bias[index] = -_SHARPNESS * level
            narrow.weight[_RAW + kind * _BANDS + band, index] = share / _SHARPNESS
        heads = self.value.weight.zero_().view(len(_ROWS), _HEAD_WIDTH, -1)
        self.value.bias.zero_()
        for band in range(_BANDS):
            heads[:, band, band * _PATCH_PX : (band + 1) * _PATCH_PX] = 1 / _PATCH_PX
        for index in range(kinds * _BANDS):
            heads[:, _BANDS + index, _RAW + index] = 1

    @torch.no_grad()
    def standardise(self, rows: Tensor) -> None:
        """Sets the projection of columns to the principal components of standardised statistics.

        Args:
            rows: (n, 14, heads * 64) of typical pictures.

        Raises:
            ValueError: there are fewer pictures than the state is wide.
        """
        if len(rows) < self.width:
            raise ValueError(f"{self.width} components need as many pictures, not {len(rows)}")
        means = rows.mean(1)
        centre, spread = means.mean(0), means.std(0)
        scale = torch.where(spread > 1e-4, 1 / spread.clamp_min(1e-4), torch.zeros_like(spread))
        components = torch.linalg.svd((means - centre) * scale, full_matrices=False)[2][: self.width]
        self.collect.weight.copy_(components * scale)
        self.collect.bias.copy_(-self.collect.weight @ centre)

    def _class_token(self) -> Tensor:
        """Of mean 0, so that layer norm leaves its codes at 0 and the collecting block finds none of its own in it."""
        return self.class_token - self.class_token.mean()

    def _patch_norm(self, features: Tensor) -> Tensor:
        """Layer norm of the residual stream of patches: features (n, 14, 14, patch_width) and codes, in their scale."""
        known = torch.cat([features, cast(Tensor, self._codes).expand(len(features), -1, -1, -1)], 3)
        mean = known.sum(3, keepdim=True) / _WIDTH
        energy = known.square().sum(3, keepdim=True) * _PATCH_SCALE**2 + _ENERGY
        variance = energy / _WIDTH - (_PATCH_SCALE * mean).square()
        return (known - mean) * (_DEVIATION * (variance + _NORM_EPS).rsqrt())

    @torch.no_grad()
    def grown(self) -> VisionTransformer:
        """A ViT-B/16 that computes the same, to about four digits."""
        network = cast(VisionTransformer, build_network(_ARCHITECTURE, self.head.out_features))
        for value in network.parameters():
            value.zero_()
        parts = _Parts(self._patch_width, self.width)
        self._write_inputs(network, parts)
        blocks = cast(Any, network.blocks)
        _write_patch_norm(blocks[0].norm2, parts)
        _write_mlp(blocks[0].mlp, self.patch_mlp, parts.patch_and_codes, parts.patch, scale=_PATCH_SCALE)
        self._write_collecting(blocks[1], parts)
        self.first_norm.write(blocks[1].norm2, parts.state)
        _write_mlp(blocks[1].mlp, self.first_mlp, parts.state, parts.state)
        for index, block in enumerate(self.blocks, start=2):
            cast(_Block, block).write(blocks[index], parts.state)
        self.norm.write(cast(nn.LayerNorm, network.norm), parts.state)
        head = cast(nn.Linear, network.head)
        head.weight[:, parts.state] = self.head.weight
        head.bias.copy_(self.head.bias)
        return network

    def _write_inputs(self, network: VisionTransformer, parts: _Parts) -> None:
        """Patch embedding, places, codes, constants and class token."""
        projection = cast(nn.Conv2d, network.patch_embed.proj)
        # the colours are equal; a third from each keeps the weights in the range of trained ones
        shared = self.patch.weight.view(-1, 1, _PATCH_PX, _PATCH_PX).expand(-1, 3, -1, -1) / 3
        projection.weight[parts.patch] = _PATCH_SCALE * shared
        cast(Tensor, projection.bias)[parts.patch] = _PATCH_SCALE * self.patch.bias
        positions = cast(Tensor, network.pos_embed)[0, 1:]
        positions[:, parts.patch] = _PATCH_SCALE * self.place.flatten(0, 1)
        positions[:, parts.codes] = _PATCH_SCALE * cast(Tensor, self._codes).flatten(0, 1)
        signs = torch.ones(_CONSTANTS)
        signs[1::2] = -1
        positions[:, parts.constants] = _CONSTANT * signs
        cast(Tensor, network.cls_token)[0, 0, parts.state] = self._class_token()

    def _write_collecting(self, block: Any, parts: _Parts) -> None:
        """Attention that is decided by places: each head finds the rows of `_ROWS` in the column of the query."""
        _write_patch_norm(block.norm1, parts)
        weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
        # attention divides by sqrt(64) = 8; what is multiplied is 1 where a code is set
        strength = math.sqrt(_CERTAIN * math.sqrt(_HEAD_WIDTH))
        rows, columns = parts.codes[:_GRID], parts.codes[_GRID:]
        for head, wanted in enumerate(_ROWS):
            query = head * _HEAD_WIDTH + torch.arange(_GRID)
            for first, mine, others in (
                (query, columns, rows),
                (query + _WIDTH, columns, rows),
                (query + _WIDTH + _GRID, rows, columns),
            ):
                weight[first, mine] = strength
                # one code less the mean of as many others: what layer norm subtracts from all of them cancels
                weight[first[:, None], others] = -strength / _GRID
            bias[query[list(wanted)] + _GRID] = strength
        values = slice(2 * _WIDTH, 2 * _WIDTH + len(_ROWS) * _HEAD_WIDTH)
        weight[values, parts.patch_and_codes] = self.value.weight
        bias[values] = self.value.bias
        block.attn.proj.weight[parts.state] = self.collect.weight
        block.attn.proj.bias[parts.state] = self.collect.bias


class _Parts:
    """Where everything lies in the residual stream."""

    def __init__(self, patch_width: int, width: int) -> None:
        ends = [0, patch_width, patch_width + _CODES, patch_width + _CODES + _CONSTANTS]
        places = torch.arange(_WIDTH)
        self.patch = slice(ends[0], ends[1])
        self.patch_and_codes = slice(ends[0], ends[2])
        self.codes = places[ends[1] : ends[2]]
        self.constants = slice(ends[2], ends[3])
        self.state = slice(ends[3], ends[3] + width)


class _StateNorm(nn.Module):
    """Layer norm over the 768 features of tokens of which the state (n, 15, width) is given: the class token's others
    are zero, the columns' are the constants."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        energy = torch.full((1 + _GRID, 1), _ENERGY)
        energy[0] = 0
        self.register_buffer("_energy", energy, persistent=False)

    def forward(self, state: Tensor) -> Tensor:
        mean = state.sum(2, keepdim=True) / _WIDTH
        energy = state.square().sum(2, keepdim=True) + cast(Tensor, self._energy)[: state.shape[1]]
        return (state - mean) * (energy / _WIDTH - mean.square() + _NORM_EPS).rsqrt() * self.weight + self.bias

    def write(self, norm: nn.LayerNorm, part: slice) -> None:
        """Puts the affine map into a norm over all features; the others become zero."""
        norm.weight[part] = self.weight
        norm.bias[part] = self.bias


class _Block(nn.Module):
    """Attention over the class token and the columns, then an MLP; a column counts as its 14 patches do."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = _StateNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = _StateNorm(width)
        self.mlp = _mlp(width, hidden, width)
        self._dropout = dropout
        counts = torch.full((1 + _GRID,), math.log(_GRID))
        counts[0] = 0
        self.register_buffer("_counts", counts, persistent=False)

    def forward(self, state: Tensor, asking: int | None = None) -> Tensor:
        """The state (n, 15, width) of the first `asking` tokens after this block; None is all of them."""
        width = state.shape[2]
        known = self.norm1(state)
        query = functional.linear(known[:, :asking], self.qkv.weight[:width], self.qkv.bias[:width])
        others = functional.linear(known, self.qkv.weight[width:], self.qkv.bias[width:])
        query, key, value = (
            part.reshape(*part.shape[:2], -1, _HEAD_WIDTH).transpose(1, 2) for part in (query, *others.chunk(2, dim=2))
        )
        mask = cast(Tensor, self._counts).expand(query.shape[2], -1)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        state = state[:, :asking] + self._drop(self.proj(found.transpose(1, 2).flatten(2)))
        return state + self._drop(self.mlp(self.norm2(state)))

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self._dropout, self.training)

    def write(self, block: Any, part: slice) -> None:
        """Puts the weights into a block of ViT-B/16; heads and hidden units that are not needed stay zero."""
        width = self.proj.in_features
        self.norm1.write(block.norm1, part)
        for index in range(3):
            mine, theirs = (slice(index * whole, index * whole + width) for whole in (width, _WIDTH))
            block.attn.qkv.weight[theirs, part] = self.qkv.weight[mine]
            block.attn.qkv.bias[theirs] = self.qkv.bias[mine]
        block.attn.proj.weight[part, :width] = self.proj.weight
        block.attn.proj.bias[part] = self.proj.bias
        self.norm2.write(block.norm2, part)
        _write_mlp(block.mlp, self.mlp, part, part)


def _statistics() -> Iterator[tuple[int, int, float, tuple[tuple[int, float], ...], float]]:
    """Hidden units that measure a patch: kind of statistic, band, weight in the mean, (time, coefficient)s and level.

    A unit rises with its combination of pixels above the level; |x| is the sum of the units for x and -x.
    """
    for band in range(_BANDS):
        for kind, step in enumerate(_STEPS):
            places = range(_PATCH_PX - step)
            for time in places:
                for sign in (1.0, -1.0):
                    yield kind, band, 1 / len(places), ((time, -sign), (time + step, sign)), 0.0
        for kind, level in enumerate(_LEVELS, start=len(_STEPS)):
            for time in range(_PATCH_PX):
                yield kind, band, 1 / _PATCH_PX, ((time, 1.0),), level


def _codes() -> Tensor:
    """One-hot codes (14, 14, 28) of row and column of each patch."""
    codes = torch.zeros(_GRID, _GRID, _CODES)
    for index in range(_GRID):
        codes[index, :, index] = 1
        codes[:, index, _GRID + index] = 1
    return codes


def _collected(values: Tensor) -> Tensor:
    """Of each column the rows that each head looks at: (n, 14, 14, heads * 64) -> (n, 14, heads * 64)."""
    parts = values.reshape(*values.shape[:3], len(_ROWS), _HEAD_WIDTH)
    heads = [parts[:, list(rows), :, head].mean(1) for head, rows in enumerate(_ROWS)]
    return torch.stack(heads, 2).flatten(2)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers, the second starting small, as residual networks like it."""
    layers = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))
    nn.init.normal_(cast(nn.Linear, layers[2]).weight, std=0.5 / math.sqrt(hidden))
    return layers


def _write_patch_norm(norm: nn.LayerNorm, parts: _Parts) -> None:
    """Layer norm that gives patch features and codes in their own scale, and nothing of the rest."""
    norm.weight[parts.patch_and_codes] = _DEVIATION / _PATCH_SCALE


def _write_mlp(target: Any, source: nn.Sequential, inputs: slice, outputs: slice, *, scale: float = 1.0) -> None:
    """Hidden units that are not needed stay zero."""
    wide, narrow = cast(nn.Linear, source[0]), cast(nn.Linear, source[2])
    target.fc1.weight[: wide.out_features, inputs] = wide.weight
    target.fc1.bias[: wide.out_features] = wide.bias
    target.fc2.weight[outputs, : wide.out_features] = scale * narrow.weight
    target.fc2.bias[outputs] = scale * narrow.bias
