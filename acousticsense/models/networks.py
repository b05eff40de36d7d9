"""Networks: `timm.create_model(architecture, **model_args)`, with the classifier heads that checkpoints bring along.

Beside timm's there are those of `OWN_ARCHITECTURES`, which are fed something else than images, and `vgg`'s, which timm
knows once it is imported. timm takes two seconds to import, which the default model does without.

Those of timm have its parameter names, also where the weights come from torchvision: for each network of
`UPSTREAM_ARCHITECTURES` the two libraries compute the same function once the names are converted (`conversion`).
Inception v3 is torchvision's with `transform_input=False`, which is what building it without weights means upstream.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, cast

import torch
from torch import nn

from acousticsense.errors import CheckpointError
from acousticsense.models.efficientat import EfficientAT
from acousticsense.models.musicnn import Musicnn
from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL, MUSICNN_MEL, FrontEnd

#: Networks of ccmusic-database/music_genre: torchvision's name -> the timm model that computes the same function.
UPSTREAM_ARCHITECTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vit_b_16": "vit_base_patch16_224",
        "vgg19_bn": "vgg19_bn",
        "resnet50": "resnet50",
        "densenet121": "densenet121",
        "efficientnet_b0": "efficientnet_b0",
        "mobilenet_v3_large": "mobilenetv3_large_100",
        "mobilenet_v3_small": "mobilenetv3_small_100",
        "convnext_base": "convnext_base",
        "swin_b": "swin_base_patch4_window7_224",
        "inception_v3": "inception_v3",
    }
)


@dataclass(frozen=True)
class OwnArchitecture:
    """A network that is not timm's.

    Attributes:
        build: makes the network from its number of outputs and `model_args`.
        classifier: where it keeps its last linear layer.
        front_end: what it is fed.
    """

    build: Callable[..., nn.Module]
    classifier: str
    front_end: FrontEnd


#: Architecture -> how it is made.
OWN_ARCHITECTURES: Final = MappingProxyType(
    {
        "efficientat_mn04": OwnArchitecture(EfficientAT, "classifier", EFFICIENTAT_MEL),
        "musicnn": OwnArchitecture(Musicnn, "classifier", MUSICNN_MEL),
    }
)

_AS_PUBLISHED: Final[Mapping[str, Any]] = MappingProxyType({})

#: Side of VGG's last feature map, as torchvision pools it before the classifier.
_VGG_GRID: Final = 7


def timm_with_ours() -> Any:
    """timm, which knows the networks of `vgg` then."""
    import_module("acousticsense.models.vgg")
    return import_module("timm")


def _reserved() -> frozenset[str]:
    """What else timm's functions take, which would fetch or read weights or change what comes out."""
    arguments = inspect.signature(timm_with_ours().create_model).parameters
    return frozenset({*arguments, "num_classes", "features_only", "out_indices", "in_chans"})


def timm_name(architecture: str) -> str:
    """The timm name of an architecture given by its timm or torchvision name; the name itself of one of our own.

    Raises:
        CheckpointError: nobody knows it by that name.
    """
    if architecture in UPSTREAM_ARCHITECTURES:
        return UPSTREAM_ARCHITECTURES[architecture]
    if architecture in OWN_ARCHITECTURES:
        return architecture
    # is_model also keeps out timm's "hf-hub:..." and "local-dir:..." names, which would fetch or read further files.
    if timm_with_ours().is_model(architecture):
        return architecture.partition(".")[0]  # behind the point stands what timm's own weights were trained on
    known = [*UPSTREAM_ARCHITECTURES, *OWN_ARCHITECTURES, *timm_with_ours().list_models()]
    close = difflib.get_close_matches(architecture, known, n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Use a timm model name such as vit_base_patch16_224."
    raise CheckpointError(f"There is no network architecture called {architecture!r}.", hint=hint)


def classifier_name(architecture: str) -> str:
    """Where a timm model keeps its last linear layer, e.g. "head.fc".

    Raises:
        CheckpointError: the architecture is unknown or has no single classifier.
    """
    if architecture in OWN_ARCHITECTURES:
        return OWN_ARCHITECTURES[architecture].classifier
    name = _pretrained_cfg(architecture).classifier
    if not isinstance(name, str):
        raise CheckpointError(f"{architecture} has no single classifier layer, so it cannot be used here.")
    return name


def input_size(architecture: str) -> int:
    """Side in pixels of the square image that an architecture was designed for, or is shown with."""
    if architecture in OWN_ARCHITECTURES:
        return OWN_ARCHITECTURES[architecture].front_end.image_size
    return int(_pretrained_cfg(architecture).input_size[-1])


def build_network(
    architecture: str,
    n_outputs: int,
    *,
    model_args: Mapping[str, Any] = _AS_PUBLISHED,
    head: tuple[int, ...] = (),
    direct: bool = False,
    image_size: int = 224,
) -> nn.Module:
    """A freshly initialised network: what its front end feeds it, float32, -> (B, n_outputs) logits.

    Args:
        architecture: timm name, or a name of `UPSTREAM_ARCHITECTURES` or `OWN_ARCHITECTURES`.
        n_outputs: width of the last layer, at least 1.
        model_args: arguments of timm's that make the network another size than published, plain values, e.g.
            {"channels": [16, 32, 64, 128]} for a ResNet of a quarter of the width.
        head: widths of hidden layers between features and output; empty is a single linear layer.
        direct: the classifier hangs on the pooled features, without the hidden layers that VGG and MobileNetV3 have
            of their own; implied by `head`.
        image_size: side of the square input in pixels; only transformers depend on it.

    Returns:
        The network in eval mode, on the CPU, with random weights.

    Raises:
        CheckpointError: unknown architecture, arguments that it does not take, or a number below 1.
    """
    if n_outputs < 1 or any(width < 1 for width in head):
        raise CheckpointError(f"A network needs at least one output and no empty layer, got {n_outputs} and {head}.")
    name = timm_name(architecture)
    network = _created(name, n_outputs, model_args, image_size)
    if head or direct:
        attach_head(network, name, n_outputs, head)
    return network.eval()


def _created(name: str, n_outputs: int, model_args: Mapping[str, Any], image_size: int) -> nn.Module:
    try:
        if name in OWN_ARCHITECTURES:
            return OWN_ARCHITECTURES[name].build(n_outputs, **model_args)
        for key in sorted(model_args):
            if key in _reserved() or key.startswith("pretrained"):
                raise CheckpointError(f"model_args has {key!r}: only sizes and options of the network belong there.")
        options = {**_size_argument(name, image_size), **model_args}
        return cast(nn.Module, timm_with_ours().create_model(name, num_classes=n_outputs, **options))
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError, RuntimeError) as error:
        if not model_args:
            raise
        raise CheckpointError(f"{name} cannot be made with model_args {dict(model_args)}: {error}.") from error


def skeleton(architecture: str, n_outputs: int, **options: Any) -> nn.Module:
    """`build_network` without memory or initialising: on the meta device, for weights to be assigned.

    When they are, `fill_tables` makes it whole. Takes the arguments of `build_network`, and raises like it.
    """
    with torch.device("meta"):
        return build_network(architecture, n_outputs, **options)


def fill_tables(network: nn.Module) -> None:
    """Computes what a skeleton has besides its weights: tables such as Swin's relative positions.

    Raises:
        CheckpointError: a timm network without the means to compute them afterwards.
    """
    for name, module in network.named_modules():
        tables = {key: buffer for key, buffer in module.named_buffers(recurse=False) if buffer.is_meta}
        if not tables:
            continue
        if not hasattr(module, "init_non_persistent_buffers"):
            raise CheckpointError(f"{type(network).__name__} networks cannot be loaded: {name} needs {list(tables)}.")
        for key, buffer in tables.items():
            setattr(module, key, torch.empty_like(buffer, device="cpu"))
        cast(Any, module).init_non_persistent_buffers()


def _mlp(in_features: int, head: tuple[int, ...], n_outputs: int) -> nn.Module:
    if not head:
        return nn.Linear(in_features, n_outputs)
    layers: list[nn.Module] = []
    for wide, narrow in zip((in_features, *head[:-1]), head, strict=True):
        layers += [nn.Dropout(), nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(head[-1], n_outputs))


def attach_head(network: nn.Module, name: str, n_outputs: int, head: tuple[int, ...]) -> None:
    """Replaces the classifier of a timm network by an MLP on the pooled features, where torchvision's classifier hangs.

    Args:
        network: changed in place.
        name: its timm name.
        head: widths of hidden layers; empty is a single linear layer.
    """
    where = classifier_name(name)
    if name.startswith("vgg"):
        in_features = cast(int, network.num_features) * _VGG_GRID**2
        network.set_submodule("pre_logits", nn.Identity())
        network.set_submodule("head.global_pool", nn.Sequential(nn.AdaptiveAvgPool2d(_VGG_GRID), nn.Flatten()))
    elif name.startswith("mobilenetv3"):
        in_features = cast(int, network.num_features)
        network.set_submodule("conv_head", nn.Identity())
        network.set_submodule("act2", nn.Identity())
    else:
        in_features = cast(nn.Linear, network.get_submodule(where)).in_features
    network.set_submodule(where, _mlp(in_features, head, n_outputs))


def _pretrained_cfg(architecture: str) -> Any:
    return timm_with_ours().get_pretrained_cfg(timm_name(architecture))


def _size_argument(name: str, image_size: int) -> dict[str, Any]:
    config = _pretrained_cfg(name)
    return {"img_size": image_size} if config.fixed_input_size and config.input_size[-1] != image_size else {}
