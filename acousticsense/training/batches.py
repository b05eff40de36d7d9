"""Drawing training batches: classes and sources balanced, windows shifted, augmented and mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, FrontEnd
from acousticsense.spectrogram.images import normalise, to_image
from acousticsense.training.augment import MARGIN_FRAMES, augment
from acousticsense.training.bank import NOT_MUSIC_INDEX, WINDOW_FRAMES, Item, close_windows, cut, windows_of
from acousticsense.training.probe import Probe, soft_targets, usual_scores
from acousticsense.training.sources import Kind
from acousticsense.training.teachers.zero_shot import ClassLists

__all__ = ["Batch", "Batches", "mixed"]

#: Shares of a batch: recordings, what networks made, altered stretches of both, rendered music, not music.
_SHARES: Final[dict[Kind, float]] = {
    "real": 0.33,
    "generated": 0.06,
    "altered": 0.32,
    "rendered": 0.22,
    "not_music": 0.07,
}

#: How much more often than others the beginnings of recordings are drawn, which is what users' files are judged by.
_BEGINNINGS: Final = 4.0

#: A window is cut up to this many frames before or after the one that the teachers heard (about 1.4 s).
_JITTER_FRAMES: Final = 60


@dataclass(frozen=True)
class Batch:
    """Normalised images (n, 3, 224, 224), targets (n, 17) and mn04's standardised features (n, 384)."""

    images: Tensor
    targets: Tensor
    features: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(self.images.to(device), self.targets.to(device), self.features.to(device))


class Batches:
    """Draws batches from the training items; one seed, one sequence.

    Attributes:
        usual: (m, S), what the teachers say of the recordings among the items.
        targets: (V, 17), what to answer for each window.
        features: (V, 384), mn04's features, standardised over the windows.
        odds: (V,), how often each window is drawn.
    """

    def __init__(
        self,
        items: list[Item],
        probe: Probe,
        *,
        size: int,
        mixup: float,
        cqt: float = 0.0,
        augmented: float = 1.0,
        class_lists: ClassLists | None = None,
    ) -> None:
        self._items = items
        self._windows = close_windows(items)
        heard = windows_of(items)
        self.usual = usual_scores(items, heard)
        targets = soft_targets(items, heard, probe, usual=self.usual, class_lists=class_lists)
        self.targets = targets[self._windows.heard]
        self.features = _standardised(self._windows.features)
        self._size, self._mixup, self._cqt, self._augmented = size, mixup, cqt, augmented
        self.odds = self._draw_odds()

    def _draw_odds(self) -> NDArray[np.float64]:
        """Probability (V,) of drawing each window: balanced by kind, and within it by the target's likeliest class."""
        kinds = np.array([item.track.kind for item in self._items])[self._windows.item]
        classes = self.targets.argmax(1)
        odds = np.zeros(len(classes))
        for kind, share in _SHARES.items():
            mine = kinds == kind
            counts = np.bincount(classes[mine], minlength=NOT_MUSIC_INDEX + 1).astype(float)
            # below 1 for recordings: rare pseudo-labels are drawn more often, yet not the same few windows for ever
            evenness = 1.0 if kind in ("rendered", "not_music") else 0.7
            weight = np.where(counts > 0, 1.0 / np.maximum(counts, 1.0) ** evenness, 0.0)
            odds[mine] = weight[classes[mine]] * np.where(self._windows.start[mine] == 0, _BEGINNINGS, 1.0)
            odds[mine] *= share / max(odds[mine].sum(), 1e-12)
        return np.asarray(odds / odds.sum())

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.odds)

    def draw(self, step: int, seed: int) -> Batch:
        """The batch of a step, the same whenever it is asked for.

        It holds images of both kinds: what batch norms find while training must be what they use afterwards.
        """
        source = np.random.default_rng((seed, step))
        chosen = source.choice(len(self), self._size, p=self.odds)
        is_cqt = source.random(self._size) < self._cqt
        images = torch.empty(self._size, 3, NATIVE_MEL.image_size, NATIVE_MEL.image_size)
        for front_end, mine in ((NATIVE_MEL, ~is_cqt), (NATIVE_CQT, is_cqt)):
            if mine.any():
                images[torch.from_numpy(mine)] = self.images(chosen[mine], source, front_end)
        batch = Batch(images, torch.from_numpy(self.targets[chosen]), torch.from_numpy(self.features[chosen]))
        return mixed(batch, source) if source.random() < self._mixup else batch

    def images(
        self, chosen: NDArray[np.int64], source: np.random.Generator, front_end: FrontEnd = NATIVE_MEL
    ) -> Tensor:
        """Normalised images (n, 3, 224, 224) of random views of the chosen windows."""
        length = WINDOW_FRAMES + MARGIN_FRAMES
        starts = self._windows.start[chosen] + source.integers(-_JITTER_FRAMES, _JITTER_FRAMES + 1, len(chosen))
        values = np.stack(
            [
                cut(self._items[self._windows.item[index]].arrays.log_values(front_end), start, length)
                for index, start in zip(chosen, starts, strict=True)
            ]
        )
        generator = torch.Generator().manual_seed(int(source.integers(1 << 62)))
        plain = torch.from_numpy(values)
        view = plain[:, :, :WINDOW_FRAMES].clone()
        changed = torch.rand(len(plain), generator=generator) < self._augmented
        if bool(changed.any()):
            view[changed] = augment(plain[changed], generator)
        return normalise(to_image(view, front_end), front_end)


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features (n, D) with mean 0 and deviation 1, outliers clipped."""
    scaled = (features - features.mean(0)) / np.maximum(features.std(0), 1e-4)
    return np.asarray(np.clip(scaled, -4.0, 4.0), np.float32)


def mixed(batch: Batch, source: np.random.Generator) -> Batch:
    """Mixup (Zhang et al., arXiv 1710.09412) with the batch in another order."""
    share = float(source.beta(0.4, 0.4))
    order = torch.from_numpy(source.permutation(len(batch.images)))
    mixed = [share * whole + (1 - share) * whole[order] for whole in (batch.images, batch.targets, batch.features)]
    return Batch(*mixed)
