"""The weights that are shipped: the recorded ones, loadable, and described truly."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from acousticsense.analysis.ensemble import ENSEMBLE_FILE
from acousticsense.analysis.explain import explain
from acousticsense.analysis.timeline import make_timeline
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.catalog import DEFAULT_MODEL, Catalog
from acousticsense.models.efficientat import EfficientAT
from acousticsense.models.genres import GENRES
from acousticsense.models.load import load_resolved
from acousticsense.models.musicnn import Musicnn
from acousticsense.models.spec import EnsembleSpec, ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.windows import clip_images
from acousticsense.web.example_clips import read_examples

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
TAGGER = "efficientat_mn04"
MUSICNN = "musicnn"
MUSICNN_FEATURES = [-0.1174, -0.127, -0.2848, -0.2751, -0.3532, 0.8823]
OF_IMAGES = (
    "densenet121",
    "efficientnet_b0",
    "mobilenetv3_large",
    "resnet50",
    "vgg19_bn",
    "vit_b_16_mel",
    "vit_ti_16",
)
SHIPPED = sorted((TAGGER, MUSICNN, *OF_IMAGES))
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.suffix in {".ogg", ".mp3", ".wav"})


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier.load(settings=Settings(models=MODELS, device="cpu"))


def test_the_default_is_the_tagger_with_our_labels(classifier: GenreClassifier) -> None:
    assert classifier.spec.name == DEFAULT_MODEL == TAGGER
    assert classifier.spec.labels == GENRES


def test_the_default_answers_without_timm() -> None:
    """It takes as long to import as all the rest."""
    code = f"""
import sys
from acousticsense import load_model, predict_genre
predict_genre(load_model(), {str(EXAMPLES[0])!r})
print(*({{"timm", "torchvision", "torch._dynamo"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_default_is_right_more_often_on_validation_music_than_any_other() -> None:
    """It is chosen there, not on the test music."""
    specs = {name: ModelSpec.read(MODELS / name / "model.json") for name in SHIPPED}
    right = {name: spec.metrics["real_validation"]["top1"] for name, spec in specs.items()}
    assert max(right, key=lambda name: right[name]) == DEFAULT_MODEL


def test_every_shipped_model_is_the_recorded_one() -> None:
    assert sorted((entry.name, entry.error) for entry in Catalog(MODELS).verify()) == [(name, None) for name in SHIPPED]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_every_network_of_images_knows_both(name: str) -> None:
    spec = ModelSpec.read(MODELS / name / "model.json")
    assert spec.kinds == ("mel", "cqt")
    assert spec.labels == GENRES
    assert (MODELS / name / spec.weights_file).stat().st_size < 95_000_000
    assert spec.metrics["packing"]["top1_agreement"] >= 0.95  # what users get is what was trained


@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_sound_at_any_level_has_the_same_answer(name: str, tmp_path: Path) -> None:
    classifier = GenreClassifier.load(name, settings=Settings(models=MODELS, device="cpu", backend="pytorch"))
    answers = []
    for gain_db in (0, -20, -40):
        path = tmp_path / f"{gain_db}.wav"
        soundfile.write(path, tones() * 10 ** (gain_db / 20), 32_000, subtype="FLOAT")
        answers.append(list(classifier.predict(path).probabilities.values()))
    assert np.ptp(answers, axis=0).max() < 0.01


def tones() -> NDArray[np.float32]:
    """A steady tone, one in bursts and one that rises, 10 s at 32 kHz."""
    time_s = np.arange(320_000) / 32_000
    steady = 0.3 * np.sin(2 * np.pi * 220 * time_s)
    bursts = 0.2 * np.sin(2 * np.pi * 3520 * time_s) * (time_s % 0.5 < 0.1)
    return (steady + bursts + 0.1 * np.sin(2 * np.pi * (100 + 400 * time_s) * time_s)).astype(np.float32)


def test_the_tagger_is_efficientats() -> None:
    """Its features are those of the released network, whose logits were within 1e-5 of EfficientAT's own code."""
    network, spec = load_resolved(Catalog(MODELS).find(TAGGER))
    assert isinstance(network, EfficientAT)
    assert (spec.kinds, spec.labels, spec.licence) == (("mel",), GENRES, "MIT")
    assert "MIT License" in (MODELS / TAGGER / "LICENSE").read_text(encoding="utf-8")
    front_end = replace(spec.front_end, level_dbfs=None)
    log_mel = front_end.to_input(clip_images(tones(), front_end, spec.windows).inputs)
    with torch.inference_mode():
        features = network.forward_head(network.forward_features(log_mel), pre_logits=True)[0, :6]
    assert features.tolist() == pytest.approx([-0.1865, -0.0865, -0.0561, 0.1404, 1.0984, -0.2148], abs=2e-3)


def test_musicnn_is_the_packages() -> None:
    """Its features are those that the package's network had of this sound, within what the padding at its ends does."""
    network, spec = load_resolved(Catalog(MODELS).find(MUSICNN))
    assert isinstance(network, Musicnn)
    assert (spec.kinds, spec.labels, spec.licence) == (("mel",), GENRES, "ISC")
    assert "Universitat Pompeu Fabra" in (MODELS / MUSICNN / "LICENSE").read_text(encoding="utf-8")
    front_end = replace(spec.front_end, level_dbfs=None)
    log_mel = front_end.to_input(clip_images(tones()[::2], front_end, spec.windows).inputs)
    with torch.inference_mode():
        features = network.forward_head(network.forward_features(log_mel), pre_logits=True)[0, :6]
    assert features.tolist() == pytest.approx(MUSICNN_FEATURES, abs=0.05)


@pytest.mark.parametrize(("name", "grid"), [(TAGGER, (1, 4, 32)), (MUSICNN, (1, 1, 626))])
def test_taggers_answer_by_every_door(name: str, grid: tuple[int, ...]) -> None:
    tagger = GenreClassifier.load(name, settings=Settings(models=MODELS, device="cpu", backend="pytorch"))
    song = ROOT / "examples" / "sky-vibe.ogg"
    explained = explain(tagger, song)
    assert explained.analysis.prediction.top(1)[0].label == "Electronic"
    assert explained.analysis.images.images.shape == (1, 3, 224, 224)
    assert (explained.heatmap.grids.shape, explained.heatmap.maps.shape) == (grid, (1, 224, 224))
    assert len(make_timeline(tagger, song, window_s=3.0, duration_s=9.0).windows) == 3


def test_all_weights_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < 150_000_000


def test_what_was_measured_for_all_models_together_is_of_these_weights() -> None:
    spec = EnsembleSpec.read(MODELS / ENSEMBLE_FILE)
    specs = [ModelSpec.read(MODELS / name / "model.json") for name in SHIPPED]
    shipped = {(each.name, kind, each.weights_sha256) for each in specs for kind in each.kinds}
    assert set(spec.members) <= shipped
    assert {weights for *_, weights in spec.members} >= {
        each.weights_sha256 for each in specs if each.name in OF_IMAGES
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_analysed(classifier: GenreClassifier, path: Path) -> None:
    prediction = classifier.predict(path)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.verdict != "not_music"


def test_electronic_music_is_told_from_a_piano_rag(classifier: GenreClassifier) -> None:
    """The least that can be asked of weights that were trained at all."""
    electronic = classifier.predict(ROOT / "examples" / "sky-vibe.ogg").probabilities
    rag = classifier.predict(ROOT / "examples" / "enigma-rag.ogg").probabilities
    assert max(electronic, key=lambda label: electronic[label]) == "Electronic"
    assert electronic["Electronic"] > 2 * rag["Electronic"]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_card_and_the_description_agree_with_the_evaluation(name: str) -> None:
    spec = ModelSpec.read(MODELS / name / "model.json")
    card = (MODELS / name / "README.md").read_text(encoding="utf-8")
    for kind in spec.kinds:
        report = json.loads((MODELS / name / "evaluation" / kind / "report.json").read_text(encoding="utf-8"))
        measured = spec.for_spectrogram(kind).metrics["real_test"]
        assert (measured["n"], measured["accuracy"]) == (report["n"], report["accuracy"])
        figures = f"{measured['n']} | {measured['accuracy']:.3f} | {measured['top3']:.3f} |"
        assert f"| **this model, {kind} image** | {figures}" in card


def test_the_readme_tells_how_good_the_default_is(classifier: GenreClassifier) -> None:
    measured = classifier.spec.metrics["real_test"]
    for readme in ("README.md", "README.zh-CN.md"):
        right = round(measured["accuracy"] * measured["n"])
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert str(right) in text
        assert str(measured["n"]) in text


def test_the_page_says_which_examples_it_gets_wrong(classifier: GenreClassifier) -> None:
    examples = read_examples()
    right = {clip.path.name for clip in examples if classifier.predict(clip.path).top(1)[0].label == clip.genre}
    assert right == {clip.path.name for clip in examples if not clip.is_missed}


def test_an_answer_tells_how_often_such_answers_were_right(classifier: GenreClassifier) -> None:
    answer = classifier.predict(ROOT / "examples" / "sky-vibe.ogg")
    assert answer.top(1)[0].label == "Electronic"
    codes = [advice.code for advice in answer.advice]
    assert "counted" in codes
    assert "untested" not in codes  # Electronic was tested
