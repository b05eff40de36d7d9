"""Views of pictures through the part of a network that is not trained: looked at once, kept, and trained on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from acousticsense.config import NATIVE_CQT, NATIVE_MEL
from acousticsense.training.batches import Batch, Batches, mixed
from acousticsense.training.recipe import StudentRecipe
from acousticsense.training.students.columns import ColumnNetwork

__all__ = ["RowViews"]

logger = logging.getLogger(__name__)

#: Pictures looked at in one go, and kept in one file.
_CHUNK: Final = 512
_AT_ONCE: Final = 64


class RowViews:
    """What a `ColumnNetwork` with statistics sees of random views, drawn like `Batches`.

    Args:
        batches: gives the pictures.
        network: whose rows are taken, and whose projection of columns is set by the first of them.
        folder: where the views are kept, in files of 512; those that are there are not made again.
        recipe: how many views, of which pictures, drawn how.
        seed: of the choice of views.
    """

    def __init__(
        self,
        batches: Batches,
        network: ColumnNetwork,
        folder: Path,
        recipe: StudentRecipe,
        *,
        seed: int,
    ) -> None:
        self._batches, self._recipe = batches, recipe
        network.begin_with_statistics()
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(-(-recipe.views // _CHUNK))
        parts = [self._part(network, folder / f"{number}.npz", (seed, number)) for number in numbers]
        self._rows = torch.cat([torch.from_numpy(rows) for rows, _ in parts])
        self._chosen = np.concatenate([chosen for _, chosen in parts])
        network.standardise(self._rows.float())

    def _part(
        self, network: ColumnNetwork, path: Path, seed: tuple[int, int]
    ) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        if not path.exists():
            source = np.random.default_rng(seed)
            chosen = source.choice(len(self._batches), _CHUNK, p=self._batches.odds)
            rows = []
            for few in np.array_split(chosen, _CHUNK // _AT_ONCE):
                front_end = NATIVE_CQT if source.random() < self._recipe.cqt else NATIVE_MEL
                with torch.no_grad():
                    rows.append(network.rows(self._batches.pictures(few, source, front_end)).half().numpy())
            draft = path.with_suffix(".partial.npz")
            np.savez(draft, rows=np.concatenate(rows), chosen=chosen)
            draft.rename(path)
            logger.info("%s", path.name)
        with np.load(path) as kept:
            return kept["rows"], kept["chosen"]

    def draw(self, step: int, seed: int) -> Batch:
        """The batch of a step, the same whenever it is asked for; its pictures are rows (n, 14, heads * 64)."""
        source = np.random.default_rng((seed, step))
        picked = source.integers(0, len(self._chosen), self._recipe.batch)
        chosen = self._chosen[picked]
        batch = Batch(
            self._rows[torch.from_numpy(picked)].float(),
            torch.from_numpy(self._batches.targets[chosen]),
            torch.from_numpy(self._batches.features[chosen]),
        )
        return mixed(batch, source) if source.random() < self._recipe.mixup else batch
