"""How right answers about prepared clips are: the figures that training logs and that choose between networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from acousticsense.evaluation.calibration import Answers
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.training.clips import NOT_MUSIC_INDEX, Clip
from acousticsense.training.images import first_inputs

_BATCH: Final = 32


def measured(clips: Sequence[Clip]) -> tuple[list[Clip], NDArray[np.int64]]:
    """The clips that can be measured on, and their labels (n,): index of the genre, -1 for what is not music."""
    chosen = [clip for clip in clips if clip.recording.is_measurable or clip.label == NOT_MUSIC_INDEX]
    return chosen, np.array([-1 if clip.label == NOT_MUSIC_INDEX else clip.label for clip in chosen])


def logits_of(network: nn.Module, clips: Sequence[Clip], kind: SpectrogramKind = "mel") -> NDArray[np.float32]:
    """Logits (n, 17) of the first window of each clip."""
    network.eval()
    found = []
    device = next(network.parameters()).device
    with torch.inference_mode():
        for first in range(0, len(clips), _BATCH):
            images = first_inputs(clips[first : first + _BATCH], kind)
            found.append(network(images.to(device)).float().cpu().numpy())
    return np.concatenate(found)


def answers_of(network: nn.Module, clips: Sequence[Clip], kind: SpectrogramKind = "mel") -> Answers:
    """What a network says of the first window of each clip that can be measured on."""
    chosen, labels = measured(clips)
    return Answers(logits=logits_of(network, chosen, kind), labels=labels, n_labels=NOT_MUSIC_INDEX)


def figures(scores: NDArray[np.float32], labels: NDArray[np.integer]) -> dict[str, float]:
    """Figures on music; genres alone are compared.

    Args:
        scores: (n, 16 or 17), of which the negative log-likelihood takes the softmax.
        labels: (n,) as `measured` gives them.
    """
    is_music = labels >= 0
    scores, labels = scores[is_music, :NOT_MUSIC_INDEX], labels[is_music]
    ranks = (-scores).argsort(1)
    right = ranks[:, 0] == labels
    return {
        "top1": float(right.mean()),
        "top3": float((ranks[:, :3] == labels[:, None]).any(1).mean()),
        "macro_recall": float(np.mean([right[labels == label].mean() for label in np.unique(labels)])),
        "nll": float(functional.cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels))),
        "clips": len(labels),
    }
