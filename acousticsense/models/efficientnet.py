"""EfficientNet-B0 at a chosen width, which timm's own `efficientnet_b0` does not offer.

M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946, table 1.
Importing this module makes timm know it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import EfficientNet
from torch import nn

__all__ = ["efficientnet_b0_slim"]

#: Stages at full width in timm's notation: repeats, kernel, stride, expansion, channels, squeeze-and-excitation.
_STAGES: Final = [
    ["ds_r1_k3_s1_e1_c16_se0.25"],
    ["ir_r2_k3_s2_e6_c24_se0.25"],
    ["ir_r2_k5_s2_e6_c40_se0.25"],
    ["ir_r3_k3_s2_e6_c80_se0.25"],
    ["ir_r3_k5_s1_e6_c112_se0.25"],
    ["ir_r4_k5_s2_e6_c192_se0.25"],
    ["ir_r1_k3_s1_e6_c320_se0.25"],
]
_STEM, _FEATURES = 32, 1280

default_cfgs = generate_default_cfgs(
    {"efficientnet_b0_slim": {"input_size": (3, 224, 224), "first_conv": "conv_stem", "classifier": "classifier"}}
)


@register_model
def efficientnet_b0_slim(pretrained: bool = False, *, width: float = 1.0, **options: Any) -> nn.Module:
    """EfficientNet-B0 whose layers have `width` times as many channels, rounded to multiples of 8.

    Args:
        pretrained: there are no weights of timm's; False.
        width: above 0; 1 is EfficientNet-B0 as published.
        options: of timm's `EfficientNet`.
    """
    rounded = partial(round_channels, multiplier=width)
    return build_model_with_cfg(
        EfficientNet,
        "efficientnet_b0_slim",
        pretrained,
        block_args=decode_arch_def(_STAGES),
        num_features=rounded(_FEATURES),
        stem_size=_STEM,
        round_chs_fn=rounded,
        act_layer=nn.SiLU,
        **options,
    )
