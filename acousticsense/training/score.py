"""How right a network is about prepared clips: the figures that training logs and that choose between networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.training.clips import NOT_MUSIC_INDEX, Clip
from acousticsense.training.images import first_inputs

__all__ = ["logits_of", "score"]

_BATCH: Final = 32


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


def score(network: nn.Module, clips: Sequence[Clip], kind: SpectrogramKind = "mel") -> dict[str, Any]:
    """Figures on the first window of each clip with a sure label; genres alone are compared."""
    measured = [clip for clip in clips if clip.recording.is_measurable]
    logits = torch.from_numpy(logits_of(network, measured, kind))[:, :NOT_MUSIC_INDEX]
    labels = torch.tensor([clip.label for clip in measured])
    right = logits.argmax(1) == labels
    best = logits.topk(3, 1).indices
    recalls = [float(right[labels == label].float().mean()) for label in sorted(set(labels.tolist()))]
    return {
        "top1": round(float(right.float().mean()), 4),
        "top3": round(float((best == labels[:, None]).any(1).float().mean()), 4),
        "macro_recall": round(sum(recalls) / len(recalls), 4),
        "nll": round(float(torch.nn.functional.cross_entropy(logits, labels)), 4),
        "clips": len(labels),
    }
