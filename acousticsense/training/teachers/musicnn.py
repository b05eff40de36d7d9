"""musicnn 0.1.0 in PyTorch: a tagger trained on the Million Song Dataset (J. Pons, X. Serra; ISC).

Weights come from `convert_musicnn`. The package rounds mels to float16, which overflows; here all is float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import librosa
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

__all__ = ["SAMPLE_RATE_HZ", "Musicnn"]

SAMPLE_RATE_HZ: Final = 16_000

_N_FFT: Final = 512
_HOP_LENGTH: Final = 256
_N_MELS: Final = 96
_PATCH_FRAMES: Final = 187
_BATCH_NORM_EPS: Final = 1e-3

#: The network of the package that is used, and its tensors' prefix.
_NETWORK: Final = "MSD_musicnn"


class Musicnn:
    """The tagger: waveforms in, 200 features and 50 tag logits out."""

    def __init__(self, weights: Path) -> None:
        prefix = f"{_NETWORK}/"
        tensors = load_file(weights)
        self._weights = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        self._window = torch.hann_window(_N_FFT)
        self._basis = torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=_N_FFT, n_mels=_N_MELS))

    def __call__(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 200) and logits (n, 50) of float32 (n, n_samples) at 16 kHz, averaged over 3 s patches."""
        patches = self._log_mel(waveforms).unfold(1, _PATCH_FRAMES, _PATCH_FRAMES).transpose(2, 3)
        with torch.no_grad():
            features, logits = self._network(patches.flatten(0, 1))
        n, per_clip = patches.shape[:2]
        return features.view(n, per_clip, -1).mean(1), logits.view(n, per_clip, -1).mean(1)

    def _log_mel(self, waveforms: Tensor) -> Tensor:
        """log10(1 + 10000 mel) as (n, frames, 96)."""
        spectrum = torch.stft(
            waveforms, _N_FFT, _HOP_LENGTH, window=self._window, pad_mode="constant", return_complex=True
        )
        return torch.log10(1 + 10_000 * (self._basis @ spectrum.abs().square())).transpose(1, 2)

    def _norm(self, x: Tensor, index: int) -> Tensor:
        """Batch normalisation number `index` over dimension 1."""
        name = f"batch_normalization_{index}" if index else "batch_normalization"
        scale, shift, mean, variance = (
            self._weights[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return functional.batch_norm(x, mean, variance, scale, shift, eps=_BATCH_NORM_EPS)

    def _front(self, x: Tensor) -> Tensor:
        """Timbral (wide) and temporal (long) filters over (n, 1, frames, 96): (n, 561, frames)."""
        wide = functional.pad(x, (0, 0, 3, 3))
        maps = [self._conv(wide, "conv2d", 1), self._conv(wide, "conv2d_1", 2)]
        for index, length in ((2, 128), (3, 64), (4, 32)):
            before = (length - 1) // 2
            long = functional.pad(x, (0, 0, before, length - 1 - before))
            maps.append(self._conv(long, f"conv2d_{index}", index + 1))
        return torch.cat(maps, 1)

    def _conv(self, x: Tensor, name: str, norm: int) -> Tensor:
        """Convolution, ReLU, normalisation and the maximum over frequency; TensorFlow stores kernels as HWIO."""
        kernel = self._weights[f"{name}/kernel"].permute(3, 2, 0, 1)
        return self._norm(functional.relu(functional.conv2d(x, kernel, self._weights[f"{name}/bias"])), norm).amax(3)

    def _middle(self, front: Tensor) -> Tensor:
        """Three residual layers over time, concatenated with their input: (n, 753, frames)."""
        maps, hidden = [front], front
        for index in (5, 6, 7):
            kernel = self._weights[f"conv2d_{index}/kernel"][:, :, 0].permute(2, 1, 0)
            bias = self._weights[f"conv2d_{index}/bias"]
            out = functional.relu(functional.conv1d(functional.pad(hidden, (3, 3)), kernel, bias))
            hidden = self._norm(out, index + 1) + (0 if index == 5 else hidden)
            maps.append(hidden)
        return torch.cat(maps, 1)

    def _network(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of log-mel patches (n, 187, 96)."""
        maps = self._middle(self._front(self._norm(patches[:, None], 0)))
        pooled = self._norm(torch.stack([maps.amax(2), maps.mean(2)], 2).flatten(1), 9)
        hidden = functional.relu(pooled @ self._weights["dense/kernel"] + self._weights["dense/bias"])
        features = self._norm(hidden, 10)
        return features, features @ self._weights["dense_1/kernel"] + self._weights["dense_1/bias"]
