"""EfficientAT's mn04: a MobileNetV3-Large of width 0.4 that reads log-mel spectrograms.

F. Schmid et al., "Efficient Large-scale Audio Tagging via Transformer-to-CNN Knowledge Distillation", arXiv 2211.04772;
weights under MIT from github.com/fschmid56/EfficientAT (`mn04_as_mAP_432.pt`), whose AudioSet classifier is replaced by
a linear layer on the pooled features. The parameters have torchvision's names of MobileNetV3-Large.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig, MobileNetV3
from torchvision.ops.misc import SqueezeExcitation

_WIDTH: Final = 0.4

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


class EfficientAT(nn.Module):
    """Log-mels (n, 1, 128, frames), as `FrontEnd.to_input` makes them, -> logits (n, n_outputs).

    It has the methods by which timm's networks are explained and fine-tuned.
    """

    num_features: Final = 384

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        settings = [InvertedResidualConfig(*block, 1, _WIDTH) for block in _BLOCKS]
        # Its gates are sigmoids where MobileNetV3 has hard ones.
        gate = partial(SqueezeExcitation, scale_activation=nn.Sigmoid)
        block = cast("type[nn.Module]", partial(InvertedResidual, se_layer=gate))
        self.features = cast(nn.Sequential, MobileNetV3(settings, last_channel=1, num_classes=1, block=block).features)
        stem = cast(nn.Sequential, self.features[0])
        stem[0] = nn.Conv2d(1, cast(nn.Conv2d, stem[0]).out_channels, 3, stride=2, padding=1, bias=False)
        self.classifier = nn.Linear(self.num_features, n_outputs)

    def forward_features(self, inputs: Tensor) -> Tensor:
        """The last feature map (n, 384, rows, columns), the lowest frequencies in row 0."""
        return cast(Tensor, self.features(inputs))

    def forward_head(self, features: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Logits (n, n_outputs) of a feature map, or with `pre_logits` its mean over time and frequency (n, 384)."""
        pooled = features.mean((2, 3))
        return pooled if pre_logits else cast(Tensor, self.classifier(pooled))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (n, n_outputs) of log-mels (n, 1, 128, frames)."""
        return self.forward_head(self.forward_features(inputs))

    def group_matcher(self, *, coarse: bool = False) -> dict[str, Any]:
        """By which timm tells which parameters belong to which block; there is one way only, coarse or not."""
        del coarse
        return {"stem": r"^features\.0\.", "blocks": [(r"^features\.(\d+)\.", None), (r"^classifier\.", (99,))]}
