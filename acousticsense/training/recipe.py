"""The recipe: every number that decides what a training run gives, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from acousticsense.training.sources import read_data

__all__ = ["Recipe", "StudentRecipe"]


@dataclass(frozen=True, kw_only=True)
class StudentRecipe:
    """How one model is made.

    Attributes:
        architecture: timm model that users get.
        network: what is trained. "full" is the architecture itself; "thin" the same with fewer channels, put among idle
            ones afterwards; "patch_conv" a convolutional network that ViT-B/16 can compute; "mn04" MobileNetV3-Large or
            EfficientNet-B0 that begins as the teacher mn04.
        size: arguments of that network, e.g. {"width": 0.25}.
        head: widths of hidden layers of the classifier, see `ModelSpec.head`.
        steps: optimiser steps of the whole run.
        batch: images a step.
        learning_rate: highest of AdamW, after the warm-up; then it falls as a cosine.
        matrix_learning_rate: highest of Muon, which then moves the matrices between layers; 0 leaves all to AdamW.
        weight_decay: of both.
        warmup_steps: over which the learning rate rises.
        ema_decay: per step, of the averaged weights that are kept.
        mixup: share of steps in which images are mixed in pairs.
        cqt: share of cqt images in a batch, the others being mel images.
        augmented: share of images that are changed as the world changes music; the others are only shifted in time.
        feature_loss: weight of regressing mn04's features, or the colleague's.
        colleague: a model of the recipe that was trained before; its answers to the very images are half of what is
            learned, and its features take the place of mn04's. Empty: none.
        map_loss: weight of regressing the colleague's feature maps.
        small_px: side of the images at first; a small image costs a fraction. 224 is the whole image.
        small_share: share of the run with small images.
        half_precision: whether products of matrices are computed in bfloat16 on a CPU, too: faster where the CPU has
            AVX512-BF16 or AMX. On a GPU they always are.
        compiled: whether the network is compiled for training, which needs a C++ compiler.
    """

    architecture: str
    network: str
    size: Mapping[str, Any] = field(default_factory=dict)
    head: tuple[int, ...] = ()
    steps: int
    batch: int
    learning_rate: float
    matrix_learning_rate: float = 0.0
    weight_decay: float
    warmup_steps: int
    ema_decay: float
    mixup: float
    cqt: float
    augmented: float = 1.0
    feature_loss: float
    colleague: str = ""
    map_loss: float = 0.0
    small_px: int = 224
    small_share: float = 0.0
    half_precision: bool = False
    compiled: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The contents of `data/recipe.json`, or of the user's own.

    Attributes:
        seed: of rendering, sampling, augmentation and initialisation.
        real_windows: most windows per recording that all teachers hear.
        altered: stretches of recordings to alter.
        rendered_per_genre: tracks to render for each genre.
        not_music: sounds to make that are not music.
        probe_c: inverse regularisation of the probe on the teachers' features.
        students: model name -> how it is made.
    """

    seed: int
    real_windows: int
    altered: int
    rendered_per_genre: int
    not_music: int
    probe_c: float
    students: Mapping[str, StudentRecipe]

    @classmethod
    def read(cls, path: Path | None = None) -> Recipe:
        """The shipped recipe, or the one at `path`.

        Raises:
            ValueError: a field is missing or unknown, a colleague is not a student that learns without one, or maps
                are to be learned and there is no colleague.
        """
        text = read_data("recipe.json") if path is None else path.read_text(encoding="utf-8")
        values = json.loads(text)
        students = {name: _checked(StudentRecipe, entry) for name, entry in values.pop("students", {}).items()}
        for name, student in students.items():
            if student.colleague and (student.colleague not in students or students[student.colleague].colleague):
                raise ValueError(f"{name}: the colleague {student.colleague!r} is no student that learns without one")
            if student.map_loss and not student.colleague:
                raise ValueError(
                    f"{name}: map_loss is {student.map_loss:g}, and there is no colleague to learn maps of"
                )
        return _checked(cls, {**values, "students": students})


#: Fields of a student that may be left out.
_OPTIONAL = frozenset(
    {
        "size",
        "head",
        "matrix_learning_rate",
        "augmented",
        "colleague",
        "map_loss",
        "small_px",
        "small_share",
        "half_precision",
        "compiled",
    }
)

_Read = TypeVar("_Read", Recipe, StudentRecipe)


def _checked(cls: type[_Read], values: dict[str, Any]) -> _Read:
    known = {entry.name for entry in fields(cls)}
    if wrong := known.symmetric_difference(values) - _OPTIONAL:
        raise ValueError(f"the recipe has missing or unknown fields: {', '.join(sorted(wrong))}")
    if "head" in values:
        values = {**values, "head": tuple(values["head"])}
    return cls(**values)
