"""What adds nothing to a network is left out, and only that."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers import LayerScale
from torch import Tensor, nn

from acousticsense.analysis.explain import relevance
from acousticsense.models.idle import without_idle_parts
from acousticsense.models.networks import build_network


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def vit() -> Any:
    """Three heads of 64 in each block, 768 hidden units."""
    torch.manual_seed(0)
    return build_network("vit_tiny_patch16_224", 16)


def size(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@torch.no_grad()
def test_blocks_that_add_nothing_are_left_out_and_the_answers_stay(images: Tensor) -> None:
    network = vit()
    for block in (network.blocks[1], network.blocks[11]):
        for layer in (block.attn.proj, block.mlp.fc2):
            for value in layer.parameters():
                value.zero_()
    nearly = network.blocks[5]
    nearly.attn.proj.weight.zero_()  # its biases still add
    before = network(images)
    without_idle_parts(network)
    assert len(network.blocks) == 10
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_heads_and_units_that_nobody_reads_are_left_out(images: Tensor) -> None:
    network = vit()
    first, second = network.blocks[:2]
    first.attn.proj.weight[:, 64:128] = 0  # the head in the middle
    second.attn.proj.weight.zero_()  # all of them, but its bias adds
    first.mlp.fc2.weight[:, 100:700] = 0
    before = network(images)
    without_idle_parts(network)
    assert [block.attn.num_heads for block in network.blocks[:3]] == [2, 1, 3]
    assert (first.mlp.fc1.out_features, first.mlp.fc2.in_features) == (168, 168)
    assert first.attn.qkv.weight.shape == (3 * 128, 192)
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-5)


def test_heat_maps_stay(images: Tensor) -> None:
    network = vit()
    with torch.no_grad():
        network.blocks[2].attn.proj.weight[:, :64] = 0
        network.blocks[3].mlp.fc2.weight[:, 7:] = 0
    image = images[:1]
    before = relevance(network, image, lambda logits: logits[:, 3])
    after = relevance(without_idle_parts(network), image, lambda logits: logits[:, 3])
    assert before.std() > 0
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


def halve(convolution: Any) -> None:
    """Lets a convolution read only half of its channels, every other one."""
    convolution.weight[:, ::2] = 0


@torch.no_grad()
def lively(architecture: str) -> Any:
    """A network whose statistics and biases show when the wrong channel goes."""
    torch.manual_seed(0)
    network: Any = build_network(architecture, 16)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for statistic, low in ((module.running_mean, -0.2), (module.running_var, 0.5)):
                assert statistic is not None
                statistic.uniform_(low, low + 1)
            module.bias.normal_(0, 0.1)
    return network


def convolutions(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@torch.no_grad()
@pytest.mark.parametrize(
    ("architecture", "left"),
    [
        ("resnet50", 0.35),
        ("vgg19_bn", 0.35),
        ("densenet121", 0.5),
        ("mobilenetv3_large_100", 0.7),
        ("inception_v3", 0.35),
    ],
)
def test_channels_that_nobody_reads_are_left_out(architecture: str, left: float, images: Tensor) -> None:
    """Of layers one behind the other, of sums, concatenations, squeeze and excitation, depthwise convolutions."""
    network = lively(architecture)
    for convolution in convolutions(network):
        if convolution.groups == 1 and convolution.in_channels > 3:
            halve(convolution)
    before, parameters = network(images), size(network)
    without_idle_parts(network)
    assert size(network) < left * parameters
    assert before.std() > 0
    torch.testing.assert_close(network(images), before, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_channel_stays_as_long_as_one_layer_reads_it(images: Tensor) -> None:
    network = lively("resnet50")
    stage = network.layer2
    for reader in (stage[1].conv1, stage[2].conv1, stage[3].conv1, network.layer3[0].conv1):
        reader.weight[:, :100] = 0
    before = network(images)
    without_idle_parts(network)
    assert stage[0].conv3.out_channels == 512  # the shortcut of the next stage reads all
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-4)
    network.layer3[0].downsample[0].weight[:, :90] = 0
    before = network(images)
    without_idle_parts(network)
    assert {block.conv3.out_channels for block in stage} == {422}
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_only_what_is_read_itself_reads(images: Tensor) -> None:
    network = lively("resnet50")
    block = network.layer2[1]
    halve(block.conv3)
    block.conv2.weight[1::2, 5] = 0  # of the outputs that count, none reads this channel; the others do
    before = network(images)
    without_idle_parts(network)
    assert (block.conv2.in_channels, block.conv2.out_channels) == (127, 64)
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-4)


def test_heat_maps_of_convolutional_networks_stay(images: Tensor) -> None:
    network = lively("resnet50")
    with torch.no_grad():
        for convolution in convolutions(network.layer4):
            halve(convolution)
        network.fc.weight[:, ::2] = 0
    before = relevance(network, images[:1], lambda logits: -logits[:, 3])
    after = relevance(without_idle_parts(network), images[:1], lambda logits: -logits[:, 3])
    assert network.fc.in_features == 1024
    assert before.std() > 0
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "architecture", ["vit_tiny_patch16_224", "mobilenetv3_small_050", "beit_base_patch16_224", "resnet50", "vgg19_bn"]
)
def test_networks_without_idle_parts_stay_as_they_are(architecture: str) -> None:
    network = build_network(architecture, 3)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in without_idle_parts(network).state_dict().items()} == shapes


@torch.no_grad()
@pytest.mark.parametrize(
    "architecture",
    [
        *("resnet50_gn", "convnext_atto", "convnext_tiny", "regnety_002", "swin_tiny_patch4_window7_224"),
        *("efficientvit_b0", "lambda_resnet26t", "mobilevit_xs", "vit_tiny_r_s16_p8_224"),
    ],
)
def test_networks_that_treat_channels_together_answer_as_before(architecture: str, images: Tensor) -> None:
    """Other norms, grouped convolutions, attention, layers of sequences, sizes that are computed with: a channel that
    nobody reads may still count."""
    network = lively(architecture)
    for convolution in convolutions(network):
        if convolution.groups == 1:
            halve(convolution)
    before = network(images)
    without_idle_parts(network)
    torch.testing.assert_close(network(images), before, atol=1e-4, rtol=1e-3)


class Split(nn.Module):
    """Two halves of a convolution's channels go different ways, and one layer is used in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.second = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.first(x).chunk(2, 1)
        y = self.last(self.second(one) - self.second(other).roll(1, 1))
        return y.mean((2, 3))


@torch.no_grad()
def test_what_is_not_understood_is_taken_for_read(images: Tensor) -> None:
    torch.manual_seed(0)
    network = Split()
    network.second.weight[:, 0] = 0
    network.last.weight[:, 1] = 0
    before = network(images)
    without_idle_parts(network)
    assert network.first.out_channels == 8
    torch.testing.assert_close(network(images), before)


class Hidden(nn.Module):
    """Uses a channel in a way that cannot be watched."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1)
        self.reader, self.last = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 5, 1)
        self.act = torch.jit.trace(nn.SiLU(), torch.zeros(1, 8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        gated = self.gate(x) * self.act(self.first(x))
        return (self.last(gated) + self.reader(self.gate(x))).mean((2, 3))


@torch.no_grad()
def test_a_network_that_would_answer_differently_is_put_back(images: Tensor) -> None:
    torch.manual_seed(0)
    network = Hidden()
    halve(network.reader)
    before, parameters = network(images), size(network)
    without_idle_parts(network)
    assert size(network) == parameters
    assert network.first.out_channels == 8
    torch.testing.assert_close(network(images), before, atol=0, rtol=0)


def narrow_vit(*, stream: int = 96, seed: int = 0) -> Any:
    """Its blocks write and read the first `stream` of 192 features, and values others than queries and keys."""
    network = vit()
    source = torch.Generator().manual_seed(seed)
    order = torch.randperm(192, generator=source)
    used, other = order[:stream], order[stream:]
    for block in network.blocks:
        for layer in (block.attn.proj, block.mlp.fc2):
            layer.weight[other] = 0
            layer.bias[other] = 0
        block.attn.qkv.weight[:384, used] = 0
        block.attn.qkv.weight[384:, other] = 0
        block.mlp.fc1.weight[:, other] = 0
    network.patch_embed.proj.weight[used] = 0
    network.patch_embed.proj.bias[used] = 0
    network.norm.weight.uniform_(0.5, 2)  # so that an order shows
    return network


@torch.no_grad()
def test_transformers_multiply_what_they_use_of_the_residual_stream(images: Tensor) -> None:
    network = narrow_vit()
    for block in network.blocks:
        for norm in (block.norm1, block.norm2):
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
    before, parameters = network(images), size(network)
    without_idle_parts(network)
    block = network.blocks[3]
    assert block.attn.qkv.queries_keys.weight.shape == (384, 96)
    assert block.attn.qkv.values.weight.shape == (192, 96)
    assert block.attn.proj.weight.shape == (96, 192)
    assert (block.mlp.fc1.weight.shape, block.mlp.fc2.weight.shape) == ((768, 96), (96, 768))
    assert network.patch_embed.proj.out_channels == 96
    assert size(network) < 0.6 * parameters
    assert before.std() > 0
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-4)


def test_heat_maps_of_narrow_transformers_stay(images: Tensor) -> None:
    with torch.no_grad():
        network = narrow_vit()
    before = relevance(network, images[:1], lambda logits: logits[:, 3])
    after = relevance(without_idle_parts(network), images[:1], lambda logits: logits[:, 3])
    assert before.std() > 0
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("odd", ["registers", "layer scale", "pooling", "norm"])
def test_unusual_transformers_answer_as_before(odd: str, images: Tensor) -> None:
    network = narrow_vit()
    if odd == "registers":
        network.reg_token = nn.Parameter(torch.randn(1, 1, 192))
        network.pos_embed = nn.Parameter(torch.randn(1, 198, 192))
        network.num_prefix_tokens = 2
    elif odd == "layer scale":
        network.blocks[2].ls1 = LayerScale(192, init_values=0.5)
    elif odd == "pooling":
        network.fc_norm = nn.LayerNorm(192)
        network.fc_norm.weight.uniform_(0.5, 2)
    else:
        network.blocks[2].norm1.weight[:50] = 0
        network.blocks[2].norm1.bias.normal_()
    before = network(images)
    without_idle_parts(network)
    torch.testing.assert_close(network(images), before, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_network_of_zeros_still_answers(images: Tensor) -> None:
    for network in (vit(), build_network("resnet50", 16)):
        for value in network.parameters():
            value.zero_()
        assert not without_idle_parts(network)(images).any()
