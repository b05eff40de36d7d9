"""The recipe of one network: every number that decides what its training gives, in one file of `recipes/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained.

    Attributes:
        architecture: timm model.
        model_args: arguments of `timm.create_model` besides the number of outputs.
        train_args: further ones while it trains, e.g. {"patch_drop_rate": 0.5}.
        title: what people call it.
        begins_as: "" is timm's own initialisation, "mimetic" is for transformers, anything else the recipe of a smaller
            transformer that it grows from.
        taught_by: recipes of networks that teach it as well, by their answers to its images.
        steps: of the optimiser.
        batch_size: images a step.
        learning_rate: highest of AdamW; it rises over `warmup_steps`, then falls as a cosine.
        matrix_learning_rate: highest of Muon, which moves the matrices.
        weight_decay: of both.
        warmup_steps: of the schedule.
        ema_decay: per step, of the averaged weights that are kept.
        mixed: share of images that show two recordings at once.
        augmented: share of images whose spectrogram is augmented.
        cqt: share of cqt images in a batch, the others being mel images.
        feature_loss: weight of regressing mn04's features.
        seed: of everything random.
    """

    architecture: str
    model_args: dict[str, Any] = field(default_factory=dict)
    train_args: dict[str, Any] = field(default_factory=dict)
    title: str
    begins_as: str = ""
    taught_by: Sequence[str] = ()
    steps: int
    batch_size: int = 32
    learning_rate: float = 0.002
    matrix_learning_rate: float = 0.004
    weight_decay: float = 0.05
    warmup_steps: int = 100
    ema_decay: float = 0.995
    mixed: float = 0.5
    augmented: float = 0.6
    cqt: float = 0.25
    feature_loss: float = 1.0
    seed: int = 18

    @property
    def needs(self) -> tuple[str, ...]:
        """The recipes that must be trained before."""
        grows = self.begins_as not in ("", "mimetic")
        return (*self.taught_by, self.begins_as) if grows else tuple(self.taught_by)


def recipe_names() -> tuple[str, ...]:
    """The networks that there are recipes of."""
    folder = files("acousticsense.training") / "recipes"
    return tuple(sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")))


def read_recipe(name: str) -> Recipe:
    """The shipped recipe of that name.

    Raises:
        FileNotFoundError: there is none.
    """
    text = (files("acousticsense.training") / "recipes" / f"{name}.json").read_text(encoding="utf-8")
    return Recipe(**json.loads(text))
