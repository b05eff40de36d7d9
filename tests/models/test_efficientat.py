"""EfficientAT's tagger: a network of its own behind the same doors as timm's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig, MobileNetV3
from torchvision.ops.misc import SqueezeExcitation

from acousticsense.errors import CheckpointError, IncompatibleCheckpointError, RequestError
from acousticsense.models.catalog import Catalog
from acousticsense.models.checkpoint import load_network
from acousticsense.models.efficientat import _BLOCKS, EfficientAT
from acousticsense.models.genres import GENRES
from acousticsense.models.importer import import_checkpoint
from acousticsense.models.networks import OWN_ARCHITECTURES, build_network, classifier_name, timm_name
from acousticsense.models.spec import Alternative, ModelSpec
from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL, NATIVE_CQT, NATIVE_WINDOWS

NAME = "efficientat_mn04"


def network(n_outputs: int = 17) -> EfficientAT:
    built = build_network(NAME, n_outputs)
    assert isinstance(built, EfficientAT)
    return built


def in_the_releases_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gates as the release has them: linear layers, one level deeper."""
    renamed = {}
    for name, value in weights.items():
        is_linear = ".fc" in name and value.ndim == 4
        renamed[name.replace(".fc", ".conc_se_layers.0.fc")] = value[:, :, 0, 0].clone() if is_linear else value
    return renamed


def test_it_is_registered_beside_timms() -> None:
    assert timm_name(NAME) == NAME
    assert classifier_name(NAME) == "classifier"
    assert OWN_ARCHITECTURES[NAME].front_end == EFFICIENTAT_MEL
    with pytest.raises(CheckpointError, match="Did you mean efficientat_mn04"):
        timm_name("efficientat_mn4")


def test_log_mels_of_any_length_become_logits() -> None:
    built = network()
    with torch.inference_mode():
        for frames in (1000, 300):
            assert built(torch.zeros(2, 1, 128, frames)).shape == (2, 17)
        features = built.forward_features(torch.zeros(1, 1, 128, 1000))
        assert features.shape == (1, 384, 4, 32)
        assert built.forward_head(features, pre_logits=True).shape == (1, built.num_features)


def test_it_has_the_published_trunk() -> None:
    trunk = network().features
    assert sum(parameter.numel() for parameter in trunk.parameters()) == 516_128
    assert {norm.eps for norm in trunk.modules() if isinstance(norm, nn.BatchNorm2d)} == {1e-3}


def test_it_computes_what_torchvisions_blocks_compute() -> None:
    """With gates that are sigmoids, and one channel of input."""
    inputs = (16, *(shape.n_out for shape in _BLOCKS))
    settings = [
        InvertedResidualConfig(n_in, *shape[:4], "RE" if shape.activation is nn.ReLU else "HS", shape.stride, 1, 0.4)
        for n_in, shape in zip(inputs, _BLOCKS, strict=False)
    ]
    block: Any = partial(InvertedResidual, se_layer=partial(SqueezeExcitation, scale_activation=nn.Sigmoid))
    theirs: Any = MobileNetV3(settings, last_channel=1, num_classes=1, block=block).features
    theirs[0][0] = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
    ours = network()
    ours.features.load_state_dict(theirs.state_dict())
    log_mels = torch.randn(2, 1, 128, 300)
    with torch.inference_mode():
        for mode in (True, False):  # a step of training moves what inference normalises by
            assert torch.equal(ours.train(mode).forward_features(log_mels), theirs.train(mode)(log_mels))


def test_arguments_are_for_networks_of_timm() -> None:
    with pytest.raises(CheckpointError, match="efficientat_mn04 cannot be made with model_args"):
        build_network(NAME, 17, model_args={"width": 1.0})


def test_the_releases_names_are_read(tmp_path: Path) -> None:
    theirs = network()
    save_file(in_the_releases_names(theirs.state_dict()), tmp_path / "release.safetensors")
    ours, report = load_network(tmp_path / "release.safetensors", architecture=NAME)
    log_mel = torch.randn(1, 1, 128, 200)
    with torch.inference_mode():
        assert torch.equal(ours(log_mel), theirs(log_mel))
    assert any(".conc_se_layers." in name for name in report.converted)


def test_the_releases_own_classifier_is_refused(tmp_path: Path) -> None:
    weights = {name: value for name, value in network().state_dict().items() if not name.startswith("classifier")}
    weights |= {"classifier.2.weight": torch.zeros(512, 384), "classifier.5.weight": torch.zeros(527, 512)}
    save_file(weights, tmp_path / "release.safetensors")
    with pytest.raises(IncompatibleCheckpointError, match="not a known layout"):
        load_network(tmp_path / "release.safetensors", architecture=NAME)


def test_a_checkpoint_is_imported_with_the_front_end_of_its_network(tmp_path: Path) -> None:
    save_file(network().state_dict(), tmp_path / "mine.safetensors")
    catalog, labels = Catalog(tmp_path / "models"), (*GENRES, "Speech")
    with pytest.raises(RequestError, match="fed its own mel spectrogram"):
        import_checkpoint(
            tmp_path / "mine.safetensors",
            architecture=NAME,
            spectrogram="cqt",
            labels=labels,
            name="mine",
            catalog=catalog,
        )
    import_checkpoint(
        tmp_path / "mine.safetensors", architecture=NAME, spectrogram="mel", labels=labels, name="mine", catalog=catalog
    )
    assert catalog.spec("mine").front_end == EFFICIENTAT_MEL
    assert catalog.spec("mine").windows == NATIVE_WINDOWS


def test_its_description_round_trips_and_has_no_further_image() -> None:
    spec = ModelSpec(name="tagger", architecture=NAME, labels=GENRES, front_end=EFFICIENTAT_MEL)
    assert ModelSpec.from_json(spec.to_json()) == spec
    with pytest.raises(ValueError, match="differ in image_size, mean or std, or in what is fed"):
        replace(spec, alternatives=(Alternative(front_end=NATIVE_CQT),))
