"""The tagger's head is fitted, put on the released trunk, calibrated and installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from acousticsense.models.catalog import Catalog
from acousticsense.models.efficientat import EfficientAT
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.spectrogram import EFFICIENTAT_MEL
from acousticsense.training.tagger import NAME, Labelled, fit_head, install_tagger, tagger_network
from tests.models.test_efficientat import in_the_releases_names

WIDTH, N_OUTPUTS = 384, len(GENRES) + 1


def separable(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 384) around one centre a class, and the classes (n,)."""
    source = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(0, 0.1, (N_OUTPUTS, WIDTH))
    classes = np.arange(n) % N_OUTPUTS
    return (centres[classes] + source.normal(0, 0.05, (n, WIDTH)) + 3).astype(np.float32), classes


def soft(classes: np.ndarray) -> np.ndarray:
    return np.asarray(0.9 * np.eye(N_OUTPUTS)[classes] + 0.1 / N_OUTPUTS, np.float32)


@pytest.fixture(scope="module")
def head() -> torch.nn.Linear:
    features, classes = separable(340)
    return fit_head(features, soft(classes), np.ones(len(classes), np.float32))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "mn04.pt"
    weights = in_the_releases_names(build_network(NAME, 3).state_dict())
    torch.save({**weights, "classifier.2.weight": torch.zeros(512, WIDTH)}, path)
    return path


def test_the_head_answers_as_the_targets_do(head: torch.nn.Linear) -> None:
    features, classes = separable(170, seed=2)
    answers = head(torch.from_numpy(features)).softmax(1).numpy()
    assert (answers.argmax(1) == classes).all()
    assert answers.max(1).mean() == pytest.approx(0.9, abs=0.05)


def test_a_scarce_class_is_not_forgotten() -> None:
    source = np.random.default_rng(0)
    classes = np.array([0] * 400 + [1] * 20)
    features = source.normal(0, 1, (len(classes), WIDTH)).astype(np.float32)
    features[:, 0] += 1.5 * classes
    plain, balanced = (
        fit_head(features, np.eye(2, dtype=np.float32)[classes], weights.astype(np.float32)).bias[1]
        for weights in (np.where(classes == 1, 0.05, 1.0), np.ones(len(classes)))
    )
    assert balanced > plain


def test_the_network_is_the_released_trunk_with_the_head(head: torch.nn.Linear, release: Path) -> None:
    network = tagger_network(release, head)
    assert not network.training
    log_mel = torch.randn(1, 1, 128, 100)
    trunk = EfficientAT(1).eval()
    trunk.features.load_state_dict(network.get_submodule("features").state_dict())
    with torch.inference_mode():
        pooled = trunk.forward_head(trunk.forward_features(log_mel), pre_logits=True)
        torch.testing.assert_close(network(log_mel), head(pooled))


def test_an_installed_tagger_is_in_order_and_calibrated(head: torch.nn.Linear, release: Path, tmp_path: Path) -> None:
    features, classes = separable(170, seed=3)
    labels = np.where(classes == len(GENRES), -1, classes)
    install_tagger(release, tmp_path / NAME, head, Labelled(features=features, labels=labels))
    (entry,) = Catalog(tmp_path).verify()
    assert entry.error is None
    assert entry.spec is not None
    assert (entry.spec.front_end, entry.spec.licence) == (EFFICIENTAT_MEL, "MIT")
    assert entry.spec.calibration.measured_on == "160 validation recordings of 16 genres"
    assert entry.spec.metrics["real_validation"]["top1"] == 1.0
