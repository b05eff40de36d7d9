"""Fixtures that several test files share: real audio files and a small model that is quick to load."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing.forkserver
import os
import shutil
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from acousticsense.files import sha256_of
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network, classifier_name
from acousticsense.models.spec import Alternative, Calibration, ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL

T = TypeVar("T")

# The same examples in every run, more of them in CI; more and other ones by hand: --hypothesis-profile many
hypothesis.settings.register_profile("few", max_examples=100, deadline=None, derandomize=True)
hypothesis.settings.register_profile("ci", max_examples=1_000, deadline=None, derandomize=True)
hypothesis.settings.register_profile("many", max_examples=20_000, deadline=None, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "few")

# Imports and tests make many objects that stay: the garbage collector looks at them less often.
gc.set_threshold(50_000, 20, 100)

RATE_HZ = 44_100


def pytest_collection_finish() -> None:
    """The garbage collector need not look at a million objects of modules and tests: they stay."""
    gc.freeze()


def needed_program(names: Sequence[str], packages: str) -> str:
    """Path of the first of some programs that is installed.

    Without one a test fails in CI; elsewhere it is skipped, so that who may not install programs can run the others.
    """
    path = f"{os.environ['PATH']}:/usr/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    hint = f"none of {', '.join(names)} is installed; on Debian: apt-get install {packages}"
    if os.environ.get("CI"):  # there nothing that users depend on is left out
        raise AssertionError(hint)
    pytest.skip(hint)


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's settings and cache play no part, and no server looks for a faster network unless a test says so."""
    cache = tmp_path_factory.mktemp("user-cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ACOUSTICSENSE_")]:
            patch.delenv(name)
        patch.setenv("ACOUSTICSENSE_BACKEND", "pytorch")
        patch.setenv("ACOUSTICSENSE_CACHE_DIR", str(cache))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_decoders() -> None:
    """Decoder processes of all kinds are forked from one that has PyTorch.

    A server of forks loads only what the first kind needs, and each process of another kind would import the rest.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.set_forkserver_preload(["acousticsense.library.pool", "acousticsense.serving.decoder_process"])
        multiprocessing.forkserver.ensure_running()


def run_alone(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run in a thread of its own: Playwright's event loop may be running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@lru_cache(maxsize=8)
def play_chords(duration_s: float = 12.0, *, seed: int = 0) -> NDArray[np.float32]:
    """A stereo piece (n, 2), read-only: chords with overtones and a noisy beat, so that every band holds something."""
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
    stereo = np.stack([piece, np.roll(piece, 300) * 0.9], axis=1).astype(np.float32)
    stereo.flags.writeable = False
    return stereo


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


#: Side in pixels of the images that the CNNs of the tests see: so much less to compute.
CNN_IMAGE = 64

#: Folder -> timm name of the networks that look together.
CNNS = {
    "vgg19_bn": "vgg19_bn",
    "resnet50": "resnet50",
    "densenet121": "densenet121",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenetv3_large": "mobilenetv3_large_100",
}


def install(root: Path, spec: ModelSpec, *, seed: int, direct: bool = False) -> ModelSpec:
    """Makes `root/NAME` with random weights from a fixed seed, in the real file format."""
    folder = root / spec.name
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    network = build_network(spec.architecture, spec.n_outputs, model_args=spec.model_args, direct=direct)
    torch.nn.init.normal_(network.get_submodule(classifier_name(spec.architecture)).weight, std=0.5)
    save_file({name: tensor.half() for name, tensor in network.state_dict().items()}, folder / spec.weights_file)
    spec = replace(spec, weights_sha256=sha256_of(folder / spec.weights_file))
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small ViT named "tiny": two blocks instead of twelve."""
    root = tmp_path_factory.mktemp("models")
    tiny = ModelSpec(
        name="tiny",
        architecture="vit_tiny_patch16_224",
        model_args={"depth": 2},
        labels=GENRES,
        has_not_music=True,
        calibration=Calibration(measured_on="nothing: a test"),
        licence="MIT",
    )
    install(root, tiny, seed=0)
    return root


@pytest.fixture(scope="session")
def cnn_models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with "tiny" and the five CNNs, which know mel and cqt."""
    root = tmp_path_factory.mktemp("cnn-models")
    shutil.copytree(tiny_models / "tiny", root / "tiny")
    for seed, (name, architecture) in enumerate(CNNS.items()):
        spec = ModelSpec(
            name=name,
            architecture=architecture,
            labels=GENRES,
            has_not_music=True,
            front_end=replace(NATIVE_MEL, image_size=CNN_IMAGE),
            calibration=Calibration(temperature=1.0 + seed / 10, measured_on="nothing: a test"),
            metrics={"real_test": {"n": 60, "accuracy": 0.3 + seed / 100}},
            alternatives=(
                Alternative(
                    front_end=replace(NATIVE_CQT, image_size=CNN_IMAGE),
                    calibration=Calibration(temperature=1.5 + seed / 10, measured_on="nothing: a test"),
                    metrics={"real_test": {"n": 60, "accuracy": 0.2 + seed / 100}},
                ),
            ),
            licence="MIT",
        )
        install(root, spec, seed=seed, direct=name == "vgg19_bn")
    return root


@pytest.fixture
def tiny_settings(tiny_models: Path, tmp_path: Path) -> Settings:
    """Settings under which "tiny" is the default model."""
    return Settings(models=tiny_models, model="tiny", device="cpu", cache_dir=tmp_path / "cache")
