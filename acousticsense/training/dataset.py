"""Training images: windows cut at random from recordings, mixed and augmented, each with its target.

Knowledge distillation: the tagger, which teaches, is given the sound of each image, before its spectrogram is
augmented, not another excerpt of the recording (L. Beyer et al., "A good teacher is patient and consistent",
arXiv 2106.05237).

Batches have no end, and are the same for the same seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import IterableDataset, get_worker_info

from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL, NATIVE_WINDOWS, SpectrogramKind
from acousticsense.training.augment import augment
from acousticsense.training.clips import N_OUTPUTS, NOT_MUSIC_INDEX, Clip
from acousticsense.training.decode import Sound
from acousticsense.training.images import MEL, window_image
from acousticsense.training.recipe import Recipe
from acousticsense.training.targets import Targets
from acousticsense.training.teachers.teachers import FEATURE_WIDTHS, columns, features_and_logits, gain_to_level

Floats = NDArray[np.float32]

#: Share of images of sounds that are no music.
_NOT_MUSIC_SHARE: Final = 0.06

#: How much more often than others clips with a sure label are drawn, and ones that nobody labelled.
_SURE: Final = 2.0
_UNLABELLED: Final = 0.7

#: Share of windows that are a short excerpt, repeated, and how many seconds those have.
_EXCERPTS: Final = 0.3
_EXCERPT_S: Final = (2.0, 5.0)

#: Share of windows that are played faster or slower, which moves pitch along, and by how much.
_OTHER_TEMPO: Final = 0.5
_TEMPO: Final = (0.9, 1.1)

#: Rates of a `Window`.
_RATES_HZ: Final = (MEL.sample_rate_hz, EFFICIENTAT_MEL.sample_rate_hz)


class Batch(NamedTuple):
    """Normalised images (n, 3, S, S), targets (n, 17) and mn04's standardised features (n, 384)."""

    images: Tensor
    targets: Tensor
    features: Tensor


class Window(NamedTuple):
    """Ten seconds at the rate of images (220,500,), at the common level, and at the tagger's (320,000,), as loud."""

    for_image: Floats
    for_tagger: Floats


class TrainingImages(IterableDataset[Batch]):
    """Batches without end.

    Args:
        clips: of the training split.
        targets: theirs.
        tagger: mn04 with a head for our classes, in eval mode and on the CPU, which answers for every window.
        recipe: batch size, shares of mixed windows, of augmented and of cqt images, seed.
        first: number of the first batch, so that a resumed run goes on with new ones.
    """

    def __init__(
        self, clips: Sequence[Clip], targets: Targets, tagger: nn.Module, recipe: Recipe, *, first: int = 0
    ) -> None:
        self._clips, self._targets, self._tagger, self._recipe = clips, targets.soft, tagger, recipe
        self._first = first
        self._odds = clip_odds(clips, targets)
        every = np.concatenate([clip.features[:, columns(FEATURE_WIDTHS, "mn04")] for clip in clips])
        self._mean, self._deviation = every.mean(0), np.maximum(every.std(0), 1e-4)

    def __iter__(self) -> Iterator[Batch]:
        """All batches; in one of n worker processes every n-th, which the loader puts in order again."""
        worker = get_worker_info()
        first, apart = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in itertools.count(self._first + first, apart):
            yield self._draw(np.random.default_rng((self._recipe.seed, number)))

    def _draw(self, source: np.random.Generator) -> Batch:
        drawn = [self._example(source) for _ in range(self._recipe.batch_size)]
        waveforms = torch.from_numpy(np.stack([window.for_tagger for window, _ in drawn]))
        features, logits = features_and_logits(self._tagger, EFFICIENTAT_MEL, waveforms)
        scaled = np.clip((features.numpy() - self._mean) / self._deviation, -4, 4).astype(np.float32)
        targets = torch.from_numpy(np.stack([target for _, target in drawn]))
        images = torch.stack([self._image(window.for_image, source) for window, _ in drawn])
        return Batch(images, (targets + logits.softmax(1)) / 2, torch.from_numpy(scaled))

    def _image(self, window: Floats, source: np.random.Generator) -> Tensor:
        kind: SpectrogramKind = "cqt" if source.random() < self._recipe.cqt else "mel"
        is_augmented = source.random() < self._recipe.augmented
        return window_image(window, kind, (lambda values: augment(values, source)) if is_augmented else None)

    def _example(self, source: np.random.Generator) -> tuple[Window, Floats]:
        """A window, and the soft label (17,) of what it is made of."""
        window, target = self._single(source)
        if source.random() >= self._recipe.mixed:
            return window, target
        other, others_target = self._single(source)
        share = np.float32(source.uniform(0.5, 1.0))
        mixed = Window(*(share * one + (1 - share) * two for one, two in zip(window, other, strict=True)))
        powers = [share**2, (1 - share) ** 2]
        return mixed, np.average([target, others_target], axis=0, weights=powers).astype(np.float32)

    def _single(self, source: np.random.Generator) -> tuple[Window, Floats]:
        """A window of one recording, and the soft label of the nearest labelled window."""
        index = source.choice(len(self._clips), p=self._odds)
        clip = self._clips[index]
        window, middle_s = cut(clip.waveform, clip.sample_rate_hz, source)
        nearest = np.abs(clip.starts_s + NATIVE_WINDOWS.window_s / 2 - middle_s).argmin()
        return window, self._targets[index][nearest]


def cut(waveform: NDArray[np.int16], sample_rate_hz: int, source: np.random.Generator) -> tuple[Window, float]:
    """About 10 s from anywhere in a waveform (n,) of one sample at least, or a short excerpt repeated, often at another
    tempo.

    Returns the window, and the second of the recording that is in the middle of what it shows.
    """
    tempo = source.uniform(*_TEMPO) if source.random() < _OTHER_TEMPO else 1.0
    length = round(NATIVE_WINDOWS.window_s * sample_rate_hz * tempo)
    is_excerpt = source.random() < _EXCERPTS and len(waveform) > length
    shown = min(round(source.uniform(*_EXCERPT_S) * sample_rate_hz) if is_excerpt else length, len(waveform))
    start = int(source.integers(0, len(waveform) - shown + 1))
    samples = waveform[start : start + shown].astype(np.float32)
    if len(waveform) < length:  # it is repeated, from anywhere on
        samples = np.roll(samples, int(source.integers(0, shown)))
    played = Sound(np.resize(samples, length), sample_rate_hz * tempo)
    for_image, for_tagger = (_ten_seconds(played, rate_hz) for rate_hz in _RATES_HZ)
    gain = gain_to_level(for_image)  # one for both, so that two recordings are mixed in the same proportion
    return Window(gain * for_image, gain * for_tagger), (start + shown / 2) / sample_rate_hz


def _ten_seconds(sound: Sound, sample_rate_hz: int) -> Floats:
    return np.resize(sound.at(sample_rate_hz), round(NATIVE_WINDOWS.window_s * sample_rate_hz))


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
