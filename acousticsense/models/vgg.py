"""VGG19 with batch normalisation at a chosen width, which timm's own `vgg19_bn` does not offer.

K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv 1409.1556,
configuration E. Importing this module makes timm know it.
"""

from __future__ import annotations

from typing import Any, Final

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vgg import VGG
from torch import nn

#: Filters of each convolution at full width; "M" is a pooling layer.
_LAYERS: Final[tuple[int | str, ...]] = (
    *(64, 64, "M"),
    *(128, 128, "M"),
    *(256, 256, 256, 256, "M"),
    *(512, 512, 512, 512, "M"),
    *(512, 512, 512, 512, "M"),
)

default_cfgs = generate_default_cfgs(
    {"vgg19_bn_slim": {"input_size": (3, 224, 224), "first_conv": "features.0", "classifier": "head.fc"}}
)


@register_model
def vgg19_bn_slim(pretrained: bool = False, *, width: float = 1.0, **options: Any) -> nn.Module:
    """VGG19-BN whose convolutions have `width` times as many filters, at least one.

    Args:
        pretrained: there are no weights of timm's; False.
        width: above 0; 1 is VGG19-BN as published.
        options: of timm's `VGG`, such as `mlp_ratio`, which sizes the first hidden layer of the classifier.
    """
    layers = [size if isinstance(size, str) else max(1, round(size * width)) for size in _LAYERS]
    return build_model_with_cfg(
        VGG, "vgg19_bn_slim", pretrained, model_cfg=layers, norm_layer=nn.BatchNorm2d, **options
    )
