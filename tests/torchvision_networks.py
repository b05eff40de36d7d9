"""Torchvision networks as upstream builds them, with random weights under which every layer matters."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torchvision
from torch import Tensor, nn

#: Name -> width of the features that reach the classifier.
FEATURE_WIDTHS = {
    "vit_b_16": 768,
    "vgg19_bn": 25088,
    "resnet50": 2048,
    "densenet121": 1024,
    "efficientnet_b0": 1280,
    "mobilenet_v3_large": 960,
    "mobilenet_v3_small": 576,
    "convnext_base": 1024,
    "swin_b": 1024,
    "inception_v3": 2048,
}


def image_size_of(name: str) -> int:
    """Side of a network's square input in pixels."""
    return 299 if name == "inception_v3" else 224


def upstream_widths(feature_width: int, n_outputs: int) -> tuple[int, int, int]:
    """Widths of upstream's hidden layers, first to last: each step narrows by the fourth root of the whole way."""
    q = (feature_width / n_outputs) ** 0.25
    l1 = int(q * n_outputs)
    l2 = int(q * l1)
    return int(q * l2), l2, l1


def upstream_head(feature_width: int, n_outputs: int) -> list[nn.Module]:
    """Dropout, Linear, ReLU, Dropout, Linear, ReLU, Dropout, Linear, ReLU, Linear."""
    l3, l2, l1 = upstream_widths(feature_width, n_outputs)
    return [
        *(nn.Dropout(), nn.Linear(feature_width, l3), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(l3, l2), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(l2, l1), nn.ReLU()),
        nn.Linear(l1, n_outputs),
    ]


def torchvision_network(name: str, *, n_outputs: int = 16, head: str = "upstream", seed: int = 0) -> nn.Module:
    """A torchvision network in eval mode; `head` is "upstream" or "own" (torchvision's classifier)."""
    extra = {"init_weights": False} if name == "inception_v3" else {}
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=n_outputs, **extra)
    if head == "upstream":
        _attach(network, name, upstream_head(FEATURE_WIDTHS[name], n_outputs))
    torch.manual_seed(seed)
    randomise(network, image_size_of(name))
    _scale_logits(network.eval(), image_size_of(name))
    return network


def _attach(network: nn.Module, name: str, head: list[nn.Module]) -> None:
    match name:
        case "vit_b_16":
            network.set_submodule("heads.head", nn.Sequential(*head))
        case "resnet50" | "inception_v3":
            network.set_submodule("fc", nn.Sequential(*head))
        case "swin_b":
            network.set_submodule("head", nn.Sequential(*head))
        case "convnext_base":
            kept = list(network.get_submodule("classifier").children())[:2]
            network.set_submodule("classifier", nn.Sequential(*kept, *head))
        case _:
            network.set_submodule("classifier", nn.Sequential(*head))


@torch.no_grad()
def randomise(network: nn.Module, image_size: int) -> None:
    """No parameter stays at a value that hides it; batch-norm statistics fit the activations, but not exactly."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.normal_(std=(2 / fan_in) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            parameter.uniform_(0.5, 1.5) if name.endswith("weight") else parameter.normal_(std=0.1)
        elif name.endswith("layer_scale"):
            parameter.uniform_(0.2, 0.8)
        elif name.endswith(("class_token", "pos_embedding", "relative_position_bias_table")):
            parameter.normal_(std=0.5)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.train()
        network(images(image_size))
        for norm in norms:
            mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            mean += 0.1 * torch.randn_like(mean)
            variance *= torch.empty_like(variance).uniform_(0.7, 1.4)


@torch.no_grad()
def _scale_logits(network: nn.Module, image_size: int) -> None:
    """Logits of the size that trained networks have, so that differences between them mean something."""
    last = [module for name, module in network.named_modules() if isinstance(module, nn.Linear) and "Aux" not in name]
    scale = 5.0 / logits(network, image_size).abs().max()
    last[-1].weight.mul_(scale)
    last[-1].bias.mul_(scale)


def images(image_size: int, *, seed: int = 1) -> Tensor:
    """Two unlike images (2, 3, S, S) in -1..1: stripes, and blotches of random colour."""
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0, 40, image_size)
    stripes = torch.sin(ramp[:, None] * torch.rand(3, 1, 1, generator=generator) + ramp).expand(3, -1, -1)
    coarse = torch.rand(1, 3, 12, 12, generator=generator) * 2 - 1
    blotches = nn.functional.interpolate(coarse, size=(image_size, image_size), mode="bilinear")[0]
    return torch.stack([stripes, blotches])


@torch.no_grad()
def logits(network: nn.Module, image_size: int) -> Tensor:
    """What the network answers for `images`, (2, n_outputs)."""
    answer: Tensor = network(images(image_size))
    return answer


def state_dict(network: nn.Module) -> OrderedDict[str, Tensor]:
    """What upstream saves."""
    return OrderedDict(network.state_dict())
