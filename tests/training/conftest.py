"""A corpus small enough to train on in seconds: real parts, generated sounds, made-up teachers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sklearn", reason="training needs the extra: pip install acousticsense[train]")
pytest.importorskip("mido", reason="training needs the extra: pip install acousticsense[train]")

from acousticsense.training.decode import Sound
from acousticsense.training.ingest import ingest
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.teachers.panel import TeacherPanel

RATE_HZ = 32_000


class FakePanel(TeacherPanel):
    """Twelve features per window that depend on the sound: levels of a coarse spectrum."""

    def __init__(self) -> None:
        pass

    def __call__(
        self, sound: Sound, starts_s: NDArray[np.float32], window_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        del window_s  # a whole sound is one window here
        spectrum = np.abs(np.fft.rfft(sound.samples))[:12_000].reshape(12, -1).mean(1)
        features = np.tile(np.log(spectrum + 1e-6).astype(np.float32), (len(starts_s), 1))
        return features, np.zeros((len(starts_s), 627), np.float32)


def tone(frequency_hz: float, seed: int) -> Sound:
    """Eleven seconds of a tone with a little noise."""
    noise = np.random.default_rng(seed).normal(0, 0.01, RATE_HZ * 11)
    samples = 0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ * 11) / RATE_HZ) + noise
    return Sound(samples.astype(np.float32), RATE_HZ)


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return replace(
        Recipe.read(),
        method="gradient",
        architecture="vit_tiny_patch16_224",
        depth=1,
        grown_architecture="vit_small_patch16_224",
        patch_drop=0.5,
        steps=2,
        batch=4,
        warmup_steps=1,
    )


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> TrackStore:
    """Jazz is low, Metal is high, one track has no label, one is no music; two tracks are for validation."""
    store = TrackStore(tmp_path_factory.mktemp("corpus") / "tracks")
    described = [
        (Track(key="jazz", kind="rendered", genre="Jazz", split="train", group="a"), 300.0),
        (Track(key="metal", kind="real", genre="Metal", split="train", group="b", is_measurable=True), 3000.0),
        (Track(key="unknown", kind="real", genre=None, split="train", group="c"), 2500.0),
        (Track(key="hum", kind="not_music", genre=None, split="train", group="d"), 50.0),
        (Track(key="jazz-val", kind="real", genre="Jazz", split="val", group="e", is_measurable=True), 330.0),
        (Track(key="metal-val", kind="real", genre="Metal", split="val", group="f", is_measurable=True), 2900.0),
    ]
    for seed, (track, frequency_hz) in enumerate(described):
        ingest(tone(frequency_hz, seed), track, store, FakePanel(), most_windows=2)
    return store
