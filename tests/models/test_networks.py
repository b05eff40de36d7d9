from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from acousticsense.errors import CheckpointError
from acousticsense.models.heads import mlp_indices
from acousticsense.models.networks import (
    UPSTREAM_ARCHITECTURES,
    build_network,
    classifier_name,
    fill_tables,
    input_size,
    skeleton,
    timm_name,
)
from tests.torchvision_networks import FEATURE_WIDTHS, image_size_of, upstream_widths


@pytest.mark.parametrize("architecture", UPSTREAM_ARCHITECTURES)
def test_upstream_names_mean_timm_networks_of_the_same_input(architecture: str) -> None:
    ours = UPSTREAM_ARCHITECTURES[architecture]
    assert timm_name(architecture) == timm_name(ours) == ours
    assert input_size(architecture) == image_size_of(architecture)


def test_what_timms_own_weights_were_trained_on_does_not_matter() -> None:
    assert timm_name("mobilenetv3_large_100.ra_in1k") == "mobilenetv3_large_100"


@pytest.mark.parametrize("architecture", UPSTREAM_ARCHITECTURES)
def test_an_mlp_head_hangs_on_the_features_upstream_used(architecture: str) -> None:
    feature_width = FEATURE_WIDTHS[architecture]
    widths = upstream_widths(feature_width, 16)
    head = skeleton(architecture, 16, head=widths).get_submodule(classifier_name(architecture))
    linear = {index: layer for index, layer in enumerate(head.children()) if isinstance(layer, nn.Linear)}
    assert tuple(linear) == mlp_indices(4) == (1, 4, 7, 9)
    assert [layer.in_features for layer in linear.values()] == [feature_width, *widths]
    assert linear[9].out_features == 16


def test_upstreams_widths_are_the_documented_ones() -> None:
    assert upstream_widths(768, 16) == (289, 110, 42)
    assert upstream_widths(25088, 16) == (3958, 629, 100)


@pytest.mark.parametrize("options", [{}, {"head": (8,)}, {"direct": True}], ids=["own", "mlp", "direct"])
def test_a_image_becomes_logits(options: dict[str, Any]) -> None:
    network = build_network("mobilenetv3_small_100", 5, **options)
    assert not network.training
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 5)


def test_vgg19_of_full_width_is_timms_and_a_narrow_one_has_as_many_layers() -> None:
    whole = {name: value.shape for name, value in skeleton("vgg19_bn_slim", 5).state_dict().items()}
    assert whole == {name: value.shape for name, value in skeleton("vgg19_bn", 5).state_dict().items()}
    narrow = skeleton("vgg19_bn_slim", 5, model_args={"width": 0.125, "mlp_ratio": 0.0625}).state_dict()
    assert narrow.keys() == whole.keys()
    assert narrow["features.0.weight"].shape == (8, 3, 3, 3)
    assert classifier_name("vgg19_bn_slim") == classifier_name("vgg19_bn")
    assert input_size("vgg19_bn_slim") == 224


def test_a_direct_head_drops_the_hidden_layers_of_the_network_itself() -> None:
    own = skeleton("vgg19_bn", 5).state_dict()
    direct = skeleton("vgg19_bn", 5, direct=True).state_dict()
    assert "pre_logits.fc1.weight" in own
    assert "pre_logits.fc1.weight" not in direct
    assert direct["head.fc.weight"].shape == (5, 25088)


def test_image_size_reaches_transformers() -> None:
    assert skeleton("vit_tiny_patch16_224", 5, image_size=112).state_dict()["pos_embed"].shape[1] == 7 * 7 + 1


def test_a_filled_skeleton_is_the_network() -> None:
    built = build_network("swin_tiny_patch4_window7_224", 5)
    filled = skeleton("swin_tiny_patch4_window7_224", 5).eval()
    filled.load_state_dict(built.state_dict(), assign=True)
    fill_tables(filled)
    image = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(filled(image), built(image))


def test_an_unknown_architecture_is_refused_with_likely_names() -> None:
    with pytest.raises(CheckpointError, match=r"no network architecture called 'resnet5O'.*resnet50"):
        build_network("resnet5O", 16)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet50", "local-dir:/tmp/model"])
def test_names_that_would_make_timm_fetch_or_read_are_not_architectures(name: str) -> None:
    with pytest.raises(CheckpointError, match="no network architecture called"):
        build_network(name, 16)


def test_networks_without_a_single_classifier_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no single classifier"):
        build_network("deit_tiny_distilled_patch16_224", 16, head=(8,))


@pytest.mark.parametrize(("n_outputs", "head"), [(0, ()), (-1, ()), (16, (0,))])
def test_empty_layers_are_refused(n_outputs: int, head: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointError, match="at least one output"):
        build_network("resnet18", n_outputs, head=head)


@pytest.mark.parametrize(
    ("architecture", "model_args", "n_features"),
    [
        ("resnet50", {"channels": [16, 32, 64, 128]}, 512),
        ("densenet121", {"growth_rate": 8}, 256),
        ("vit_tiny_patch16_224", {"embed_dim": 96, "depth": 2}, 96),
    ],
)
def test_a_network_may_be_smaller_than_published(
    architecture: str, model_args: dict[str, Any], n_features: int
) -> None:
    network: Any = build_network(architecture, 5, model_args=model_args)
    assert network.num_features == n_features
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 5)


@pytest.mark.parametrize("model_args", [{"wings": 2}, {"channels": 3}])
def test_arguments_that_a_network_does_not_take_are_refused(model_args: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="resnet18 cannot be made with model_args"):
        build_network("resnet18", 5, model_args=model_args)


@pytest.mark.parametrize("key", ["pretrained", "checkpoint_path", "pretrained_cfg_overlay", "num_classes"])
def test_a_description_cannot_make_timm_fetch_or_read_weights(key: str) -> None:
    with pytest.raises(CheckpointError, match=f"model_args has '{key}'"):
        build_network("resnet18", 5, model_args={key: "x"})
