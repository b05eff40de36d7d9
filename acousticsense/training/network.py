"""The network of a recipe, as it begins, and with the layers that training adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from acousticsense.models.networks import build_network
from acousticsense.training.clips import N_OUTPUTS
from acousticsense.training.grow import grow
from acousticsense.training.mimetic import initialise
from acousticsense.training.recipe import Recipe, read_recipe

__all__ = ["WEIGHTS_FILE", "Student", "make_network", "trained_network"]

#: The averaged weights of a run, as far as it is.
WEIGHTS_FILE: Final = "weights.pt"


def make_network(recipe: Recipe, runs: Path) -> nn.Module:
    """The network as its training begins.

    Args:
        recipe: which.
        runs: folder of all runs, where the network that it grows from was trained.

    Raises:
        FileNotFoundError: that one has not been trained.
    """
    torch.manual_seed(recipe.seed)
    network = _create(recipe, **recipe.train_args)
    if recipe.begins_as == "mimetic":
        initialise(network)
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
