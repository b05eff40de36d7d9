"""A corpus small enough to train on in seconds: real parts, generated sounds, made-up teachers."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sklearn", reason="training needs the extra: pip install acousticsense[train]")
pytest.importorskip("mido", reason="training needs the extra: pip install acousticsense[train]")

from acousticsense.training.decode import Sound
from acousticsense.training.ingest import ingest
from acousticsense.training.recipe import Recipe, StudentRecipe
from acousticsense.training.sources import Kind, Recording, Split
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.teachers.panel import SCORE_WIDTHS, TeacherPanel
from acousticsense.training.teachers.zero_shot import _AUDIOSET, ClassLists

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
        return features, np.zeros((len(starts_s), sum(SCORE_WIDTHS.values())), np.float32)

    def mn04(
        self, sound: Sound, starts_s: NDArray[np.float32], window_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        features, scores = self(sound, starts_s, window_s)
        return features, scores[:, :527]


def tone(frequency_hz: float, seed: int) -> Sound:
    """Eleven seconds of a tone with a little noise."""
    noise = np.random.default_rng(seed).normal(0, 0.01, RATE_HZ * 11)
    samples = 0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ * 11) / RATE_HZ) + noise
    return Sound(samples.astype(np.float32), RATE_HZ)


SMALL = StudentRecipe(
    architecture="mobilenetv3_small_050",
    network="full",
    steps=2,
    batch=4,
    learning_rate=1e-3,
    weight_decay=0.01,
    warmup_steps=1,
    ema_decay=0.9,
    mixup=0.5,
    cqt=0.5,
    augmented=0.5,
    feature_loss=1.0,
    small_px=64,
    small_share=0.5,
)


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    patch_conv = replace(
        SMALL,
        architecture="vit_base_patch16_224",
        network="patch_conv",
        size={"filters": 4, "width": 64, "head_width": 4, "hidden": 32, "depth": 1},
        matrix_learning_rate=1e-3,
        small_share=0.0,
        half_precision=True,
    )
    return replace(Recipe.read(), students={"small": SMALL, "patch_conv": patch_conv})


#: Jazz is low, Metal is high, one track has no label, one is no music; three tracks are for validation.
_DESCRIBED: tuple[tuple[Kind, str, str | None, Split, float], ...] = (
    ("rendered", "jazz", "Jazz", "train", 300.0),
    ("real", "metal", "Metal", "train", 3000.0),
    ("real", "unknown", None, "train", 2500.0),
    ("not_music", "hum", None, "train", 50.0),
    ("real", "jazz-val", "Jazz", "val", 330.0),
    ("real", "metal-val", "Metal", "val", 2900.0),
    ("not_music", "hum-val", None, "val", 60.0),
)


@pytest.fixture(scope="session")
def tiny_recordings() -> tuple[Recording, ...]:
    return tuple(_recording(name, genre, split) for kind, name, genre, split, _ in _DESCRIBED if kind == "real")


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory, tiny_recordings: tuple[Recording, ...]) -> TrackStore:
    listed = {recording.path: recording for recording in tiny_recordings}
    store = TrackStore(tmp_path_factory.mktemp("corpus") / "tracks", tiny_recordings)
    for seed, (kind, name, genre, split, frequency_hz) in enumerate(_DESCRIBED):
        key = listed[name].key if name in listed else name
        track = Track(key=key, kind=kind, genre=genre, split=split, group=name)
        ingest(tone(frequency_hz, seed), track, store, FakePanel(), most_windows=2)
    return store


def _recording(name: str, genre: str | None, split: Split) -> Recording:
    return Recording(
        package=name.replace("-", "_"),  # by the first word of packages games are told apart
        path=name,
        title=name,
        artist=name,
        licence="CC0-1.0",
        genre=genre,
        confidence="high",
        known_by="know",
        source="here",
        split=split,
    )


@pytest.fixture
def class_lists(tmp_path: Path) -> ClassLists:
    """A class list in AudioSet's format with the classes that name genres, as many as mn04 has places for; for both."""
    path = tmp_path / "class_labels_indices.csv"
    names = [name for group in _AUDIOSET.values() for name in group]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "mid", "display_name"])
        rows.writerows([index, f"/m/{index}", name] for index, name in enumerate(names))
    return ClassLists(path, path)
