"""EfficientAT's mn04_as as a teacher: the network of `models.efficientat` with AudioSet's own classifier on top.

F. Schmid et al., arXiv 2211.04772; MIT licence. The weights are the release file `mn04_as_mAP_432.pt` of
github.com/fschmid56/EfficientAT.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from acousticsense.models.conversion import to_timm
from acousticsense.models.efficientat import EfficientAT
from acousticsense.models.weights import read_state_dict
from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL
from acousticsense.spectrogram.spectrogram import log_spectrogram

__all__ = ["SAMPLE_RATE_HZ", "Mn04", "read_trunk"]

SAMPLE_RATE_HZ: Final = EFFICIENTAT_MEL.sample_rate_hz

#: The windows that come are at one level already.
_FRONT_END: Final = replace(EFFICIENTAT_MEL, level_dbfs=None)

_FIRST, _SECOND = "classifier.2", "classifier.5"


def _read(path: Path) -> dict[str, Tensor]:
    return to_timm(read_state_dict(path), "efficientat_mn04").tensors


def read_trunk(path: Path) -> dict[str, Tensor]:
    """The release's weights up to the pooled features, under the names of `EfficientAT`."""
    return {name: tensor for name, tensor in _read(path).items() if name.startswith("features.")}


class Mn04:
    """The tagger: waveforms in, pooled features and AudioSet logits out."""

    def __init__(self, weights: Path) -> None:
        released = _read(weights)
        self._network = EfficientAT(1)
        self._network.features.load_state_dict(
            {name.removeprefix("features."): tensor for name, tensor in read_trunk(weights).items()}
        )
        self._network.eval()
        self._layers = [(released[f"{name}.weight"], released[f"{name}.bias"]) for name in (_FIRST, _SECOND)]

    @torch.no_grad()
    def __call__(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 384) and logits (n, 527) of float32 (n, n_samples) at 32 kHz."""
        log_mels = _FRONT_END.to_input(log_spectrogram(waveforms, _FRONT_END)[:, None])
        maps = self._network.forward_features(log_mels)
        features = self._network.forward_head(maps, pre_logits=True)
        hidden = functional.hardswish(functional.linear(features, *self._layers[0]))
        return features, functional.linear(hidden, *self._layers[1])
