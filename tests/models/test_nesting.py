from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from acousticsense.models.checkpoint import load_network
from acousticsense.models.networks import build_network

SMALL = "mobilenetv3_small_100"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network(SMALL, 3)


@pytest.fixture
def weights(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


FOREIGN: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "criterion.weight": lambda weights: {**weights, "criterion.weight": torch.ones(3)},
    "train_acc.tp": lambda weights: {**prefixed("model.", weights), "train_acc.tp": torch.zeros(3)},
    "n_averaged": lambda weights: {**prefixed("module.", weights), "n_averaged": torch.tensor(7)},
    "blocks.0.0.total_ops": lambda weights: {**weights, "blocks.0.0.total_ops": torch.zeros(1)},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_the_networks_is_named_and_left_out(
    name: str, network: nn.Module, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(FOREIGN[name](weights), tmp_path / "x.pt")
    loaded, report = load_network(tmp_path / "x.pt", architecture=SMALL)
    assert report.unused == (name,)
    assert torch.equal(loaded.state_dict()["classifier.weight"], network.state_dict()["classifier.weight"])


def test_counters_of_another_shape_play_no_part(weights: dict[str, Tensor], tmp_path: Path) -> None:
    odd = {name: t.reshape(1) if name.endswith("num_batches_tracked") else t for name, t in weights.items()}
    torch.save(odd, tmp_path / "x.pt")
    assert load_network(tmp_path / "x.pt", architecture=SMALL)[1].unused == ()


AVERAGED: dict[str, Callable[[dict[str, Tensor], dict[str, Tensor]], object]] = {
    "state_dict_ema": lambda last, mean: {"state_dict": last, "state_dict_ema": mean, "epoch": 3},
    "model_ema": lambda last, mean: {"model": last, "model_ema": prefixed("module.", mean), "optimizer": {"state": {}}},
    "ema_state_dict": lambda last, mean: {"model_state_dict": last, "ema_state_dict": mean},
    "ema_model": lambda last, mean: {"state_dict": prefixed("model.", last) | prefixed("ema_model.module.", mean)},
    "swa_state_dict": lambda last, mean: {"net": last, "swa_state_dict": prefixed("module.", mean)},
}


@pytest.mark.parametrize("key", AVERAGED)
def test_averaged_weights_are_preferred_and_said(key: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    mean = {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    torch.save(AVERAGED[key](weights, mean), tmp_path / "x.pt")
    loaded, report = load_network(tmp_path / "x.pt", architecture=SMALL)
    assert torch.equal(loaded.state_dict()["classifier.weight"], mean["classifier.weight"])
    assert any(key in note and "were taken" in note for note in report.notes)


def test_averaged_weights_that_are_not_whole_are_said_and_not_taken(weights: dict[str, Tensor], tmp_path: Path) -> None:
    part = {name: tensor for name, tensor in weights.items() if "blocks.2" not in name}
    torch.save({"state_dict": weights, "state_dict_ema": part}, tmp_path / "x.pt")
    _, report = load_network(tmp_path / "x.pt", architecture=SMALL)
    assert any("not whole" in note for note in report.notes)


def test_torchs_own_averaged_model_is_read(network: nn.Module, tmp_path: Path) -> None:
    torch.save(AveragedModel(network).state_dict(), tmp_path / "x.pt")
    assert load_network(tmp_path / "x.pt", architecture=SMALL)[1].unused == ("n_averaged",)


def test_options_scores_and_paths_beside_the_weights_do_no_harm(weights: dict[str, Tensor], tmp_path: Path) -> None:
    beside = {"args": argparse.Namespace(lr=0.1, out=Path("x")), "best": np.float64(0.7), "folder": Path("x")}
    torch.save({"state_dict": weights, **beside}, tmp_path / "timm.pth.tar")
    assert load_network(tmp_path / "timm.pth.tar", architecture=SMALL)[1].unused == ()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_strided_and_shared_tensors_are_read(
    dtype: torch.dtype, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    odd = {name: t.to(dtype) if t.is_floating_point() else t for name, t in weights.items()}
    odd["classifier.weight"] = torch.stack([odd["classifier.weight"].T] * 2)[1].T
    torch.save(odd, tmp_path / "x.pt")
    loaded, _ = load_network(tmp_path / "x.pt", architecture=SMALL)
    assert torch.equal(loaded.state_dict()["classifier.weight"], odd["classifier.weight"].float())
