"""Other people's parameter names -> the names of our networks (timm's).

Names and layouts only: a rule table per network family. The facts about the names come from torchvision's and timm's
own `state_dict()`s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import Tensor

from acousticsense.errors import IncompatibleCheckpointError

Rule = tuple[str, str | Callable[[re.Match[str]], str]]


@dataclass(frozen=True)
class Renamed:
    """Tensors under our names.

    Attributes:
        tensors: our name -> tensor in our layout.
        origin: our name -> name in the file.
    """

    tensors: dict[str, Tensor]
    origin: dict[str, str]


def _stage(odd: str, even: str) -> Rule:
    """torchvision numbers stages and the downsampling between them alike: 1, 3, 5, 7 and 2, 4, 6."""

    def replace(match: re.Match[str]) -> str:
        number = int(match[1])
        return odd.format(number // 2) if number % 2 else even.format(number // 2)

    return r"^features\.([1-7])\.", replace


_VIT: Final[tuple[Rule, ...]] = (
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.ln\.", "norm."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
    (r"^heads\.(head\.)?", "head."),
)

_CONVNEXT: Final[tuple[Rule, ...]] = (
    (r"^features\.0\.", "stem."),
    _stage("stages.{}.blocks.", "stages.{}.downsample."),
    (r"\.layer_scale$", ".gamma"),
    (r"\.block\.0\.", ".conv_dw."),
    (r"\.block\.2\.", ".norm."),
    (r"\.block\.3\.", ".mlp.fc1."),
    (r"\.block\.5\.", ".mlp.fc2."),
    (r"^classifier\.0\.", "head.norm."),
    (r"^classifier\.(\d+)\.", lambda match: f"head.fc.{int(match[1]) - 2}."),
)

_SWIN: Final[tuple[Rule, ...]] = (
    (r"^features\.0\.0\.", "patch_embed.proj."),
    (r"^features\.0\.2\.", "patch_embed.norm."),
    _stage("layers.{}.blocks.", "layers.{}.downsample."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
    (r"^head\.", "head.fc."),
)

#: torchvision builds some networks with batch-norm eps 1e-3, timm with 1e-5. Only variance + eps enters, so the
#: difference goes into the variance.
_EPS_SHIFT: Final = 1e-3 - 1e-5

#: Blocks per stage; torchvision numbers them through.
_MOBILENET_DEPTHS: Final = MappingProxyType(
    {"mobilenetv3_large_100": (1, 2, 3, 4, 2, 3), "mobilenetv3_small_100": (1, 2, 3, 2, 3)}
)


def to_timm(tensors: Mapping[str, Tensor], architecture: str) -> Renamed:
    """Renames torchvision's parameters to timm's; parameters that already have timm's names pass through.

    Args:
        architecture: timm name of the network.

    Raises:
        IncompatibleCheckpointError: two tensors would get the same name.
    """
    rename, adapt = _family(tensors, architecture)
    converted: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for old, tensor in tensors.items():
        new = rename(old)
        if new in converted:
            raise IncompatibleCheckpointError(f"{origin[new]!r} and {old!r} in the file are both {new!r}.")
        converted[new], origin[new] = adapt(new, tensor), old
    return Renamed(converted, origin)


Rename = Callable[[str], str]
Adapt = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class _Family:
    """Networks whose names follow the same rules.

    Attributes:
        architectures: beginnings of timm names.
        marker: beginning of a parameter name that only torchvision uses.
        rules: makes the rules for a state dict of an architecture.
        adapt: our name, tensor -> the tensor in our layout.
    """

    architectures: tuple[str, ...]
    marker: str
    rules: Callable[[Mapping[str, Tensor], str], Iterable[Rule]]
    adapt: Adapt


def _family(tensors: Mapping[str, Tensor], architecture: str) -> tuple[Rename, Adapt]:
    """The rules for an architecture, or none when the file does not use torchvision's names."""
    for family in _FAMILIES:
        if architecture.startswith(family.architectures) and any(name.startswith(family.marker) for name in tensors):
            return _renamer(family.rules(tensors, architecture)), family.adapt
    return _renamer(()), _keep


def _vgg_rules(tensors: Mapping[str, Tensor], _architecture: str) -> tuple[Rule, ...]:
    if layer_indices(tensors, "classifier") != (0, 3, 6):
        return ((r"^classifier\.", "head.fc."),)
    return (
        (r"^classifier\.0\.", "pre_logits.fc1."),
        (r"^classifier\.3\.", "pre_logits.fc2."),
        (r"^classifier\.6\.", "head.fc."),
    )


def _efficientnet_rules(tensors: Mapping[str, Tensor], _architecture: str) -> tuple[Rule, ...]:
    found = (re.match(r"features\.([1-7])\.(\d+)\.block\.", name) for name in tensors)
    rules: list[Rule] = []
    for stage, block in dict.fromkeys(match.groups() for match in found if match):
        rules += _block_rules(tensors, f"features.{stage}.{block}.", f"blocks.{int(stage) - 1}.{block}.")
    return (*_stem_rules(8, "conv_head.", "bn2."), *rules)


def _mobilenet_rules(tensors: Mapping[str, Tensor], architecture: str) -> tuple[Rule, ...]:
    depths = _MOBILENET_DEPTHS[architecture]
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    rules: list[Rule] = []
    for number, (stage, block) in enumerate(places, start=1):
        rules += _block_rules(tensors, f"features.{number}.", f"blocks.{stage}.{block}.")
    last = f"blocks.{len(depths)}.0."
    if layer_indices(tensors, "classifier") == (0, 3):
        rules += [(r"^classifier\.0\.", "conv_head."), (r"^classifier\.3\.", "classifier.")]
    return (*_stem_rules(len(places) + 1, f"{last}conv.", f"{last}bn1."), *rules)


def _stem_rules(last: int, conv: str, norm: str) -> tuple[Rule, ...]:
    return (
        (r"^features\.0\.0\.", "conv_stem."),
        (r"^features\.0\.1\.", "bn1."),
        (rf"^features\.{last}\.0\.", conv),
        (rf"^features\.{last}\.1\.", norm),
    )


def _block_rules(tensors: Mapping[str, Tensor], old: str, new: str) -> list[Rule]:
    """An inverted-residual block: convolutions with norms, and squeeze-excite, numbered in order of use."""
    found = (re.match(rf"{re.escape(old)}block\.(\d+)\.", name) for name in tensors)
    units = sorted({int(match[1]) for match in found if match})
    excite = [unit for unit in units if f"{old}block.{unit}.fc1.weight" in tensors]
    convolutions = [unit for unit in units if unit not in excite]
    names = ("conv_dw", "conv_pw") if len(convolutions) == 2 else ("conv_pw", "conv_dw", "conv_pwl")
    rules: list[Rule] = []
    for number, (unit, name) in enumerate(zip(convolutions, names, strict=False), start=1):
        prefix = re.escape(f"{old}block.{unit}.")
        rules += [(rf"^{prefix}0\.", f"{new}{name}."), (rf"^{prefix}1\.", f"{new}bn{number}.")]
    for unit in excite:
        prefix = re.escape(f"{old}block.{unit}.")
        rules += [(rf"^{prefix}fc1\.", f"{new}se.conv_reduce."), (rf"^{prefix}fc2\.", f"{new}se.conv_expand.")]
    return rules


def _renamer(rules: Iterable[Rule]) -> Rename:
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def rename(name: str) -> str:
        for pattern, replacement in compiled:
            name = pattern.sub(replacement, name, count=1)
        return name

    return rename


def _keep(_name: str, tensor: Tensor) -> Tensor:
    return tensor


def _vgg_layout(name: str, tensor: Tensor) -> Tensor:
    """timm's hidden layers are convolutions: 7x7 over the whole map, then 1x1."""
    if name == "pre_logits.fc1.weight" and tensor.ndim == 2 and tensor.shape[1] % 49 == 0:
        return tensor.reshape(tensor.shape[0], -1, 7, 7)
    return tensor[..., None, None] if name == "pre_logits.fc2.weight" and tensor.ndim == 2 else tensor


def _mobilenet_layout(name: str, tensor: Tensor) -> Tensor:
    if name == "conv_head.weight" and tensor.ndim == 2:
        return tensor[..., None, None]
    return _with_eps(name, tensor)


def _with_eps(name: str, tensor: Tensor) -> Tensor:
    return tensor + _EPS_SHIFT if name.endswith(".running_var") else tensor


def _efficientat_layout(name: str, tensor: Tensor) -> Tensor:
    """The release's gates are linear layers, ours convolutions of one pixel."""
    return tensor[..., None, None] if name.endswith((".fc1.weight", ".fc2.weight")) and tensor.ndim == 2 else tensor


def _convnext_layout(name: str, tensor: Tensor) -> Tensor:
    return tensor.flatten() if name.endswith(".gamma") else tensor


_STEM: Final = "features.0.0."
_FAMILIES: Final = (
    _Family(("vit_",), "conv_proj.", lambda *_: _VIT, _keep),
    _Family(("vgg",), "classifier.", _vgg_rules, _vgg_layout),
    _Family(("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"), _STEM, _efficientnet_rules, _with_eps),
    _Family(("efficientnet_b",), _STEM, _efficientnet_rules, _keep),
    _Family(tuple(_MOBILENET_DEPTHS), _STEM, _mobilenet_rules, _mobilenet_layout),
    _Family(("convnext_",), _STEM, lambda *_: _CONVNEXT, _convnext_layout),
    _Family(("swin_",), _STEM, lambda *_: _SWIN, _keep),
    _Family(("efficientat_",), _STEM, lambda *_: ((r"\.conc_se_layers\.0\.", "."),), _efficientat_layout),
)


def layer_indices(tensors: Mapping[str, Tensor], prefix: str) -> tuple[int, ...]:
    """Numbers of the weights directly under `prefix`, ascending: a `nn.Sequential`'s layers."""
    found = (re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\.weight", name) for name in tensors)
    return tuple(sorted(int(match[1]) for match in found if match))
