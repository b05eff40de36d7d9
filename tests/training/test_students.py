"""Students compute the same as the networks that users get in their place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from acousticsense.training.students.columns import ColumnNetwork
from acousticsense.training.students.planting import plant
from acousticsense.training.students.thin import ThinNetwork
from acousticsense.training.students.transplant import transplanted
from acousticsense.training.teachers.mn04 import _network

OUTPUTS = 17


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Grey pictures that look like nothing, normalised."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(66, 1, 14, 28, generator=generator)
    return torch.nn.functional.interpolate(rough, (224, 224), mode="bilinear").sub(0.5).mul(2).expand(-1, 3, -1, -1)


@pytest.fixture(scope="module")
def columns(pictures: Tensor) -> ColumnNetwork:
    torch.manual_seed(0)
    network = ColumnNetwork(OUTPUTS, width=64, hidden=48, depth=2).eval()
    network.begin_with_statistics()
    with torch.no_grad():
        network.standardise(network.rows(pictures))
    return network


@torch.no_grad()
def test_vit_b_16_computes_what_the_column_network_computes(columns: ColumnNetwork, pictures: Tensor) -> None:
    few = pictures[:3]
    torch.testing.assert_close(columns.grown()(few), columns(few), atol=2e-3, rtol=1e-3)
    assert columns(few).std(0).mean() > 0.01


@torch.no_grad()
def test_statistics_are_means_and_fluxes_of_bands(columns: ColumnNetwork, pictures: Tensor) -> None:
    seen = columns.rows(pictures).unflatten(2, (12, 64))[:, :, 5]  # the sixth head looks at row 7 alone
    bands = pictures[:, 0].unflatten(1, (14, 8, 2)).mean(3)[:, 7].unflatten(2, (14, 16))  # (n, band, column, time)
    flux = (bands[..., 4:] - bands[..., :-4]).abs().mean(3).transpose(1, 2)
    for found, expected in ((seen[..., :8], bands.mean(3).transpose(1, 2)), (seen[..., 16:24], flux)):
        # layer norm shifts all features of a patch alike, so that they follow the statistics and do not equal them
        assert torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1] > 0.9


def test_statistics_need_room() -> None:
    with pytest.raises(ValueError, match="168 patch features"):
        ColumnNetwork(OUTPUTS, patch_width=64).begin_with_statistics()


@torch.no_grad()
@pytest.mark.parametrize(
    ("architecture", "head"), [("resnet50", ()), ("densenet121", ()), ("vgg19_bn", (24,)), ("efficientnet_b0", ())]
)
def test_the_published_network_computes_what_the_thin_one_computes(
    architecture: str, head: tuple[int, ...], pictures: Tensor
) -> None:
    torch.manual_seed(0)
    thin = ThinNetwork(architecture, OUTPUTS, width=0.25, head=head)
    thin(pictures[:4])  # running statistics other than the initial ones
    thin.eval()
    expected = thin(pictures[:2])
    assert expected.std() > 0
    torch.testing.assert_close(thin.grown()(pictures[:2]), expected, atol=1e-3, rtol=1e-3)


@pytest.fixture(scope="module")
def mn04(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teachers") / "mn04.pt"
    torch.save(_network().state_dict(), path)
    return path


@torch.no_grad()
def test_mobilenet_begins_with_the_first_features_of_mn04(mn04: Path, pictures: Tensor) -> None:
    student = transplanted("mobilenetv3_large_100", mn04, OUTPUTS).network.eval()
    teacher = _network()
    teacher.load_state_dict(torch.load(mn04))
    teacher.eval()
    expected = teacher.features[:4](pictures[:2, :1])  # before the first gate, which is another function
    seen = student.blocks[:2](student.bn1(student.conv_stem(pictures[:2])))
    torch.testing.assert_close(seen[:, : expected.shape[1]], expected, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_efficientnet_begins_with_mn04_s_weights_and_open_gates(mn04: Path, pictures: Tensor) -> None:
    student = transplanted("efficientnet_b0", mn04, OUTPUTS)
    weights = torch.load(mn04)
    planted = student.network.get_submodule("blocks.3.1.conv_pw").weight  # mn04's ninth block
    original = weights["features.8.block.0.0.weight"]
    torch.testing.assert_close(planted[: original.shape[0], : original.shape[1]], original)
    assert not planted[: original.shape[0], original.shape[1] :].any()
    assert student(pictures[:2]).shape == (2, OUTPUTS)


def test_other_architectures_cannot_begin_as_mn04(mn04: Path) -> None:
    with pytest.raises(ValueError, match="resnet50"):
        transplanted("resnet50", mn04, OUTPUTS)


def test_planting_tells_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="weight"):
        plant({"weight": torch.ones(3, 9), "bias": torch.ones(3)}, nn.Linear(4, 4), idle=True)
    with pytest.raises(ValueError, match="has no bias"):
        plant({"weight": torch.ones(3, 3)}, nn.Linear(4, 4), idle=True)
