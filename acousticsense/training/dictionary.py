"""A vision transformer whose lower half is measured, not trained: patches are compared with a dictionary of patches.

Where there is no GPU, gradient descent from random weights does not get anywhere in an hour. Statistics do: the patch
embedding whitens patches of real pictures (PCA), the first block's MLP compares each with exemplars drawn from them
(Coates & Ng, "Learning feature representations with k-means", 2012), and the second block's attention averages over the
picture. What is left to train, the second block's MLP and the classifier, sees one vector per picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional

__all__ = ["Dictionary", "fill", "learn_dictionary"]

#: Side of a patch in pixels and patches along a side of the picture, as ViT-B/16 has them.
PATCH: Final = 16
GRID: Final = 14

#: Whitened components that describe a patch.
_COMPONENTS: Final = 96
#: Strength of the code that tells a patch's row (its frequency), against components of variance 1; its blur in rows.
_ROW_STRENGTH: Final = 4.0
_ROW_BLUR: Final = 1.5
#: An exemplar answers to these shares of patches: once readily, once to its likes alone. What is averaged over a
#: picture then tells how similarities are spread and not only how large they are.
_ACTIVE: Final = (0.4, 0.05)

_LAYER_NORM_EPS: Final = 1e-6


@dataclass(frozen=True)
class Dictionary:
    """What was learned from pictures; `width` is the transformer's.

    Attributes:
        basis: (components, PATCH * PATCH), from a grey patch to whitened components.
        offset: (components,), added after it.
        exemplars: (entries, width), unit vectors.
        thresholds: (entries,), subtracted from similarities.
        projection: (width, entries), from similarities to features.
        mixing: (width, width), whitens the features averaged over a picture.
        shift: (width,), added after it.
    """

    basis: Tensor
    offset: Tensor
    exemplars: Tensor
    thresholds: Tensor
    projection: Tensor
    mixing: Tensor
    shift: Tensor

    @torch.no_grad()
    def summary(self, pictures: Tensor) -> Tensor:
        """One vector (n, width) per normalised picture (n, 3, S, S): the class token after the second attention.

        The same as the filled network computes, without the parts of it that do nothing.
        """
        tokens = _tokens(pictures, self.basis, self.offset, self.exemplars.shape[1])
        return self._mix(self._features(tokens).mean(1))

    def _features(self, tokens: Tensor) -> Tensor:
        """Normalised tokens (n, 196, width) after the first block."""
        similar = functional.gelu(_norm(tokens) @ self.exemplars.T - self.thresholds)
        return _norm(tokens + similar @ self.projection.T)

    @property
    def class_token(self) -> Tensor:
        """The class token (width,) after the first block; it starts at zero, so it is the same for all pictures."""
        return functional.gelu(-self.thresholds) @ self.projection.T

    def _mix(self, mean: Tensor) -> Tensor:
        n_patches = GRID * GRID
        everything = (n_patches * mean + _norm(self.class_token)) / (n_patches + 1)
        return everything @ self.mixing.T + self.shift


@torch.no_grad()
def learn_dictionary(pictures: Tensor, *, width: int, entries: int, seed: int) -> Dictionary:
    """Learns from normalised pictures (n, 3, S, S), a few hundred of them."""
    generator = torch.Generator().manual_seed(seed)
    basis, offset = _whitening(_patches(pictures).flatten(0, 1), _COMPONENTS, ridge=0.05)
    tokens = _tokens(pictures, basis, offset, width)
    flat = _norm(tokens.flatten(0, 1))
    flat = flat[torch.randperm(len(flat), generator=generator)]
    different = entries // len(_ACTIVE)
    exemplars = functional.normalize(flat[:different], dim=1)
    similarities = flat[different : different + 4000] @ exemplars.T
    thresholds = torch.cat([similarities.quantile(1 - share, dim=0) for share in _ACTIVE])
    exemplars = exemplars.repeat(len(_ACTIVE), 1)
    similar = torch.stack([functional.gelu(_norm(t) @ exemplars.T - thresholds).mean(0) for t in tokens])
    _, _, directions = torch.linalg.svd(similar - similar.mean(0), full_matrices=False)
    directions = directions[:width]
    projection = functional.pad(directions, (0, 0, 0, width - len(directions)))
    plain = Dictionary(basis, offset, exemplars, thresholds, projection, torch.eye(width), torch.zeros(width))
    mixing, shift = _whitening(torch.cat([plain.summary(part) for part in torch.split(pictures, 32)]), width, ridge=0.1)
    padded = functional.pad(mixing, (0, 0, 0, width - len(mixing))), functional.pad(shift, (0, width - len(shift)))
    return Dictionary(basis, offset, exemplars, thresholds, projection, *padded)


@torch.no_grad()
def fill(network: VisionTransformer, dictionary: Dictionary) -> None:
    """Writes the dictionary into a network of two blocks, whose second MLP and classifier are left as they are."""
    components, entries = len(dictionary.basis), len(dictionary.exemplars)
    first, second = cast(Any, network.blocks)
    for value in (network.cls_token, network.pos_embed, *first.parameters(), *second.attn.parameters()):
        cast(Tensor, value).zero_()
    for norm in (first.norm1, first.norm2, second.norm1):
        norm.weight.fill_(1.0)
        norm.bias.zero_()
    embedding = cast(Any, network.patch_embed).proj
    embedding.weight.zero_()
    embedding.bias.zero_()
    embedding.weight[:components] = dictionary.basis.view(components, 1, PATCH, PATCH) / 3
    embedding.bias[:components] = dictionary.offset
    cast(Tensor, network.pos_embed)[0, 1:] = _positions(network.embed_dim, components)
    first.mlp.fc1.weight[:entries] = dictionary.exemplars
    first.mlp.fc1.bias[:entries] = -dictionary.thresholds
    first.mlp.fc2.weight[:, :entries] = dictionary.projection
    second.attn.qkv.weight[2 * network.embed_dim :] = torch.eye(network.embed_dim)
    second.attn.proj.weight.copy_(dictionary.mixing)
    # the class token itself is passed on beside the attention; the summary is without it
    second.attn.proj.bias.copy_(dictionary.shift - dictionary.class_token)


def _patches(pictures: Tensor) -> Tensor:
    """Grey patches (n, 196, 256) of pictures (n, 3, S, S) with equal channels, row by row."""
    return functional.unfold(pictures[:, :1], PATCH, stride=PATCH).transpose(1, 2)


def _tokens(pictures: Tensor, basis: Tensor, offset: Tensor, width: int) -> Tensor:
    """What enters the first block: (n, 196, width)."""
    content = _patches(pictures) @ basis.T + offset
    return functional.pad(content, (0, width - len(basis))) + _positions(width, len(basis))


def _positions(width: int, first: int) -> Tensor:
    """Code (196, width) of each patch's row, in the features from `first` on; neighbouring rows have similar codes."""
    rows = torch.arange(GRID)
    code = torch.exp(-((rows[:, None] - rows[None]) ** 2) / (2 * _ROW_BLUR**2))
    code = _ROW_STRENGTH * functional.normalize(code, dim=1)
    return functional.pad(code.repeat_interleave(GRID, dim=0), (first, width - first - GRID))


def _norm(values: Tensor) -> Tensor:
    return functional.layer_norm(values, values.shape[-1:], eps=_LAYER_NORM_EPS)


def _whitening(values: Tensor, components: int, *, ridge: float) -> tuple[Tensor, Tensor]:
    """Matrix (components, d) and offset (components,) that make values (n, d) uncorrelated with variance near 1.

    Components weaker than `ridge` times the mean strength are not blown up to the size of the others.
    """
    mean = values.mean(0)
    strengths, directions = torch.linalg.eigh(torch.cov((values - mean).T))
    strengths, directions = strengths.flip(0)[:components], directions.flip(1)[:, :components]
    matrix = directions.T / (strengths.clamp(min=0) + ridge * strengths.mean()).sqrt()[:, None]
    return matrix, -matrix @ mean
