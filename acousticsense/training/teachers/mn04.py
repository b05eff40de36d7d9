"""EfficientAT's mn04_as: a MobileNetV3-Large of width 0.4 distilled on AudioSet.

F. Schmid et al., arXiv 2211.04772; MIT licence.

The weights are the release file `mn04_as_mAP_432.pt` of github.com/fschmid56/EfficientAT.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.compliance.kaldi import get_mel_banks
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig, MobileNetV3
from torchvision.ops.misc import SqueezeExcitation

__all__ = ["SAMPLE_RATE_HZ", "Mn04", "read_weights"]

SAMPLE_RATE_HZ: Final = 32_000

_N_FFT: Final = 1024
_WIN_LENGTH: Final = 800
_HOP_LENGTH: Final = 320
_N_MELS: Final = 128
_F_MAX_HZ: Final = 15_000.0
_PRE_EMPHASIS: Final = 0.97

_WIDTH: Final = 0.4

#: Parts of the release's names and torchvision's for the same.
_RENAMED: Final = ((".conc_se_layers.0.", "."), ("classifier.2.", "classifier.0."), ("classifier.5.", "classifier.3."))

#: Marks squeeze-excitation layers in the release's names.
_GATE: Final = ".conc_se_layers.0."

#: MobileNetV3-Large (Howard et al., arXiv 1905.02244, table 1): input, kernel, expanded, output channels,
#: squeeze-excitation, activation, stride.
_BLOCKS: Final[tuple[tuple[int, int, int, int, bool, str, int], ...]] = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2),
    (160, 5, 960, 160, True, "HS", 1),
    (160, 5, 960, 160, True, "HS", 1),
)


def _network() -> MobileNetV3:
    """The network with torchvision's layout, a single input channel and 527 AudioSet outputs."""
    settings = [InvertedResidualConfig(*block, 1, _WIDTH) for block in _BLOCKS]
    gate = partial(SqueezeExcitation, scale_activation=nn.Sigmoid)
    block = cast("type[nn.Module]", partial(InvertedResidual, se_layer=gate))
    network = MobileNetV3(settings, last_channel=512, num_classes=527, block=block)
    first = cast(nn.Conv2d, cast(nn.Sequential, network.features[0])[0])
    cast(nn.Sequential, network.features[0])[0] = nn.Conv2d(1, first.out_channels, 3, 2, 1, bias=False)
    return network


def read_weights(path: Path) -> dict[str, Tensor]:
    """The release's weights under torchvision's names of MobileNetV3-Large."""
    return _torchvision_names(torch.load(path, map_location="cpu", weights_only=True))


def _torchvision_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The release's keys under torchvision's names; its gates are Linear layers, torchvision's are 1x1 convolutions."""
    renamed = {}
    for name, value in state.items():
        is_gate = _GATE in name
        for old, new in _RENAMED:
            name = name.replace(old, new)  # noqa: PLW2901 - each replacement works on the last
        renamed[name] = value[:, :, None, None] if is_gate and name.endswith("weight") else value
    return renamed


class Mn04:
    """The tagger: waveforms in, pooled features and AudioSet logits out."""

    def __init__(self, weights: Path, *, device: str = "cpu") -> None:
        self._network = _network()
        self._network.load_state_dict(read_weights(weights))
        self._network.eval().to(device)
        banks, _ = get_mel_banks(_N_MELS, _N_FFT, SAMPLE_RATE_HZ, 0.0, _F_MAX_HZ, 100.0, -500.0, 1.0)
        self._banks = functional.pad(banks, (0, 1)).to(device)
        self._window = torch.hann_window(_WIN_LENGTH, periodic=False, device=device)

    def mel(self, waveforms: Tensor) -> Tensor:
        """Scaled log-mel (n, 128, frames) of float32 (n, n_samples) at 32 kHz."""
        emphasised = waveforms[:, 1:] - _PRE_EMPHASIS * waveforms[:, :-1]
        spectrum = torch.stft(emphasised, _N_FFT, _HOP_LENGTH, _WIN_LENGTH, self._window, return_complex=True)
        power = spectrum.abs().square()
        return ((self._banks @ power + 1e-5).log() + 4.5) / 5.0

    @torch.no_grad()
    def __call__(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 384) and logits (n, 527) of float32 (n, n_samples) at 32 kHz."""
        maps = self._network.features(self.mel(waveforms)[:, None])
        features = maps.mean((2, 3))
        return features, self._network.classifier(features)
