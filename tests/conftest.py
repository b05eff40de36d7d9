"""Fixtures that several test files share: real audio files and a small model that is quick to load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from acousticsense.checkpoint import sha256_of
from acousticsense.config import ModelSpec
from acousticsense.genres import GENRES
from acousticsense.networks import build_network
from acousticsense.settings import Settings

RATE_HZ = 44_100


def play_chords(duration_s: float = 12.0, *, seed: int = 0) -> NDArray[np.float32]:
    """A stereo piece (n, 2): chords with overtones and a noisy beat, so that every band holds something."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    piece = np.zeros_like(time_s)
    for beat in range(int(duration_s * 2)):
        here = (time_s >= beat / 2) & (time_s < beat / 2 + 0.5)
        decay = np.exp(-4 * (time_s[here] - beat / 2))
        root_hz = 110 * 2 ** (rng.choice([0, 3, 5, 7, 10]) / 12)
        for ratio in (1, 1.26, 1.5, 2, 3, 4, 6, 9, 13):
            piece[here] += decay * np.sin(2 * np.pi * root_hz * ratio * time_s[here]) / ratio
        piece[here] += 0.4 * decay**3 * rng.standard_normal(here.sum())
    piece *= 0.5 / np.abs(piece).max()
    return np.stack([piece, np.roll(piece, 300) * 0.9], axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def music_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of stereo at 44.1 kHz, 16 bit."""
    path = tmp_path_factory.mktemp("audio") / "music.wav"
    soundfile.write(path, play_chords(), RATE_HZ)
    return path


@pytest.fixture(scope="session")
def music_mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same piece as an mp3."""
    path = tmp_path_factory.mktemp("audio") / "music.mp3"
    soundfile.write(path, play_chords(), RATE_HZ)
    return path


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small ViT named "tiny": random weights from a fixed seed, the real file format."""
    root = tmp_path_factory.mktemp("models")
    folder = root / "tiny"
    folder.mkdir()
    spec = ModelSpec(name="tiny", architecture="vit_tiny_patch16_224", labels=GENRES, has_not_music=True, licence="MIT")
    torch.manual_seed(0)
    network = build_network(spec.architecture, spec.n_outputs)
    torch.nn.init.normal_(network.get_classifier().weight, std=0.5)
    save_file(network.state_dict(), folder / spec.weights_file)
    spec = replace(spec, weights_sha256=sha256_of(folder / spec.weights_file))
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return root


@pytest.fixture
def tiny_settings(tiny_models: Path, tmp_path: Path) -> Settings:
    """Settings under which "tiny" is the default model."""
    return Settings(models=tiny_models, model="tiny", device="cpu", cache_dir=tmp_path / "cache")
