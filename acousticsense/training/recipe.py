"""The recipe: every number that decides what a training run gives, in one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from acousticsense.training.sources import read_data

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The contents of `data/recipe.json`, or of the user's own.

    Attributes:
        seed: of rendering, sampling, augmentation and initialisation.
        real_windows: most windows per recording that the teachers hear.
        rendered_per_genre: tracks to render for each genre.
        not_music: sounds to make that are not music.
        method: "gradient" trains all of the network; "dictionary" measures its lower half and trains the rest, which
            takes minutes on a CPU.
        architecture: timm model that is trained.
        depth: how many transformer blocks it is given.
        grown_architecture: timm model that it is grown into, without changing what it computes.
        steps: optimiser steps of the whole run.
        batch: pictures a step.
        learning_rate: highest, after the warm-up; then it falls as a cosine.
        weight_decay: of AdamW.
        warmup_steps: over which the learning rate rises.
        patch_drop: share of patches that the network does not see while it trains.
        ema_decay: per step, of the averaged weights that are kept.
        mixup: share of steps in which pictures are mixed in pairs.
        feature_loss: weight of regressing the teachers' features.
        entries: of the dictionary.
        views: augmented pictures of each window that the dictionary method looks at.
        probe_c: inverse regularisation of the probe on the teachers' features.
    """

    seed: int
    real_windows: int
    rendered_per_genre: int
    not_music: int
    method: str
    architecture: str
    depth: int
    grown_architecture: str
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    patch_drop: float
    ema_decay: float
    mixup: float
    feature_loss: float
    entries: int
    views: int
    probe_c: float

    @classmethod
    def read(cls, path: Path | None = None) -> Recipe:
        """The shipped recipe, or the one at `path`.

        Raises:
            ValueError: a field is missing or unknown.
        """
        text = read_data("recipe.json") if path is None else path.read_text(encoding="utf-8")
        values = json.loads(text)
        known = {field.name for field in fields(cls)}
        if wrong := known.symmetric_difference(values):
            raise ValueError(f"the recipe has missing or unknown fields: {', '.join(sorted(wrong))}")
        return cls(**values)
