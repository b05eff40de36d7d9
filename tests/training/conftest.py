"""A corpus small enough to train on in seconds: tones for genres, and teachers whose features are a coarse spectrum."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("sklearn", reason="training needs the extra: pip install acousticsense[train]")

from acousticsense.training.clips import Clip, load_clips
from acousticsense.training.corpus import prepare
from acousticsense.training.decode import Sound
from acousticsense.training.recordings import Recording, Split
from acousticsense.training.teachers.teachers import FEATURE_WIDTHS, SCORE_WIDTHS, Teachers
from acousticsense.training.teachers.zero_shot import _AUDIOSET, _CLASSES

RATE_HZ = 22_050


class FakeTeachers(Teachers):
    """Features that depend on the sound, levels of a coarse spectrum; scores that say nothing."""

    def __init__(self) -> None:
        pass

    def __call__(
        self, sound: Sound, starts_s: NDArray[np.float32], window_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        del window_s
        width = sum(FEATURE_WIDTHS.values())
        spectrum = np.abs(np.fft.rfft(np.resize(sound.samples, 8 * width)))[:width]
        features = np.tile(np.log(spectrum + 1e-3).astype(np.float32), (len(starts_s), 1))
        return features, np.zeros((len(starts_s), sum(SCORE_WIDTHS.values())), np.float32)


def tone(frequency_hz: float, seed: int, duration_s: float = 12.0) -> NDArray[np.float32]:
    n = round(duration_s * RATE_HZ)
    noise = np.random.default_rng(seed).normal(0, 0.01, n)
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(n) / RATE_HZ) + noise).astype(np.float32)


def recording(name: str, genre: str | None, split: Split = "train", **more: object) -> Recording:
    values: dict[str, object] = {
        "package": "songs",
        "path": f"{name}.wav",
        "artist": name,
        "genre": genre,
        "confidence": "high" if genre else "",
        "known_by": "tag" if genre else "",
        "source": "here",
        "split": split,
    }
    return Recording(**{**values, **more})  # type: ignore[arg-type]


#: Jazz is low and Metal is high; one song has no label, one is an excerpt of two seconds.
_SONGS: tuple[tuple[str, str | None, Split, float, float], ...] = (
    ("jazz-1", "Jazz", "train", 300.0, 12.0),
    ("jazz-2", "Jazz", "train", 310.0, 2.0),
    ("metal-1", "Metal", "train", 3000.0, 25.0),
    ("metal-2", "Metal", "train", 3100.0, 12.0),
    ("unknown", None, "train", 2900.0, 12.0),
    ("jazz-3", "Jazz", "val", 320.0, 12.0),
    ("metal-3", "Metal", "val", 2950.0, 12.0),
    ("jazz-4", "Jazz", "test", 330.0, 3.0),
    ("metal-4", "Metal", "test", 3050.0, 12.0),
)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Recording, Path]]:
    """Recordings with their files."""
    folder = tmp_path_factory.mktemp("songs")
    found = []
    for seed, (name, genre, split, frequency_hz, duration_s) in enumerate(_SONGS):
        path = folder / f"{name}.wav"
        soundfile.write(path, tone(frequency_hz, seed, duration_s), RATE_HZ)
        found.append((recording(name, genre, split), path))
    return found


@pytest.fixture(scope="session")
def clips(songs: list[tuple[Recording, Path]], tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """All songs, prepared."""
    folder = tmp_path_factory.mktemp("clips")
    assert prepare(songs, FakeTeachers, folder) == len(songs)
    return load_clips(folder, [entry for entry, _ in songs])


def of_split(clips: list[Clip], split: Split) -> list[Clip]:
    return [clip for clip in clips if clip.recording.split == split]


@pytest.fixture(scope="session")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two lists, in AudioSet's format, of the classes that name genres; no weights."""
    folder = tmp_path_factory.mktemp("teachers")
    names = [name for group in _AUDIOSET.values() for name in group]
    for list_name in _CLASSES.values():
        with (folder / list_name).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["index", "mid", "display_name"])
            rows.writerows([index, f"/m/{index}", name] for index, name in enumerate(names))
    return folder
