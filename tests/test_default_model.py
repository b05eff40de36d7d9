"""The weights that are shipped: the recorded ones, loadable, and described truly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acousticsense.catalog import DEFAULT_MODEL, Catalog
from acousticsense.classifier import GenreClassifier
from acousticsense.genres import GENRES
from acousticsense.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.suffix in {".ogg", ".mp3", ".wav"})


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier.load(settings=Settings(models=MODELS, device="cpu"))


def test_the_default_is_a_vit_b_16_with_our_labels(classifier: GenreClassifier) -> None:
    assert classifier.spec.name == DEFAULT_MODEL == "vit_b_16_mel"
    assert classifier.spec.architecture == "vit_base_patch16_224"
    assert classifier.spec.labels == GENRES


def test_every_shipped_model_is_the_recorded_one() -> None:
    assert [(entry.name, entry.error) for entry in Catalog(MODELS).verify()] == [(DEFAULT_MODEL, None)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_judged(classifier: GenreClassifier, path: Path) -> None:
    prediction = classifier.predict(path)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.verdict != "not_music"


def test_electronic_music_is_told_from_a_piano_rag(classifier: GenreClassifier) -> None:
    """The least that can be asked of weights that were trained at all."""
    electronic = classifier.predict(ROOT / "examples" / "sky-vibe.ogg").probabilities
    rag = classifier.predict(ROOT / "examples" / "enigma-rag.ogg").probabilities
    assert max(electronic, key=lambda label: electronic[label]) == "Electronic"
    assert electronic["Electronic"] > 2 * rag["Electronic"]


def test_the_card_and_the_description_agree_with_the_evaluation(classifier: GenreClassifier) -> None:
    report = json.loads((MODELS / DEFAULT_MODEL / "evaluation" / "report.json").read_text(encoding="utf-8"))
    measured = classifier.spec.metrics["real_test"]
    assert (measured["n"], measured["accuracy"]) == (report["n"], report["accuracy"])
    card = (MODELS / DEFAULT_MODEL / "README.md").read_text(encoding="utf-8")
    assert f"| **this model** | {measured['n']} | {measured['accuracy']:.3f} | {measured['top3']:.3f} |" in card
    for readme in ("README.md", "README.zh-CN.md"):
        right = round(measured["accuracy"] * measured["n"])
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert str(right) in text
        assert str(measured["n"]) in text
