"""What adds nothing to a network is left out, and only that."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from acousticsense.explain import relevance
from acousticsense.idle import without_idle_parts
from acousticsense.networks import build_network


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def vit() -> Any:
    """Three heads of 64 in each block, 768 hidden units."""
    torch.manual_seed(0)
    return build_network("vit_tiny_patch16_224", 16)


def size(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@torch.no_grad()
def test_blocks_that_add_nothing_are_left_out_and_the_answers_stay(pictures: Tensor) -> None:
    network = vit()
    for block in (network.blocks[1], network.blocks[11]):
        for layer in (block.attn.proj, block.mlp.fc2):
            for value in layer.parameters():
                value.zero_()
    nearly = network.blocks[5]
    nearly.attn.proj.weight.zero_()  # its biases still add
    before = network(pictures)
    without_idle_parts(network)
    assert len(network.blocks) == 10
    torch.testing.assert_close(network(pictures), before, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_heads_and_units_that_nobody_reads_are_left_out(pictures: Tensor) -> None:
    network = vit()
    first, second = network.blocks[:2]
    first.attn.proj.weight[:, 64:128] = 0  # the head in the middle
    second.attn.proj.weight.zero_()  # all of them, but its bias adds
    first.mlp.fc2.weight[:, 100:700] = 0
    before = network(pictures)
    without_idle_parts(network)
    assert [block.attn.num_heads for block in network.blocks[:3]] == [2, 1, 3]
    assert (first.mlp.fc1.out_features, first.mlp.fc2.in_features) == (168, 168)
    assert first.attn.qkv.weight.shape == (3 * 128, 192)
    torch.testing.assert_close(network(pictures), before, atol=1e-5, rtol=1e-5)


def test_heat_maps_stay(pictures: Tensor) -> None:
    network = vit()
    with torch.no_grad():
        network.blocks[2].attn.proj.weight[:, :64] = 0
        network.blocks[3].mlp.fc2.weight[:, 7:] = 0
    picture = pictures[:1]
    before = relevance(network, picture, lambda logits: logits[:, 3])
    after = relevance(without_idle_parts(network), picture, lambda logits: logits[:, 3])
    assert before.std() > 0
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


def halve(convolution: Any) -> None:
    """Lets a convolution read only half of its channels, every other one."""
    convolution.weight[:, ::2] = 0


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["resnet50", "vgg19_bn", "densenet121"])
def test_channels_that_nobody_reads_are_left_out(architecture: str, pictures: Tensor) -> None:
    torch.manual_seed(0)
    network: Any = build_network(architecture, 16)
    for module in network.modules():  # statistics and biases that show when the wrong channel goes
        if isinstance(module, nn.BatchNorm2d):
            for statistic, low in ((module.running_mean, -0.2), (module.running_var, 0.5)):
                assert statistic is not None
                statistic.uniform_(low, low + 1)
            module.bias.normal_(0, 0.1)
    if architecture == "resnet50":
        halve(network.layer2[1].conv2)
        halve(network.layer2[1].conv3)
        changed = [network.layer2[1].conv1, network.layer2[1].conv2]
    elif architecture == "vgg19_bn":
        halve(network.features[7])  # a pooling layer lies between it and the convolution before
        halve(network.features[10])
        changed = [network.features[3], network.features[7]]
    else:
        halve(network.features.denseblock2.denselayer3.conv2)
        changed = [network.features.denseblock2.denselayer3.conv1]
    widths = [convolution.out_channels for convolution in changed]
    before, parameters = network(pictures), size(network)
    without_idle_parts(network)
    assert [convolution.out_channels for convolution in changed] == [width // 2 for width in widths]
    assert size(network) < parameters
    assert before.std() > 0
    torch.testing.assert_close(network(pictures), before, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "architecture", ["vit_tiny_patch16_224", "mobilenetv3_small_050", "beit_base_patch16_224", "resnet50", "vgg19_bn"]
)
def test_networks_without_idle_parts_stay_as_they_are(architecture: str) -> None:
    network = build_network(architecture, 3)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in without_idle_parts(network).state_dict().items()} == shapes


@torch.no_grad()
def test_channels_behind_another_norm_stay(pictures: Tensor) -> None:
    """Group norm mixes channels, so that one that nobody reads still counts."""
    torch.manual_seed(0)
    network: Any = build_network("resnet50_gn", 16)
    halve(network.layer2[1].conv2)
    before = network(pictures)
    without_idle_parts(network)
    assert network.layer2[1].conv1.out_channels == 128
    torch.testing.assert_close(network(pictures), before)
