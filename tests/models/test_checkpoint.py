from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from acousticsense.errors import (
    CheckpointError,
    CorruptCheckpointError,
    IncompatibleCheckpointError,
    UnsafeCheckpointError,
)
from acousticsense.models.checkpoint import (
    fits,
    infer_architecture,
    load_network,
    read_head,
)
from acousticsense.models.networks import UPSTREAM_ARCHITECTURES, build_network
from acousticsense.models.weights import read_state_dict, write_state_dict
from tests.torchvision_networks import (
    FEATURE_WIDTHS,
    image_size_of,
    logits,
    state_dict,
    torchvision_network,
    upstream_widths,
)

TOLERANCE = 1e-4
SMALL = "mobilenetv3_small_100"


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    return build_network(SMALL, 3)


@pytest.fixture
def weights(small: nn.Module) -> dict[str, Tensor]:
    return dict(small.state_dict())


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def assert_same_logits(name: str, head: str, path: Path) -> None:
    """Ours from the saved file against torchvision's, for images that it tells apart."""
    size = image_size_of(name)
    theirs = torchvision_network(name, head=head)
    expected = logits(theirs, size)
    torch.save(state_dict(theirs), path)
    expected_widths = upstream_widths(FEATURE_WIDTHS[name], 16) if head == "upstream" else ()
    del theirs
    gc.collect()

    ours, report = load_network(path, architecture=name, image_size=size)
    path.unlink()
    difference = (logits(ours, size) - expected).abs().max().item()
    assert (expected[0] - expected[1]).abs().max() > 0.1
    assert difference < TOLERANCE
    assert (report.n_outputs, report.head, report.missing) == (16, expected_widths, ())
    assert len(report.matched) + len(report.converted) == len(ours.state_dict())


@pytest.mark.parametrize("name", UPSTREAM_ARCHITECTURES)
def test_upstreams_checkpoint_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    assert_same_logits(name, "upstream", tmp_path / "save.pt")


@pytest.mark.parametrize("name", ["vgg19_bn", "efficientnet_b0", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_torchvisions_own_classifier_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    assert_same_logits(name, "own", tmp_path / "theirs.pth")


@torch.no_grad()
def test_torchvisions_wider_batch_norms_of_large_efficientnets_are_kept(tmp_path: Path) -> None:
    """B5 to B7 divide by the root of variance + 1e-3 there, and of variance + 1e-5 in timm."""
    import torchvision

    theirs = torchvision.models.efficientnet_b5(weights=None, num_classes=4).eval()
    for name, value in theirs.state_dict().items():
        if name.endswith("running_var"):
            value.fill_(1e-3)  # where eps weighs
    torch.save(theirs.state_dict(), tmp_path / "b5.pth")
    ours, _ = load_network(tmp_path / "b5.pth", architecture="efficientnet_b5", image_size=64)
    images = torch.randn(2, 3, 64, 64)
    first, second = ours.get_submodule("blocks.0.0"), ours.get_submodule("blocks.0.1")
    seen = second(first(ours.get_submodule("bn1")(ours.get_submodule("conv_stem")(images))))
    torch.testing.assert_close(seen, theirs.features[1][1](theirs.features[1][0](theirs.features[0](images))))


@pytest.mark.parametrize("name", ["vit_b_16", "resnet50", "densenet121", "convnext_base", "swin_b", "inception_v3"])
def test_torchvisions_single_linear_head_is_recognised(name: str) -> None:
    import torchvision

    with torch.device("meta"):
        extra = {"init_weights": False} if name == "inception_v3" else {}
        tensors = torchvision.models.get_model(name, weights=None, num_classes=7, **extra).state_dict()
    assert fits(tensors, name)
    assert (read_head(tensors, name).hidden, read_head(tensors, name).n_outputs) == ((), 7)


def test_inceptions_auxiliary_classifier_is_reported_as_unused(tmp_path: Path) -> None:
    import torchvision

    theirs = torchvision.models.inception_v3(weights=None, init_weights=False, num_classes=4).eval()
    torch.save(theirs.state_dict(), tmp_path / "save.pt")
    _, report = load_network(tmp_path / "save.pt", architecture="inception_v3", image_size=299)
    assert report.unused
    assert all(name.startswith("AuxLogits.") for name in report.unused)


@pytest.mark.parametrize("name", UPSTREAM_ARCHITECTURES)
def test_the_architecture_can_be_told_from_the_tensors(name: str) -> None:
    import torchvision

    with torch.device("meta"):
        extra = {"init_weights": False} if name == "inception_v3" else {}
        theirs = torchvision.models.get_model(name, weights=None, **extra).state_dict()
        ours = build_network(name, 16, image_size=image_size_of(name)).state_dict()
    assert infer_architecture(theirs) == name
    assert infer_architecture(ours) == name


def test_networks_that_are_not_upstreams_are_not_guessed() -> None:
    with torch.device("meta"):
        assert infer_architecture(build_network("resnet18", 16).state_dict()) is None


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "plain": lambda weights: weights,
    "state_dict": lambda weights: {"state_dict": weights, "epoch": 3},
    "model": lambda weights: {"model": weights, "loss": torch.tensor(0.3)},
    "model_state_dict": lambda weights: {"model_state_dict": weights, "optimizer": {"state": {}}},
    "nested twice": lambda weights: {"model": {"state_dict": weights}},
    "DataParallel": lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
    "Lightning": lambda weights: {"state_dict": {f"model.{name}": tensor for name, tensor in weights.items()}},
    "compiled and parallel": lambda weights: {f"module._orig_mod.{name}": t for name, t in weights.items()},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_nesting_and_wrappers_prefixes_are_taken_off(
    wrapping: str, small: nn.Module, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    path = saved(WRAPPINGS[wrapping](weights), tmp_path / "mine.pth")
    network, report = load_network(path, architecture=SMALL)
    assert torch.equal(logits(network, 224), logits(small, 224))
    assert report.n_outputs == 3
    assert report.converted == report.unused == report.missing == ()


def test_a_legacy_torch_file_is_read(weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "old.pt").keys() == weights.keys()


def test_half_precision_becomes_float32(weights: dict[str, Tensor], tmp_path: Path) -> None:
    halved = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    network, _ = load_network(saved(halved, tmp_path / "half.pt"), architecture=SMALL)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_the_network_does_not_depend_on_the_file_any_more(
    small: nn.Module, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    write_state_dict(weights, tmp_path / "w.safetensors")
    network, _ = load_network(tmp_path / "w.safetensors", architecture=SMALL)
    with (tmp_path / "w.safetensors").open("r+b") as file:
        file.truncate(100)
    assert torch.equal(logits(network, 224), logits(small, 224))


def test_batch_norms_counters_may_be_missing_and_are_reported(weights: dict[str, Tensor], tmp_path: Path) -> None:
    old = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    _, report = load_network(saved(old, tmp_path / "old.pt"), architecture=SMALL)
    assert set(report.missing) == weights.keys() - old.keys()


class TestEightBit:
    def test_a_quarter_of_the_size_and_nearly_the_same_logits(
        self, small: nn.Module, weights: dict[str, Tensor], tmp_path: Path
    ) -> None:
        write_state_dict(weights, tmp_path / "full.safetensors")
        write_state_dict(weights, tmp_path / "small.safetensors", eight_bit=True)
        assert (tmp_path / "small.safetensors").stat().st_size < 0.32 * (tmp_path / "full.safetensors").stat().st_size
        network, _ = load_network(tmp_path / "small.safetensors", architecture=SMALL)
        torch.testing.assert_close(logits(network, 224), logits(small, 224), atol=1e-2, rtol=0)

    def test_each_output_channel_has_its_own_scale(self, tmp_path: Path) -> None:
        tensors = {
            "w": torch.tensor([[[-127, 64]], [[1, 0]]], dtype=torch.int8),
            "w.__scale__": torch.tensor([[[0.5]], [[0.01]]]),
            "b": torch.ones(2),
        }
        save_file(tensors, tmp_path / "w.safetensors")
        restored = read_state_dict(tmp_path / "w.safetensors")
        assert restored.keys() == {"w", "b"}
        torch.testing.assert_close(restored["w"], torch.tensor([[[-63.5, 32.0]], [[0.01, 0.0]]]))

    @pytest.mark.parametrize("scale", [None, torch.ones(3, 1), torch.ones(2)])
    def test_without_a_fitting_scale_it_is_refused(self, scale: Tensor | None, tmp_path: Path) -> None:
        tensors = {"w": torch.ones(2, 5, dtype=torch.int8), **({} if scale is None else {"w.__scale__": scale})}
        save_file(tensors, tmp_path / "w.safetensors")
        with pytest.raises(CorruptCheckpointError, match=r"'w' needs a scale of shape \(2, 1\), found"):
            read_state_dict(tmp_path / "w.safetensors")

    def test_a_channel_of_zeros_stays_zero(self, tmp_path: Path) -> None:
        write_state_dict({"w": torch.zeros(2, 3)}, tmp_path / "w.safetensors", eight_bit=True)
        assert torch.equal(read_state_dict(tmp_path / "w.safetensors")["w"], torch.zeros(2, 3))

    def test_tensors_that_are_not_named_stay_exact(self, tmp_path: Path) -> None:
        weights = {"a": torch.randn(3, 3), "b": torch.randn(3, 3)}
        write_state_dict(weights, tmp_path / "w.safetensors", eight_bit={"a"})
        restored = read_state_dict(tmp_path / "w.safetensors")
        assert torch.equal(restored["b"], weights["b"])
        assert not torch.equal(restored["a"], weights["a"])


class Bomb:
    """Unpickling it runs a command."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


class TestUnsafe:
    @pytest.mark.parametrize("writer", ["torch", "legacy", "pickle"])
    def test_code_in_a_pickle_is_refused_and_not_run(
        self, writer: str, weights: dict[str, Tensor], tmp_path: Path
    ) -> None:
        path, victim = tmp_path / "evil.pt", tmp_path / "victim"
        content = {"state_dict": weights, "extra": Bomb(victim)}
        if writer == "pickle":
            path.write_bytes(pickle.dumps(content))
        else:
            torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
        with pytest.raises(UnsafeCheckpointError, match=r"evil\.pt holds more than tensors.*would run code"):
            load_network(path, architecture=SMALL)
        assert not victim.exists()

    def test_a_pickled_network_is_refused_with_the_way_to_save_it(self, tmp_path: Path) -> None:
        path = saved(nn.Linear(2, 2), tmp_path / "whole.pt")
        with pytest.raises(UnsafeCheckpointError, match=r"asks for torch\.nn.*state_dict\(\)"):
            read_state_dict(path)


class TestCorrupt:
    @pytest.mark.parametrize("kept", [0, 3, 40, 0.5, 0.999])
    @pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
    def test_truncated_files(self, form: str, kept: float, weights: dict[str, Tensor], tmp_path: Path) -> None:
        path = tmp_path / "cut.pt"
        if form == "safetensors":
            write_state_dict(weights, path)
        else:
            torch.save(weights, path, _use_new_zipfile_serialization=form == "zip")
        content = path.read_bytes()
        path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
        with pytest.raises(CorruptCheckpointError, match=r"cut\.pt is (damaged|truncated|not a weights file)"):
            read_state_dict(path)

    @pytest.mark.parametrize(
        "content", [b"hello world, I am text", b"<html>404</html>", bytes(range(256)) * 20, b"\xff" * 500]
    )
    def test_files_that_are_something_else(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "x.pt").write_bytes(content)
        with pytest.raises(CorruptCheckpointError, match="not a weights file"):
            read_state_dict(tmp_path / "x.pt")

    def test_a_git_lfs_pointer_is_told_apart(self, tmp_path: Path) -> None:
        (tmp_path / "save.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
        with pytest.raises(CorruptCheckpointError, match="git lfs pull"):
            read_state_dict(tmp_path / "save.pt")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_numbers(self, value: float, weights: dict[str, Tensor], tmp_path: Path) -> None:
        bad = weights | {"classifier.bias": torch.tensor([0.0, value, 0.0])}
        with pytest.raises(CorruptCheckpointError, match=r"'classifier\.bias' holds values that are not finite"):
            load_network(saved(bad, tmp_path / "nan.pt"), architecture=SMALL)


class TestNoWeights:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"no weights file .*nothing\.pt"):
            read_state_dict(tmp_path / "nothing.pt")

    @pytest.mark.parametrize(
        ("content", "told"),
        [({"epoch": 3, "note": "hi"}, "it holds epoch, note"), ({}, "it holds nothing"), ([1, 2], "holds a list")],
    )
    def test_a_file_without_tensors(self, content: object, told: str, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=told):
            read_state_dict(saved(content, tmp_path / "x.pt"))

    @pytest.mark.parametrize(
        "tensor", [torch.zeros(1).expand(10**9), torch.eye(3).to_sparse(), torch.zeros(2, dtype=torch.complex64)]
    )
    def test_tensors_that_are_no_plain_arrays(self, tensor: Tensor, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="'w' is not a plain array"):
            read_state_dict(saved({"w": tensor}, tmp_path / "x.pt"))


class TestIncompatible:
    def test_a_missing_layer_is_named_not_left_at_random(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        del weights["conv_stem.weight"]
        with pytest.raises(IncompatibleCheckpointError, match=r"1 missing: conv_stem\.weight"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture=SMALL)

    def test_a_layer_of_another_shape_is_named_with_both(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        weights["bn1.weight"] = torch.ones(5)
        with pytest.raises(IncompatibleCheckpointError, match=r"bn1\.weight expected \(16,\), found \(5,\)"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture=SMALL)

    def test_a_layer_too_many_is_named(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        weights["blocks.9.conv.weight"] = torch.ones(5, 5)
        with pytest.raises(IncompatibleCheckpointError, match=r"1 left over: blocks\.9\.conv\.weight"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture=SMALL)

    def test_a_deeper_relative_is_not_cut_down(self, tmp_path: Path) -> None:
        path = saved(build_network("resnet34", 3).state_dict(), tmp_path / "deep.pt")
        with pytest.raises(IncompatibleCheckpointError, match=r"does not fit resnet18.*left over"):
            load_network(path, architecture="resnet18")

    def test_the_architecture_that_would_fit_is_named(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        with pytest.raises(IncompatibleCheckpointError, match="look like the weights of mobilenet_v3_small"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture="resnet50")

    def test_a_file_without_a_classifier(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        features = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
        with pytest.raises(IncompatibleCheckpointError, match=r"no classifier .*expected classifier\.weight"):
            load_network(saved(features, tmp_path / "x.pt"), architecture=SMALL)

    def test_another_class_count_is_named_with_both_numbers(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        with pytest.raises(IncompatibleCheckpointError, match="Expected 16 classes, the file has 3"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture=SMALL, n_outputs=16)

    def test_another_head_than_the_recorded_one(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        with pytest.raises(IncompatibleCheckpointError, match=r"hidden layers \[8\], the file has \[\]"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture=SMALL, head=(8,))

    def test_an_mlp_of_unknown_make_is_refused(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        head = nn.Sequential(nn.Linear(576, 8), nn.Tanh(), nn.Linear(8, 3))
        content = {name: t for name, t in weights.items() if not name.startswith(("classifier.", "conv_head."))}
        content |= {f"classifier.{name}": tensor for name, tensor in head.state_dict().items()}
        with pytest.raises(IncompatibleCheckpointError, match=r"places \(0, 2\), which is not a known layout"):
            load_network(saved(content, tmp_path / "x.pt"), architecture=SMALL)

    def test_two_names_for_one_layer(self, tmp_path: Path) -> None:
        content = {"conv_proj.weight": torch.ones(2), "class_token": torch.ones(1), "cls_token": torch.ones(1)}
        with pytest.raises(IncompatibleCheckpointError, match="'class_token' and 'cls_token' in the file are both"):
            load_network(saved(content, tmp_path / "x.pt"), architecture="vit_b_16")

    def test_an_unknown_architecture(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="no network architecture called 'alexnet2'"):
            load_network(saved(weights, tmp_path / "x.pt"), architecture="alexnet2")


@pytest.mark.parametrize("place", ["fc", "fc.0", "fc.1"])
def test_a_single_linear_layer_may_stand_in_a_sequential(place: str, tmp_path: Path) -> None:
    weights = dict(build_network("resnet18", 3).state_dict())
    moved = {name.replace("fc.", f"{place}."): tensor for name, tensor in weights.items()}
    _, report = load_network(saved(moved, tmp_path / "x.pt"), architecture="resnet18")
    assert (report.head, report.n_outputs) == ((), 3)
    assert len(report.converted) == (0 if place == "fc" else 2)


def test_a_linear_layer_right_on_the_features_of_vgg_or_mobilenet(tmp_path: Path) -> None:
    theirs = build_network(SMALL, 3, direct=True)
    network, report = load_network(saved(theirs.state_dict(), tmp_path / "x.pt"), architecture=SMALL)
    assert report.head == ()
    assert torch.equal(logits(network, 224), logits(theirs, 224))


def test_writing_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for value in (1.0, 2.0):
        write_state_dict({"w": torch.full((3,), value)}, path)
    assert read_state_dict(path)["w"].tolist() == [2.0] * 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.safetensors"]


def test_writing_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_state_dict({"w": torch.ones(3)}, tmp_path / "missing" / "w.safetensors")
