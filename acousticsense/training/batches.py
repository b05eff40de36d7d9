"""Drawing training batches: classes and sources balanced, windows shifted, augmented and mixed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.config import NATIVE_MEL
from acousticsense.spectrogram import normalise, to_picture
from acousticsense.training.augment import MARGIN_FRAMES, augment
from acousticsense.training.bank import NOT_MUSIC_INDEX, WINDOW_FRAMES, Item, Windows, cut, windows_of
from acousticsense.training.probe import Probe, soft_targets

__all__ = ["Batch", "Batches"]

#: Shares of a batch: recordings, rendered music, not music.
_SHARES: Final = {"real": 0.5, "rendered": 0.42, "not_music": 0.08}

#: A window is cut up to this many frames before or after the one that the teachers heard (about 1.4 s) ...
_JITTER_FRAMES: Final = 60
#: ... or, in this share of draws, anywhere in the track: genres last longer than windows, and tracks are few.
_ELSEWHERE: Final = 0.75


@dataclass(frozen=True)
class Batch:
    """Normalised pictures (n, 3, 224, 224), targets (n, 17) and standardised teacher features (n, D)."""

    pictures: Tensor
    targets: Tensor
    features: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(self.pictures.to(device), self.targets.to(device), self.features.to(device))


class Batches:
    """Draws batches from the training items; one seed, one sequence.

    Attributes:
        targets: (W, 17), what to answer for each window.
        features: (W, D), the teachers' features, standardised.
        odds: (W,), how often each window is drawn.
    """

    def __init__(
        self, items: list[Item], probe: Probe, *, size: int, mixup: float, class_list: Path | None = None
    ) -> None:
        self._items = items
        self._windows: Windows = windows_of(items)
        self.targets = soft_targets(items, self._windows, probe, class_list=class_list)
        self.features = probe.standardise(self._windows.features)
        self._size, self._mixup = size, mixup
        self.odds = self._draw_odds()

    def _draw_odds(self) -> NDArray[np.float64]:
        """Probability (W,) of drawing each window: balanced by kind, and within it by the target's likeliest class."""
        kinds = np.array([item.track.kind for item in self._items])[self._windows.item]
        classes = self.targets.argmax(1)
        odds = np.zeros(len(classes))
        for kind, share in _SHARES.items():
            mine = kinds == kind
            counts = np.bincount(classes[mine], minlength=NOT_MUSIC_INDEX + 1).astype(float)
            # square root: rare pseudo-labels are drawn more often, yet not the same few windows again and again
            weight = np.where(counts > 0, 1.0 / np.maximum(counts, 1.0) ** (0.7 if kind == "real" else 1.0), 0.0)
            odds[mine] = weight[classes[mine]]
            odds[mine] *= share / max(odds[mine].sum(), 1e-12)
        return np.asarray(odds / odds.sum())

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.odds)

    def draw(self, step: int, seed: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        source = np.random.default_rng((seed, step))
        chosen = source.choice(len(self), self._size, p=self.odds)
        batch = Batch(
            self.pictures(chosen, source),
            torch.from_numpy(self.targets[chosen]),
            torch.from_numpy(self.features[chosen]),
        )
        return _mix(batch, source) if source.random() < self._mixup else batch

    def pictures(self, chosen: NDArray[np.int64], source: np.random.Generator) -> Tensor:
        """Normalised pictures (n, 3, 224, 224) of random views of the chosen windows."""
        length = WINDOW_FRAMES + MARGIN_FRAMES
        log_mel = np.stack(
            [
                cut(self._items[self._windows.item[index]].arrays.log_mel, self._start(index, length, source), length)
                for index in chosen
            ]
        )
        generator = torch.Generator().manual_seed(int(source.integers(1 << 62)))
        return normalise(to_picture(augment(torch.from_numpy(log_mel), generator), NATIVE_MEL), NATIVE_MEL)

    def _start(self, index: int, length: int, source: np.random.Generator) -> int:
        """First frame of a view of window `index`."""
        near = int(self._windows.start[index] + source.integers(-_JITTER_FRAMES, _JITTER_FRAMES + 1))
        if source.random() >= _ELSEWHERE:
            return near
        frames = self._items[self._windows.item[index]].arrays.log_mel.shape[1]
        return int(source.integers(0, max(1, frames - length + 1)))


def _mix(batch: Batch, source: np.random.Generator) -> Batch:
    """Mixup (Zhang et al., arXiv 1710.09412) with the batch in another order."""
    share = float(source.beta(0.4, 0.4))
    order = torch.from_numpy(source.permutation(len(batch.pictures)))
    mixed = [share * whole + (1 - share) * whole[order] for whole in (batch.pictures, batch.targets, batch.features)]
    return Batch(*mixed)
