"""How well a network does on real recordings that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.images import frame_s, normalise, to_image
from acousticsense.training.bank import NOT_MUSIC_INDEX, WINDOW_FRAMES, Item, cut

__all__ = ["Heard", "Score", "divergence", "hear", "is_measured", "measured_items", "score"]


_TEMPERATURES: Final = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


@dataclass(frozen=True)
class Score:
    """Figures over n real clips; genre probabilities leave the not-music output out.

    Attributes:
        balanced_nll: negative log-likelihood averaged by genre, at the best of a few temperatures: confidence is set
            right after training, so it is not judged before.
    """

    top1: float
    top3: float
    macro_recall: float
    balanced_nll: float
    n: int


def is_measured(item: Item) -> bool:
    """Whether it is a real recording whose genre people stated."""
    return item.track.kind == "real" and item.label is not None and item.track.labelled_by_people


def measured_items(items: list[Item]) -> list[Item]:
    """Real recordings whose genre people stated."""
    return [item for item in items if is_measured(item)]


@dataclass(frozen=True)
class Heard:
    """Logits (n, 17) of the windows of some tracks, and the output index of each (n,), -1 where nobody knows it."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]


@torch.no_grad()
def hear(network: nn.Module, items: list[Item], front_end: FrontEnd) -> Heard:
    """What a network says of every window of the items that all teachers heard: more than one, as tracks are few."""
    device = next(network.parameters()).device
    logits, labels = [], []
    for item in items:
        starts = np.round(item.arrays.starts_s / frame_s(front_end)).astype(int)
        values = np.stack([cut(item.arrays.log_values(front_end), start, WINDOW_FRAMES) for start in starts])
        images = normalise(to_image(torch.from_numpy(values), front_end), front_end)
        logits.append(network(images.to(device)).float().cpu().numpy())
        labels += [-1 if item.label is None else item.label] * len(starts)
    return Heard(np.concatenate(logits), np.array(labels))


def score(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
    """Figures from logits (n, 17) or (n, 16) and genre indices (n,)."""
    genres = logits[:, :NOT_MUSIC_INDEX].astype(np.float64)
    ranks = (-genres).argsort(1)
    right = ranks[:, 0] == labels
    present = np.unique(labels)
    return Score(
        top1=float(right.mean()),
        top3=float((ranks[:, :3] == labels[:, None]).any(1).mean()),
        macro_recall=float(np.mean([right[labels == genre].mean() for genre in present])),
        balanced_nll=min(_balanced_nll(genres / temperature, labels) for temperature in _TEMPERATURES),
        n=len(labels),
    )


def divergence(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Kullback-Leibler divergence, in nats, of answers (n, 17) from soft targets (n, 17), averaged by the targets'
    likeliest class and at the best of a few temperatures: how far a student is from what it is taught."""
    taught, answers = targets.astype(np.float64), logits.astype(np.float64)
    classes = taught.argmax(1)
    entropies = -(taught * np.log(np.maximum(taught, 1e-12))).sum(1)
    by_temperature = (-(taught * _log_softmax(answers / t)).sum(1) - entropies for t in _TEMPERATURES)
    return min(_balanced(values, classes) for values in by_temperature)


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def _balanced_nll(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    nll = -_log_softmax(logits)[np.arange(len(labels)), labels]
    return _balanced(nll, labels)


def _balanced(values: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """The mean of the classes' means."""
    return float(np.mean([values[classes == present].mean() for present in np.unique(classes)]))
