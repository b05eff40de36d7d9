"""musicnn: convolutions over log-mel spectrograms whose filters are wide (timbre) or long (time).

J. Pons and X. Serra, arXiv 1909.06654; weights trained on the Million Song Dataset, ISC licence, from the PyPI package
musicnn 0.1.0, whose tags are replaced by a linear layer on the 200 features. The package rounds mels to float16, which
overflows; here all is float32.
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_N_MELS: Final = 96
#: Frames that the network was trained on at a time, 3 s; longer inputs are averaged over such patches.
_PATCH_FRAMES: Final = 187
#: (frames, bands) and number of the first filters; the wide ones look at .4 and .7 of the bands.
_FILTERS: Final = (((7, 38), 204), ((7, 67), 204), ((128, 1), 51), ((64, 1), 51), ((32, 1), 51))
_N_FIRST: Final = sum(number for _, number in _FILTERS)
_N_LATER: Final = 64
_LATER_LAYERS: Final = 3
_EPS: Final = 1e-3


class Musicnn(nn.Module):
    """Log-mels (n, 1, 96, frames), as `FrontEnd.to_input` makes them, -> logits (n, n_outputs).

    It has the methods by which timm's networks are explained and fine-tuned.
    """

    num_features: Final = 200

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, _EPS)
        self.first = nn.ModuleList(_Filters(size, number) for size, number in _FILTERS)
        widths = (_N_FIRST, *[_N_LATER] * (_LATER_LAYERS - 1))
        self.later = nn.ModuleList(_Later(width) for width in widths)
        n_maps = _N_FIRST + _LATER_LAYERS * _N_LATER
        self.pooled_norm = nn.BatchNorm1d(2 * n_maps, _EPS)
        self.dense = nn.Linear(2 * n_maps, self.num_features)
        self.features_norm = nn.BatchNorm1d(self.num_features, _EPS)
        self.classifier = nn.Linear(self.num_features, n_outputs)

    def forward_features(self, inputs: Tensor) -> Tensor:
        """The last feature map (n, 753, 1, frames); 0 for frames at the end that fill no patch."""
        n_clips, _, n_mels, n_frames = inputs.shape
        length = min(_PATCH_FRAMES, n_frames)
        n_patches = n_frames // length
        used = inputs[..., : n_patches * length].reshape(n_clips, n_mels, n_patches, length)
        patches = self.input_norm(used.permute(0, 2, 3, 1).reshape(-1, 1, length, n_mels))
        first = torch.cat([filters(patches) for filters in self.first], 1)
        maps, hidden = [first], first
        for layer in self.later:
            # All but the first of these layers have as many outputs as inputs, and add them.
            hidden = layer(hidden) + (0 if hidden is first else hidden)
            maps.append(hidden)
        joined = torch.cat(maps, 1).reshape(n_clips, n_patches, -1, length).transpose(1, 2).flatten(2)
        return functional.pad(joined, (0, n_frames - n_patches * length))[:, :, None]

    def forward_head(self, features: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Logits (n, n_outputs) of a feature map, or with `pre_logits` the mean of its patches' features (n, 200)."""
        n_clips, n_maps, _, n_frames = features.shape
        length = min(_PATCH_FRAMES, n_frames)
        n_patches = n_frames // length
        patches = features[:, :, 0, : n_patches * length].reshape(n_clips, n_maps, n_patches, length)
        # The largest and the mean of each map, side by side.
        pooled = torch.stack([patches.amax(3), patches.mean(3)], 2).flatten(1, 2).transpose(1, 2).flatten(0, 1)
        hidden = self.features_norm(functional.relu(self.dense(self.pooled_norm(pooled))))
        mean = hidden.reshape(n_clips, n_patches, -1).mean(1)
        return mean if pre_logits else cast(Tensor, self.classifier(mean))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (n, n_outputs) of log-mels (n, 1, 96, frames)."""
        return self.forward_head(self.forward_features(inputs))

    def group_matcher(self, *, coarse: bool = False) -> dict[str, Any]:
        """By which timm tells which parameters belong to which block; there is one way only, coarse or not."""
        del coarse
        return {
            "stem": r"^(input_norm|first)\.",
            "blocks": [
                (r"^later\.(\d+)\.", None),
                (r"^(pooled_norm|dense|features_norm)\.", (98,)),
                (r"^classifier\.", (99,)),
            ],
        }


class _Filters(nn.Module):
    """Filters over (n, 1, frames, 96) and the maximum over the bands: (n, number, frames)."""

    def __init__(self, size: tuple[int, int], number: int) -> None:
        super().__init__()
        before = (size[0] - 1) // 2
        self.margins = (before, size[0] - 1 - before)
        self.conv = nn.Conv2d(1, number, size)
        self.norm = nn.BatchNorm2d(number, _EPS)

    def forward(self, patches: Tensor) -> Tensor:
        padded = functional.pad(patches, (0, 0, *self.margins))
        found: Tensor = self.norm(functional.relu(self.conv(padded)))
        return found.amax(3)


class _Later(nn.Module):
    """A convolution over time: (n, width, frames) -> (n, 64, frames)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, _N_LATER, 7, padding=3)
        self.norm = nn.BatchNorm1d(_N_LATER, _EPS)

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.norm(functional.relu(self.conv(maps)))
        return found
