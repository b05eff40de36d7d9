"""A clip made ready for a network: by a recipe that any process can carry out, with the same outcome."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from acousticsense.errors import AudioDecodeError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.preprocess import prepare
from acousticsense.settings import Settings


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))


def test_another_process_prepares_the_same_clip(classifier: GenreClassifier, music_mp3: Path) -> None:
    recipe = classifier.recipe(offset_s=1.0, duration_s=5.0)
    here = prepare(music_mp3, recipe)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(prepare, music_mp3, recipe).result()
    assert torch.equal(here.images.inputs, there.images.inputs)
    assert (here.health, here.audio.info) == (there.health, there.audio.info)


def test_analysing_a_prepared_clip_is_the_whole_analysis(classifier: GenreClassifier, music_mp3: Path) -> None:
    posterior = classifier.posterior(classifier.logits(prepare(music_mp3, classifier.recipe()).images.inputs))
    prediction = classifier.predict(music_mp3)
    assert posterior.probabilities == pytest.approx(prediction.probabilities, abs=1e-6)
    assert (posterior.not_music, posterior.verdict) == (pytest.approx(prediction.not_music), prediction.verdict)


def test_a_recipe_is_small_and_says_all(classifier: GenreClassifier, tmp_path: Path) -> None:
    recipe = classifier.recipe(duration_s=None)
    assert len(pickle.dumps(recipe)) < 2000
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    with pytest.raises(AudioDecodeError, match="no file"):
        prepare(tmp_path / "none.wav", recipe)
