"""A folder of music as people have them, and the tiny model to predict it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


@pytest.fixture(scope="session")
def classifier(tiny_models: Path) -> GenreClassifier:
    """The tiny model."""
    return GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two folders with real clips, one file that is no audio, one that is empty and one that is no music's business."""
    root = tmp_path / "library"
    (root / "b 雷鬼").mkdir(parents=True)
    (root / "a").mkdir()
    for name in ("starfall.mp3", "sky-vibe.ogg"):
        shutil.copy(EXAMPLES / name, root / "a" / name)
    shutil.copy(EXAMPLES / "scottish-bagpipes.wav", root / "b 雷鬼" / "风笛.wav")
    (root / "a" / "broken.mp3").write_text("no audio at all")
    (root / "b 雷鬼" / "empty.flac").touch()
    (root / "a" / "cover.jpg").write_bytes(b"\xff\xd8")
    return root
