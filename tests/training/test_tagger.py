"""A tagger's head is fitted, put on the released trunk, calibrated and installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from acousticsense.evaluation.calibration import Answers
from acousticsense.models.catalog import Catalog
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import OWN_ARCHITECTURES, build_network
from acousticsense.models.spec import NEVER
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS
from acousticsense.training.tagger import TAGGERS, Tagger, fit_head, install_tagger, tagger_network
from acousticsense.training.teachers import musicnn
from tests.models.test_efficientat import in_the_releases_names

N_OUTPUTS = len(GENRES) + 1


def separable(n: int, *, width: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, width) around one centre a class, and the classes (n,)."""
    source = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(0, 0.1, (N_OUTPUTS, width))
    classes = np.arange(n) % N_OUTPUTS
    return (centres[classes] + source.normal(0, 0.05, (n, width)) + 3).astype(np.float32), classes


def soft(classes: np.ndarray) -> np.ndarray:
    return np.asarray(0.9 * np.eye(N_OUTPUTS)[classes] + 0.1 / N_OUTPUTS, np.float32)


def head(width: int) -> torch.nn.Linear:
    features, classes = separable(340, width=width)
    return fit_head(features, soft(classes), np.ones(len(classes), np.float32))


def answers(fitted: torch.nn.Linear, n: int, *, width: int, seed: int) -> Answers:
    """Of a head to n clips, a seventeenth of which is not music."""
    features, classes = separable(n, width=width, seed=seed)
    logits = fitted(torch.from_numpy(features)).detach().numpy()
    return Answers(logits=logits, labels=np.where(classes == len(GENRES), -1, classes), n_labels=len(GENRES))


def in_tensorflows_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """musicnn's weights as the package has them."""
    renamed = {"dense/kernel": weights["dense.weight"].T, "dense/bias": weights["dense.bias"]}
    for ours, theirs in musicnn.CONVOLUTIONS.items():
        kernel = weights[f"{ours}.weight"]
        renamed[f"{theirs}/kernel"] = (
            kernel.permute(2, 3, 1, 0) if kernel.ndim == 4 else kernel.permute(2, 1, 0)[:, :, None]
        )
        renamed[f"{theirs}/bias"] = weights[f"{ours}.bias"]
    for ours, theirs in musicnn.NORMS.items():
        renamed |= {f"{theirs}/{name}": weights[f"{ours}.{part}"] for part, name in musicnn.PARTS.items()}
    return {f"MSD_musicnn/{name}": value.contiguous() for name, value in renamed.items()}


@pytest.fixture(scope="module", params=list(TAGGERS))
def tagger(request: pytest.FixtureRequest) -> Tagger:
    return TAGGERS[request.param]


@pytest.fixture(scope="module")
def released(tagger: Tagger) -> Any:
    """A network with weights of its own."""
    torch.manual_seed(0)
    return build_network(tagger.name, 3)


@pytest.fixture(scope="module")
def release(tagger: Tagger, released: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as it was released."""
    path = tmp_path_factory.mktemp("release") / tagger.file
    weights = released.state_dict()
    if tagger.name == "musicnn":
        save_file(in_tensorflows_names(weights), path)
    else:
        torch.save({**in_the_releases_names(weights), "classifier.2.weight": torch.zeros(512, 384)}, path)
    return path


def test_the_head_answers_as_the_targets_do() -> None:
    features, classes = separable(170, seed=2)
    answers = head(200)(torch.from_numpy(features)).softmax(1).numpy()
    assert (answers.argmax(1) == classes).all()
    assert answers.max(1).mean() == pytest.approx(0.9, abs=0.05)


def test_a_scarce_class_is_not_forgotten() -> None:
    source = np.random.default_rng(0)
    classes = np.array([0] * 400 + [1] * 20)
    features = source.normal(0, 1, (len(classes), 200)).astype(np.float32)
    features[:, 0] += 1.5 * classes
    plain, balanced = (
        fit_head(features, np.eye(2, dtype=np.float32)[classes], weights.astype(np.float32)).bias[1]
        for weights in (np.where(classes == 1, 0.05, 1.0), np.ones(len(classes)))
    )
    assert balanced > plain


def test_the_network_is_the_released_trunk_with_the_head(tagger: Tagger, released: Any, release: Path) -> None:
    fitted = head(released.num_features)
    network = tagger_network(tagger, release, fitted)
    assert not network.training
    log_mel = torch.randn(2, *OWN_ARCHITECTURES[tagger.name].front_end.input_shape(NATIVE_WINDOWS))
    with torch.inference_mode():
        features = released.forward_head(released.forward_features(log_mel), pre_logits=True)
        torch.testing.assert_close(network(log_mel), fitted(features))


def test_an_installed_tagger_is_in_order_and_calibrated(
    tagger: Tagger, released: Any, release: Path, tmp_path: Path
) -> None:
    width = released.num_features
    fitted = head(width)
    validation, fold = (answers(fitted, n, width=width, seed=seed) for n, seed in ((170, 3), (34, 4)))
    install_tagger(tagger, release, tmp_path / tagger.name, fitted, validation=validation, folds=[fold])
    (entry,) = Catalog(tmp_path).verify()
    assert entry.error is None
    assert entry.spec is not None
    assert entry.spec.front_end == OWN_ARCHITECTURES[tagger.name].front_end
    assert entry.spec.licence == tagger.licence
    assert entry.spec.calibration.measured_on == "192 recordings of 16 genres, artists held out"
    assert entry.spec.metrics["real_validation"]["top1"] == 1.0
    assert entry.spec.metrics["real_validation"]["clips"] == 160


def test_the_calibration_knows_more_than_the_validation_music(
    tagger: Tagger, released: Any, release: Path, tmp_path: Path
) -> None:
    width = released.num_features
    fitted = head(width)
    validation, fold = (answers(fitted, n, width=width, seed=seed) for n, seed in ((170, 3), (1700, 4)))
    wrong = replace(fold, labels=np.roll(fold.labels, 1))
    doubtful, sure = (
        install_tagger(tagger, release, tmp_path / name, fitted, validation=validation, folds=folds).calibration
        for name, folds in (("doubtful", [wrong]), ("sure", []))
    )
    assert doubtful.temperature > 2 * sure.temperature
    assert doubtful.confident_at == NEVER > sure.confident_at
