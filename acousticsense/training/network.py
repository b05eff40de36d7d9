"""The network of a recipe, as it begins (at random, mimetic or grown), and with the layer that training adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import torch
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import Tensor, nn

from acousticsense.models.networks import build_network
from acousticsense.training.clips import N_OUTPUTS
from acousticsense.training.grow import grow
from acousticsense.training.recipe import Recipe, read_recipe

#: The averaged weights of a run, as far as it is.
WEIGHTS_FILE: Final = "weights.pt"

#: Multiples of noise and of the identity: for queries and keys, for values and projections (section 3 of the paper on
#: mimetic initialisation).
_QUERY_KEY: Final = (0.7, 0.7)
_VALUE_PROJECTION: Final = (0.4, 0.4)


def make_network(recipe: Recipe, runs: Path) -> nn.Module:
    """The network as its training begins.

    Raises:
        FileNotFoundError: the network that it grows from has not been trained in the folder of all runs.
    """
    torch.manual_seed(recipe.seed)
    network = _create(recipe, **recipe.train_args)
    if recipe.begins_as == "mimetic":
        initialise_mimetically(network)
    elif recipe.begins_as:
        grow(trained_network(recipe.begins_as, runs), network, seed=recipe.seed)
    return network


def trained_network(name: str, runs: Path) -> nn.Module:
    """The network of a recipe with the averaged weights of its run, in eval mode.

    Raises:
        FileNotFoundError: it has not been trained.
    """
    network = _create(read_recipe(name))
    network.load_state_dict(torch.load(runs / name / WEIGHTS_FILE, map_location="cpu", weights_only=True))
    return network.eval()


def _create(recipe: Recipe, **more: Any) -> nn.Module:
    return build_network(recipe.architecture, N_OUTPUTS, model_args={**recipe.model_args, **more})


@torch.no_grad()
def initialise_mimetically(network: Any) -> None:
    """Changes a timm `VisionTransformer` in place, as A. Trockman and J. Z. Kolter, arXiv 2305.09828.

    Trained transformers look alike: patches attend to patches near and like them, and attention subtracts what it
    finds. Networks that begin so learn from little data. Query-key products are near a multiple of the identity,
    products of value and projection near a negative one, and positions are the usual sinusoids in two dimensions.
    """
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


class Student(nn.Module):
    """A network with one more layer, which regresses a teacher's features from what its classifier sees."""

    def __init__(self, network: nn.Module, n_features: int) -> None:
        super().__init__()
        self.network: Any = network
        self.regression = nn.Linear(self.classifier.in_features, n_features)

    @property
    def classifier(self) -> nn.Linear:
        """The last layer."""
        return cast(nn.Linear, self.network.get_classifier())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 17) and features (n, D) of images (n, 3, S, S)."""
        hidden = self.network.forward_head(self.network.forward_features(images), pre_logits=True)
        return self.classifier(hidden), self.regression(hidden)
