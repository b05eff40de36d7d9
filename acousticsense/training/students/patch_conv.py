"""A convolutional network over patches, small enough to train on a CPU, that ViT-B/16 can compute.

Attention that is decided by places is convolution (Cordonnier et al., arXiv 1911.03584): a head that always finds the
patch one to the left is one column of a kernel. So this network is trained as convolutions, at a fraction of the work,
and `grown` writes the same computation into a timm ViT-B/16:

- block 0's MLP: filters over the pixels of each patch, pooled inside it;
- blocks 1 to `depth`: a 3x3 convolution over patches, three heads that look further, and an MLP;
- block `depth` + 1: the class token asks all patches by learned attention.

Pixels, codes of row and column, constants and the state lie in different parts of the 768 features of the residual
stream. Pixels are kept small (`_SCALE`) beside the constants, so that layer norm next to never sees them. Codes are
pairs of opposite numbers, of which the difference is read: what layer norm subtracts cancels in any precision, 8 bits
included. Unused blocks add nothing.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.models.networks import build_network
from acousticsense.training.students.student import Perception

__all__ = ["PatchConvNetwork"]

#: Of ViT-B/16.
_ARCHITECTURE: Final = "vit_base_patch16_224"
_WIDTH: Final = 768
_HIDDEN: Final = 3072
_DEPTH: Final = 12
_HEAD_WIDTH: Final = 64
_GRID: Final = 14
_PATCH_PX: Final = 16
_NORM_EPS: Final = 1e-6

#: A patch is read as this many bands (two pixels each) over its pixels in time.
_BANDS: Final = _PATCH_PX // 2
_PIXELS: Final = _BANDS * _PATCH_PX

#: Filters of the first layer: bands and pixels in time that one covers, and how far apart they are set.
_KERNEL: Final = (5, 9)
_STRIDE: Final = 2
_PLACES: Final = (_BANDS // _STRIDE, _PATCH_PX // _STRIDE)
_POOL: Final = 2
_POOLED: Final = _PLACES[0] // _POOL * (_PLACES[1] // _POOL)

#: Rows down and columns to the right at which the heads look; beyond the edge they find the patch at the edge. The last
#: head finds the mean of all.
_OFFSETS: Final = (*((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)), (0, -3), (0, 3))
_N_HEADS: Final = len(_OFFSETS) + 1

#: Pixels in the residual stream are this much smaller than the numbers they stand for.
_SCALE: Final = 0.003

#: Each row, each column and the class token has two features for its code: the height of it, and the opposite.
_CODE: Final = 1.0
_CODES: Final = 2 * (_GRID + _GRID + 1)

#: What the squares of a token's features sum to without a state: those of its codes and of constants, half of them
#: positive and half negative. And what layer norm then divides by.
_ENERGY: Final = 72.0
_CONSTANTS: Final = 8
_CONSTANT: Final = math.sqrt((_ENERGY - 4 * _CODE**2) / _CONSTANTS)
_DEVIATION: Final = math.sqrt(_ENERGY / _WIDTH)

#: Layer norm makes codes this high in a token without a state, so that they are not lost beside a large one.
_CODE_GAIN: Final = 8.0

#: Attention logit for the wanted row, and again for the wanted column, of tokens without a state. States take from it,
#: the more the larger they are.
_CERTAIN: Final = 20_000.0

#: What is taken from every logit, in the same measure: a patch in only the right row or column is then below zero,
#: however small its state is, and the wanted one above, however large.
_PASSING: Final = 1.5


class PatchConvNetwork(nn.Module):
    """Images (n, 3, 224, 224) to logits; the three colours are the same in a spectrogram image, and one is read.

    Args:
        n_outputs: width of the last layer.
        filters: of the first layer, at most 96.
        width: of each patch's state, a multiple of 64, at most 512.
        head_width: what one head of a convolution carries, at most 64.
        hidden: units of each MLP, at most 3072.
        depth: convolutions, at most 10.
        dropout: share of features left out while training.

    Raises:
        ValueError: ViT-B/16 has no room for it.
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        filters: int = 64,
        width: int = 192,
        head_width: int = 32,
        hidden: int = 384,
        depth: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        places = _PLACES[0] * _PLACES[1]
        fits = filters * places <= _HIDDEN and hidden <= _HIDDEN and head_width <= _HEAD_WIDTH and depth <= _DEPTH - 2
        if not fits or width % _HEAD_WIDTH or width + _PIXELS + _CODES + _CONSTANTS > _WIDTH:
            raise ValueError("ViT-B/16 has no room for so many filters, units or blocks")
        self.width = width
        self.map_widths: tuple[int, ...] = (width, width)
        self._dropout = dropout
        self.kernel = nn.Parameter(torch.randn(filters, *_KERNEL) / math.sqrt(_KERNEL[0] * _KERNEL[1]))
        self.kernel_bias = nn.Parameter(torch.zeros(filters))
        self.pooled = nn.Linear(_POOLED * filters, width)
        self.place = nn.Parameter(0.02 * torch.randn(_GRID, width))
        self.class_token = nn.Parameter(0.1 * torch.randn(width))
        self.convolutions = nn.ModuleList(_Convolution(width, head_width, hidden) for _ in range(depth))
        self.asking = _Asking(width, hidden, dropout)
        self.norm = _StateNorm(width)
        self.output = nn.Linear(width, n_outputs)
        self.register_buffer("_taps", _taps(), persistent=False)

    def perceive(self, images: Tensor) -> Perception:
        """Features (n, width) and maps (n, width, 14, 14) of images (n, 3, 224, 224).

        Maps are the patches' state after the first convolution, and after the last but one: the last is left to what
        the class token will ask for.
        """
        place = self._place()
        patches = self._patch_norm(_pixels(images), place)
        # the class token has no pixels, and block 0's MLP gives it what it gives an empty patch
        patches = functional.pad(patches, (0, 0, 1, 0))
        heard = functional.gelu(functional.linear(patches, self._filters(), self._filter_biases()))
        places = torch.cat([self._class_token()[None], place.repeat_interleave(_GRID, 0)])
        state = places + self.pooled(_pool(heard))
        states = []
        for convolution in self.convolutions:
            state = convolution(state)
            states.append(state)
        maps = (states[0], states[max(0, len(states) - 2)])
        return Perception(self.norm(self.asking(state))[:, 0], tuple(_as_map(state) for state in maps))

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) of features (n, width)."""
        return cast(Tensor, self.output(functional.dropout(features, self._dropout, self.training)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, n_outputs)."""
        return self.logits(self.perceive(images).features)

    def _filters(self) -> Tensor:
        """The filters at every place of a patch: (places * filters, pixels)."""
        return torch.einsum("ft,tpx->pfx", self.kernel.flatten(1), cast(Tensor, self._taps)).flatten(0, 1)

    def _filter_biases(self) -> Tensor:
        return self.kernel_bias.repeat(_PLACES[0] * _PLACES[1])

    def _place(self) -> Tensor:
        """What tells rows of patches apart (14, width), of mean 0: layer norm then leaves the pixels where they are."""
        return self.place - self.place.mean(1, keepdim=True)

    def _class_token(self) -> Tensor:
        """Of mean 0, so that its codes stay 0 and it finds the mean of all patches."""
        return self.class_token - self.class_token.mean()

    @staticmethod
    def _patch_norm(pixels: Tensor, place: Tensor) -> Tensor:
        """Layer norm of the residual stream before block 0's MLP: pixels (n, 196, 128) in their own scale."""
        mean = pixels.sum(2, keepdim=True) / _WIDTH
        energy = _ENERGY + place.square().sum(1).repeat_interleave(_GRID)[:, None]
        energy = energy + _SCALE**2 * pixels.square().sum(2, keepdim=True)
        return (pixels - mean) * (_DEVIATION * (energy / _WIDTH - (_SCALE * mean).square() + _NORM_EPS).rsqrt())

    @torch.no_grad()
    def grown(self) -> VisionTransformer:
        """A ViT-B/16 that computes the same, to about four digits."""
        network = cast(VisionTransformer, build_network(_ARCHITECTURE, self.output.out_features))
        for value in network.parameters():
            value.zero_()
        parts = _Parts(self.width)
        self._write_inputs(network, parts)
        first, *others = cast(Any, network.blocks)
        first.norm2.weight[parts.pixels] = _DEVIATION / _SCALE
        n_units = self._filter_biases().numel()
        first.mlp.fc1.weight[:n_units, parts.pixels] = self._filters()
        first.mlp.fc1.bias[:n_units] = self._filter_biases()
        # a mean over places is a weight for each of them
        first.mlp.fc2.weight[parts.state, :n_units] = self.pooled.weight @ _pool(torch.eye(n_units)[None])[0].T
        first.mlp.fc2.bias[parts.state] = self.pooled.bias
        for part, block in zip((*self.convolutions, self.asking), others, strict=False):
            cast(Any, part).write(block, parts)
        self.norm.write(cast(nn.LayerNorm, network.norm), parts)
        head = cast(nn.Linear, network.head)
        head.weight[:, parts.state] = self.output.weight
        head.bias.copy_(self.output.bias)
        return network

    def _write_inputs(self, network: VisionTransformer, parts: _Parts) -> None:
        """Patch embedding, codes, constants, places and class token."""
        projection = cast(nn.Conv2d, network.patch_embed.proj)
        # the colours are equal; a third from each keeps the weights in the range of trained ones
        bands = torch.eye(_PIXELS).view(_PIXELS, 1, _BANDS, _PATCH_PX).repeat_interleave(2, 2) / 2
        projection.weight[parts.pixels] = _SCALE * bands.expand(-1, 3, -1, -1) / 3
        signs = torch.ones(_CONSTANTS)
        signs[1::2] = -1
        positions = cast(Tensor, network.pos_embed)[0]
        positions[:, parts.constants] = _CONSTANT * signs
        codes = _CODE * torch.cat([torch.eye(_GRID), -torch.eye(_GRID)], 1)
        positions[1:, parts.rows] = codes.repeat_interleave(_GRID, 0)
        positions[1:, parts.columns] = codes.repeat(_GRID, 1)
        positions[0, parts.mark] = math.sqrt(2) * _CODE * torch.tensor([1.0, -1.0])
        positions[1:, parts.state] = self._place().repeat_interleave(_GRID, 0)
        cast(Tensor, network.cls_token)[0, 0, parts.state] = self._class_token()


class _Parts:
    """Where everything lies in the residual stream."""

    def __init__(self, width: int) -> None:
        ends = torch.tensor([_PIXELS, 2 * _GRID, 2 * _GRID, 2, _CONSTANTS, width]).cumsum(0)
        parts = torch.arange(_WIDTH).tensor_split(ends)
        self.pixels, self.rows, self.columns, self.mark, self.constants, self.state, _ = parts


class _StateNorm(nn.Module):
    """Layer norm over the 768 features of tokens of which the state (n, tokens, width) is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, state: Tensor) -> Tensor:
        mean = state.sum(2, keepdim=True) / _WIDTH
        energy = state.square().sum(2, keepdim=True) + _ENERGY
        return (state - mean) * (energy / _WIDTH - mean.square() + _NORM_EPS).rsqrt() * self.weight + self.bias

    def write(self, norm: nn.LayerNorm, parts: _Parts) -> None:
        """Puts the affine map into a norm over all features; the others become zero."""
        norm.weight[parts.state] = self.weight
        norm.bias[parts.state] = self.bias


class _Convolution(nn.Module):
    """A 3x3 convolution over the patches with three more views, then an MLP; the class token sees the mean of all."""

    def __init__(self, width: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = _StateNorm(width)
        self.value = nn.Linear(width, _N_HEADS * head_width)
        self.proj = _small(nn.Linear(_N_HEADS * head_width, width))
        self.norm2 = _StateNorm(width)
        self.mlp = _Mlp(width, hidden)

    def forward(self, state: Tensor) -> Tensor:
        """The state (n, 197, width) after this block."""
        values = self.value(self.norm1(state)).reshape(*state.shape[:2], _N_HEADS, -1)
        mean = values.mean(1, keepdim=True)
        *heads, _ = values[:, 1:].unbind(2)
        seen = [_shifted(head, *offset) for head, offset in zip(heads, _OFFSETS, strict=True)]
        found = torch.cat([*seen, mean[:, :, -1].expand(-1, _GRID * _GRID, -1)], 2)
        state = state + self.proj(torch.cat([mean.flatten(2), found], 1))
        return state + cast(Tensor, self.mlp(self.norm2(state)))

    def write(self, block: Any, parts: _Parts) -> None:
        """Puts the weights into a block of ViT-B/16."""
        self.norm1.write(block.norm1, parts)
        for codes in (parts.rows, parts.columns, parts.mark):
            block.norm1.weight[codes] = _CODE_GAIN * _DEVIATION / _CODE
        for head, offset in enumerate(_OFFSETS):
            _look_at(block.attn.qkv.weight, head, offset, parts)
        head_width = self.value.out_features // _N_HEADS
        mine = (_HEAD_WIDTH * torch.arange(_N_HEADS)[:, None] + torch.arange(head_width)).flatten()
        block.attn.qkv.weight[(2 * _WIDTH + mine)[:, None], parts.state] = self.value.weight
        block.attn.qkv.bias[2 * _WIDTH + mine] = self.value.bias
        block.attn.proj.weight[parts.state[:, None], mine] = self.proj.weight
        block.attn.proj.bias[parts.state] = self.proj.bias
        self.norm2.write(block.norm2, parts)
        self.mlp.write(block.mlp, parts)


class _Asking(nn.Module):
    """Attention of the class token over all tokens, then an MLP."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = _StateNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = _small(nn.Linear(width, width))
        self.norm2 = _StateNorm(width)
        self.mlp = _Mlp(width, hidden)
        self._dropout = dropout

    def forward(self, state: Tensor) -> Tensor:
        """The class token's state (n, 1, width) of the state of all tokens (n, 197, width)."""
        width = state.shape[2]
        known = self.norm1(state)
        query = functional.linear(known[:, :1], self.qkv.weight[:width], self.qkv.bias[:width])
        others = functional.linear(known, self.qkv.weight[width:], self.qkv.bias[width:])
        query, key, value = (
            part.reshape(*part.shape[:2], -1, _HEAD_WIDTH).transpose(1, 2) for part in (query, *others.chunk(2, dim=2))
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        state = state[:, :1] + self._drop(self.proj(found.transpose(1, 2).flatten(2)))
        return state + self._drop(self.mlp(self.norm2(state)))

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self._dropout, self.training)

    def write(self, block: Any, parts: _Parts) -> None:
        """Puts the weights into a block of ViT-B/16; heads that are not needed stay zero."""
        width = self.proj.in_features
        self.norm1.write(block.norm1, parts)
        for index in range(3):
            mine, theirs = (slice(index * whole, index * whole + width) for whole in (width, _WIDTH))
            block.attn.qkv.weight[theirs, parts.state] = self.qkv.weight[mine]
            block.attn.qkv.bias[theirs] = self.qkv.bias[mine]
        block.attn.proj.weight[parts.state, :width] = self.proj.weight
        block.attn.proj.bias[parts.state] = self.proj.bias
        self.norm2.write(block.norm2, parts)
        self.mlp.write(block.mlp, parts)


class _Mlp(nn.Sequential):
    """Two layers, the second starting small, as residual networks like it."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), _small(nn.Linear(hidden, width)))

    def write(self, mlp: Any, parts: _Parts) -> None:
        """Puts the weights into an MLP of ViT-B/16; units that are not needed stay zero."""
        first, last = cast(nn.Linear, self[0]), cast(nn.Linear, self[2])
        n_units = first.out_features
        mlp.fc1.weight[:n_units, parts.state] = first.weight
        mlp.fc1.bias[:n_units] = first.bias
        mlp.fc2.weight[parts.state, :n_units] = last.weight
        mlp.fc2.bias[parts.state] = last.bias


def _small(layer: nn.Linear) -> nn.Linear:
    nn.init.normal_(layer.weight, std=0.5 / math.sqrt(layer.in_features))
    nn.init.zeros_(layer.bias)
    return layer


def _pixels(images: Tensor) -> Tensor:
    """The pixels of each patch, in bands: (n, 196, 128) of images (n, 3, 224, 224)."""
    bands = functional.avg_pool2d(images[:, :1], (2, 1))
    return functional.unfold(bands, (_BANDS, _PATCH_PX), stride=(_BANDS, _PATCH_PX)).transpose(1, 2)


def _as_map(state: Tensor) -> Tensor:
    """The state of the patches where they lie, (n, width, 14, 14), of that of all tokens (n, 197, width)."""
    return state[:, 1:].transpose(1, 2).reshape(len(state), -1, _GRID, _GRID)


def _shifted(patches: Tensor, rows: int, columns: int) -> Tensor:
    """For each of the patches (n, 196, width) the one so many rows down and columns to the right, or at the edge."""
    grid = patches.reshape(len(patches), _GRID, _GRID, -1)
    for axis, step in ((1, rows), (2, columns)):
        if step:
            edge = grid.narrow(axis, _GRID - 1 if step > 0 else 0, 1).repeat_interleave(abs(step), axis)
            kept = grid.narrow(axis, max(step, 0), _GRID - abs(step))
            grid = torch.cat([kept, edge] if step > 0 else [edge, kept], axis)
    return grid.flatten(1, 2)


def _pool(heard: Tensor) -> Tensor:
    """Means over neighbouring places: (n, 196, places * filters) -> (n, 196, fewer places * filters)."""
    grid = heard.reshape(*heard.shape[:2], _PLACES[0] // _POOL, _POOL, _PLACES[1] // _POOL, _POOL, -1)
    return grid.mean((3, 5)).flatten(2)


def _taps() -> Tensor:
    """Which pixel each tap of a filter reads at each place: 1 there, 0 elsewhere, nothing beyond the patch's edge."""
    taps = torch.zeros(_KERNEL[0] * _KERNEL[1], _PLACES[0] * _PLACES[1], _PIXELS)
    for place in range(_PLACES[0] * _PLACES[1]):
        top, left = (_STRIDE * part for part in divmod(place, _PLACES[1]))
        for tap in range(len(taps)):
            row, column = divmod(tap, _KERNEL[1])
            band, time = top + row - _KERNEL[0] // 2, left + column - _KERNEL[1] // 2
            if 0 <= band < _BANDS and 0 <= time < _PATCH_PX:
                taps[tap, place, band * _PATCH_PX + time] = 1
    return taps


def _look_at(weight: Tensor, head: int, offset: tuple[int, int], parts: _Parts) -> None:
    """Queries and keys by which a head finds the patch at an offset, or the one at the edge.

    The class token asks for nothing, so that it finds the mean of all tokens, and is never found.
    """
    strength = math.sqrt(_CERTAIN * math.sqrt(_HEAD_WIDTH) / 4) / _CODE_GAIN  # attention divides by sqrt(64)
    query, key = head * _HEAD_WIDTH, _WIDTH + head * _HEAD_WIDTH
    for codes, step in ((parts.rows, offset[0]), (parts.columns, offset[1])):
        for place in range(_GRID):
            wanted = min(max(place + step, 0), _GRID - 1)
            _read(weight[query + wanted], codes[place::_GRID], strength)
            _read(weight[key + place], codes[place::_GRID], strength)
        query, key = query + _GRID, key + _GRID
    for place in range(_GRID):  # each patch has one row
        _read(weight[query], parts.rows[place::_GRID], strength)
        _read(weight[key], parts.rows[place::_GRID], -_PASSING * strength)
    _read(weight[key], parts.mark, -_PASSING * strength / math.sqrt(2))


def _read(weights: Tensor, pair: Tensor, strength: float) -> None:
    """Adds the difference between the two features of a code to what a row of weights reads."""
    first, second = pair.tolist()
    weights[first] += strength
    weights[second] -= strength
