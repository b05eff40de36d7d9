"""How a model is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass

from acousticsense.errors import RequestError
from acousticsense.spectrogram.front_end import SpectrogramKind


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train.

    Attributes:
        kind: which image, for bases that know several; None is the base's main one.
        n_folds: parts of which each is held out once; fewer are made where the smallest genre has fewer groups.
        unfreeze: last blocks of the base to train too; 0 trains a new classifier only.
        epochs: passes over the images when blocks are trained.
        seed: of every random choice.
        command: what was typed, for the card.
    """

    kind: SpectrogramKind | None = None
    n_folds: int = 5
    unfreeze: int = 0
    epochs: int = 3
    seed: int = 0
    overwrite: bool = False
    command: str = "acousticsense finetune"

    def __post_init__(self) -> None:
        for name, least in (("n_folds", 2), ("unfreeze", 0), ("epochs", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise RequestError(f"{name} is {getattr(self, name)}.", hint=f"It must be {least} or more.")
