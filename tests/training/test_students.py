"""Students compute the same as the networks that users get in their place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from acousticsense.models.checkpoint import write_state_dict
from acousticsense.models.networks import build_network
from acousticsense.models.weights import read_state_dict
from acousticsense.training.students.patch_conv import PatchConvNetwork
from acousticsense.training.students.planting import plant
from acousticsense.training.students.student import WholeNetwork
from acousticsense.training.students.thin import ThinNetwork
from acousticsense.training.students.transplant import transplanted
from acousticsense.training.teachers.mn04 import _network

OUTPUTS = 17


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Grey images that look like nothing, normalised."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(66, 1, 14, 28, generator=generator)
    return torch.nn.functional.interpolate(rough, (224, 224), mode="bilinear").sub(0.5).mul(2).expand(-1, 3, -1, -1)


@pytest.fixture(scope="module")
def patch_conv() -> PatchConvNetwork:
    """With weights far from where training begins, so that nothing hides behind small numbers."""
    torch.manual_seed(0)
    network = PatchConvNetwork(OUTPUTS, filters=8, width=64, head_width=8, hidden=48, depth=2).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.3 * value.std().nan_to_num(1.0) * torch.randn_like(value))
    return network


@torch.no_grad()
def test_vit_b_16_computes_what_the_convolutional_network_computes(
    patch_conv: PatchConvNetwork, images: Tensor
) -> None:
    few = images[:3]
    torch.testing.assert_close(patch_conv.grown()(few), patch_conv(few), atol=2e-3, rtol=1e-3)
    assert patch_conv(few).std(0).mean() > 0.01


@pytest.fixture(scope="module")
def loud(images: Tensor) -> PatchConvNetwork:
    """With states as large and as different from patch to patch as training makes them."""
    torch.manual_seed(1)
    network = PatchConvNetwork(OUTPUTS, filters=8, width=64, head_width=8, hidden=48, depth=3).eval()
    with torch.no_grad():
        network.pooled.weight.mul_(60)
        network.place.mul_(torch.linspace(20, 500, 14)[:, None])
    energies: list[Tensor] = []
    handle = network.asking.register_forward_hook(
        lambda _module, given, _found: energies.append(given[0].square().sum(2))
    )
    network(images[:3])
    handle.remove()
    spread = energies[0][:, 1:]
    assert 3000 < spread.max() < 20_000  # against 72 of codes and constants
    assert spread.max() / spread.min() > 6  # a key twice as long as another would win a plain product
    return network


@torch.no_grad()
def test_heads_find_their_patch_however_large_states_are(loud: PatchConvNetwork, images: Tensor) -> None:
    few = images[:3]
    expected = loud(few)
    torch.testing.assert_close(loud.grown()(few), expected, atol=2e-3 * float(expected.abs().max()), rtol=1e-3)


@torch.no_grad()
def test_heads_find_their_patch_in_half_precision_and_from_weights_of_8_bits(
    loud: PatchConvNetwork, images: Tensor, tmp_path: Path
) -> None:
    few = images[:3]
    expected = loud(few)
    tolerance = 0.08 * float(expected.std())
    network = loud.grown()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (network(few).float() - expected).abs().mean() < tolerance
    tensors = network.state_dict()
    matrices = {name for name, value in tensors.items() if value.ndim > 1} - {"pos_embed", "cls_token"}
    write_state_dict(tensors, tmp_path / "weights.safetensors", eight_bit=matrices)
    network.load_state_dict(read_state_dict(tmp_path / "weights.safetensors"))
    assert (network(few) - expected).abs().mean() < tolerance


@torch.no_grad()
def test_what_moves_by_a_patch_moves_the_convolutions_by_a_patch(patch_conv: PatchConvNetwork) -> None:
    state = torch.zeros(1, 197, 64)
    state[0, 1 + 14 * 6 + 6] = torch.randn(64)
    moved = torch.zeros_like(state)
    moved[0, 1 + 14 * 7 + 8] = state[0, 1 + 14 * 6 + 6]
    convolution = patch_conv.convolutions[0]
    before, after = (convolution(part)[0, 1:].reshape(14, 14, 64) for part in (state, moved))
    torch.testing.assert_close(after[4:11, 5:12], before[3:10, 3:10])
    assert (before[3:10, 3:10] - before[0, 0]).abs().max() > 0.01


def test_a_network_that_vit_b_16_has_no_room_for_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        PatchConvNetwork(OUTPUTS, width=640)
    with pytest.raises(ValueError, match="no room"):
        PatchConvNetwork(OUTPUTS, depth=11)


@torch.no_grad()
@pytest.mark.parametrize(
    ("architecture", "head"), [("resnet50", ()), ("densenet121", ()), ("vgg19_bn", (24,)), ("efficientnet_b0", ())]
)
def test_the_published_network_computes_what_the_thin_one_computes(
    architecture: str, head: tuple[int, ...], images: Tensor
) -> None:
    torch.manual_seed(0)
    thin = ThinNetwork(architecture, OUTPUTS, width=0.25, head=head)
    thin(images[:4])  # running statistics other than the initial ones
    thin.eval()
    expected = thin(images[:2])
    assert expected.std() > 0
    torch.testing.assert_close(thin.grown()(images[:2]), expected, atol=1e-3, rtol=1e-3)


@pytest.fixture(scope="module")
def mn04(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teachers") / "mn04.pt"
    torch.save(_network().state_dict(), path)
    return path


@torch.no_grad()
def test_mobilenet_begins_with_the_first_features_of_mn04(mn04: Path, images: Tensor) -> None:
    student = transplanted("mobilenetv3_large_100", mn04, OUTPUTS).network.eval()
    teacher = _network()
    teacher.load_state_dict(torch.load(mn04))
    teacher.eval()
    expected = teacher.features[:4](images[:2, :1])  # before the first gate, which is another function
    seen = student.blocks[:2](student.bn1(student.conv_stem(images[:2])))
    torch.testing.assert_close(seen[:, : expected.shape[1]], expected, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_efficientnet_begins_with_mn04_s_weights_and_open_gates(mn04: Path, images: Tensor) -> None:
    student = transplanted("efficientnet_b0", mn04, OUTPUTS)
    weights = torch.load(mn04)
    planted = student.network.get_submodule("blocks.3.1.conv_pw").weight  # mn04's ninth block
    original = weights["features.8.block.0.0.weight"]
    torch.testing.assert_close(planted[: original.shape[0], : original.shape[1]], original)
    assert not planted[: original.shape[0], original.shape[1] :].any()
    assert student(images[:2]).shape == (2, OUTPUTS)


def test_other_architectures_cannot_begin_as_mn04(mn04: Path) -> None:
    with pytest.raises(ValueError, match="resnet50"):
        transplanted("resnet50", mn04, OUTPUTS)


def test_planting_tells_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="weight"):
        plant({"weight": torch.ones(3, 9), "bias": torch.ones(3)}, nn.Linear(4, 4), idle=True)
    with pytest.raises(ValueError, match="has no bias"):
        plant({"weight": torch.ones(3, 3)}, nn.Linear(4, 4), idle=True)


@pytest.mark.parametrize(
    ("architecture", "early_side"),
    [
        ("vgg19_bn", 28),
        ("resnet50", 28),
        ("densenet121", 28),
        ("efficientnet_b0", 28),
        ("mobilenetv3_large_100", 28),
        ("vit_tiny_patch16_224", 14),
    ],
)
@torch.no_grad()
def test_what_networks_perceive_on_the_way_leads_to_their_answer(
    architecture: str, early_side: int, images: Tensor
) -> None:
    torch.manual_seed(0)
    head = (32,) if architecture == "vgg19_bn" else ()
    student = WholeNetwork(architecture, build_network(architecture, OUTPUTS, head=head)).eval()
    known = student.perceive(images[:2])
    torch.testing.assert_close(student.logits(known.features), student(images[:2]))
    assert known.features.shape == (2, student.width)
    shapes = [(2, student.map_widths[0], early_side, early_side), (2, student.map_widths[1], 14, 14)]
    assert [tuple(own.shape) for own in known.maps] == shapes
    assert known.maps[0].std() > 0
    assert not torch.equal(known.maps[0], known.maps[1])


@torch.no_grad()
def test_a_network_without_such_maps_gives_none(images: Tensor) -> None:
    architecture = "vit_tiny_patch16_224"
    network = build_network(architecture, OUTPUTS).eval()
    network.feature_info = []
    student = WholeNetwork(architecture, network)
    assert student.map_widths == ()
    known = student.perceive(images[:2])
    assert known.maps == ()
    torch.testing.assert_close(student.logits(known.features), student(images[:2]))


@torch.no_grad()
def test_the_maps_of_the_patches_lie_where_the_patches_lie(images: Tensor) -> None:
    torch.manual_seed(2)
    network = PatchConvNetwork(OUTPUTS, filters=8, width=64, head_width=8, hidden=48, depth=4).eval()
    image = images[:1]
    changed = image.clone()
    changed[:, :, 16 * 4 : 16 * 5, 16 * 9 : 16 * 10] += 0.5
    before, after = network.perceive(image).maps, network.perceive(changed).maps
    early, late = ((own - other).abs().sum(1)[0] for own, other in zip(after, before, strict=True))
    for moved in (early, late):
        assert tuple(moved.shape) == (14, 14)
        assert divmod(int(moved.argmax()), 14) == (4, 9)
    # one convolution reaches the neighbours and, apart from the mean of all, nothing two patches above; three do
    assert early[2, 9] < 0.01 * early[4, 9]
    assert late[2, 9] > 2 * early[2, 9]
