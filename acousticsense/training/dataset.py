"""Training images: windows drawn at random from the clips, augmented, mixed; endless and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from acousticsense.spectrogram import SpectrogramKind, to_image
from acousticsense.training.augment import augment
from acousticsense.training.clips import N_OUTPUTS, NOT_MUSIC_INDEX, WINDOW_FRAMES, Clip, log_values
from acousticsense.training.front_ends import CQT, MEL
from acousticsense.training.recipe import Recipe
from acousticsense.training.targets import Targets
from acousticsense.training.teachers.teachers import FEATURE_WIDTHS, columns

__all__ = ["Batch", "TrainingImages", "clip_odds", "window_image"]

Floats = NDArray[np.float32]

#: Share of images of sounds that are no music.
_NOT_MUSIC_SHARE: Final = 0.06

#: How much more often than others clips with a sure label are drawn, and ones that nobody labelled.
_SURE: Final = 2.0
_UNLABELLED: Final = 0.7

#: Share of windows that are a short excerpt, repeated, and how long those are in frames (2 to 5 s).
_EXCERPTS: Final = 0.3
_EXCERPT_FRAMES: Final = (86, 216)

#: Tempo: frames that become one window, relative to WINDOW_FRAMES.
_TEMPO: Final = (0.9, 1.1)


class Batch(NamedTuple):
    """Normalised images (n, 3, S, S), targets (n, 17) and mn04's standardised features (n, 384)."""

    images: Tensor
    targets: Tensor
    features: Tensor


class TrainingImages(IterableDataset[Batch]):
    """Batches without end.

    Args:
        clips: of the training split.
        targets: theirs.
        recipe: batch size, mixup, share of cqt images, seed.
        first: number of the first batch, so that a resumed run goes on with new ones.
    """

    def __init__(self, clips: Sequence[Clip], targets: Targets, recipe: Recipe, *, first: int = 0) -> None:
        self._clips, self._targets, self._recipe, self._first = clips, targets.soft, recipe, first
        self._odds = clip_odds(clips, targets)
        features = [clip.features[:, columns(FEATURE_WIDTHS, "mn04")] for clip in clips]
        every = np.concatenate(features)
        mean, deviation = every.mean(0), np.maximum(every.std(0), 1e-4)
        self._features = [np.clip((values - mean) / deviation, -4, 4).astype(np.float32) for values in features]

    def __iter__(self) -> Iterator[Batch]:
        number = self._first
        while True:
            yield self._draw(np.random.default_rng((self._recipe.seed, number)))
            number += 1

    def _draw(self, source: np.random.Generator) -> Batch:
        chosen = source.choice(len(self._clips), self._recipe.batch_size, p=self._odds)
        kinds: list[SpectrogramKind] = ["cqt" if source.random() < self._recipe.cqt else "mel" for _ in chosen]
        images, targets, features = zip(
            *(self._example(index, kind, source) for index, kind in zip(chosen, kinds, strict=True)), strict=True
        )
        batch = Batch(torch.stack(images), torch.from_numpy(np.stack(targets)), torch.from_numpy(np.stack(features)))
        return _mixed(batch, source) if source.random() < self._recipe.mixup else batch

    def _example(self, index: int, kind: SpectrogramKind, source: np.random.Generator) -> tuple[Tensor, Floats, Floats]:
        clip = self._clips[index]
        frames = _frames(clip, source)
        middle_s = float(frames[0]) * clip.duration_s / clip.n_frames if len(clip.starts_s) > 1 else 0.0
        window = int(np.abs(clip.starts_s - middle_s).argmin())
        values = log_values(clip, kind, frames)
        if source.random() < self._recipe.augmented:
            values = augment(values, source)
        return _image(values, kind), self._targets[index][window], self._features[index][window]


def window_image(clip: Clip, kind: SpectrogramKind, start: int) -> Tensor:
    """The normalised image (3, S, S) of the window that begins at frame `start`, as the application draws it."""
    frames = np.minimum(np.arange(start, start + WINDOW_FRAMES), clip.n_frames - 1)
    return _image(log_values(clip, kind, frames), kind)


def _image(values: Floats, kind: SpectrogramKind) -> Tensor:
    front_end = MEL if kind == "mel" else CQT
    return front_end.to_input(to_image(torch.from_numpy(values)[None], front_end))[0]


def _frames(clip: Clip, source: np.random.Generator) -> NDArray[np.int64]:
    """Which frames become a window: about 10 s from anywhere, or a short excerpt repeated."""
    n, length = clip.n_frames, round(WINDOW_FRAMES * source.uniform(*_TEMPO))
    if source.random() < _EXCERPTS and clip.duration_s > 10:
        short = int(source.integers(*_EXCERPT_FRAMES))
        first = source.integers(0, max(1, n - short))
        return np.resize(np.arange(first, first + short), length) % n
    if clip.duration_s <= 10:  # repeated until it fills a window: begins anywhere
        return (np.arange(length) + source.integers(0, n)) % n
    return np.arange(length) % n + source.integers(0, max(1, n - length + 1)) if length <= n else np.arange(length) % n


def clip_odds(clips: Sequence[Clip], targets: Targets) -> NDArray[np.float64]:
    """How often each clip is drawn: classes nearly balanced by what the soft labels say, sure labels more often."""
    classes = np.array([soft.mean(0).argmax() for soft in targets.soft])
    counts = np.bincount(classes, minlength=N_OUTPUTS)
    odds = 1.0 / counts[classes] ** 0.7
    odds *= [
        _UNLABELLED if clip.label is None else _SURE if clip.recording.confidence == "high" else 1.0 for clip in clips
    ]
    is_music = np.array([clip.label != NOT_MUSIC_INDEX for clip in clips])
    odds[is_music] *= (1 - _NOT_MUSIC_SHARE) / odds[is_music].sum()
    if (~is_music).any():
        odds[~is_music] *= _NOT_MUSIC_SHARE / odds[~is_music].sum()
    return np.asarray(odds / odds.sum())


def _mixed(batch: Batch, source: np.random.Generator) -> Batch:
    """Mixup (Zhang et al., arXiv 1710.09412) with the batch in another order."""
    share = float(source.beta(0.4, 0.4))
    order = torch.from_numpy(source.permutation(len(batch.images)))
    return Batch(*(share * whole + (1 - share) * whole[order] for whole in batch))
