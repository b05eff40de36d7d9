"""Plain names of models, and what decides which one is called best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acousticsense.models.catalog import DEFAULT_MODEL, Catalog
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Alternative, ModelSpec
from acousticsense.spectrogram.front_end import NATIVE_CQT
from acousticsense.web.inputs import chosen_model
from acousticsense.web.model_names import choices_of, plain_name

INSTALLED = Catalog(Path(__file__).resolve().parents[2] / "models")


def described(name: str, *, right: int = 0, n: int = 0, **values: Any) -> ModelSpec:
    metrics = {"real_test": {"n": n, "accuracy": right / n}} if n else {}
    return ModelSpec(name=name, architecture="resnet50", labels=GENRES, metrics=metrics, **values)


def named(specs: list[ModelSpec], default: str = "", language: str = "en") -> dict[str, str]:
    return {choice.value: choice.name(language) for choice in choices_of(specs, default)}


def test_the_model_that_was_right_most_often_is_called_best() -> None:
    assert named([described("a", right=50, n=100), described("b", right=60, n=100)]) == {"b": "Best (b)", "a": "a"}


def test_a_smaller_test_makes_no_best() -> None:
    specs = [described("a", right=50, n=100), described("b", right=60, n=100), described("c", right=30, n=32)]
    names = named(specs)
    assert (names["b"], names["c"]) == ("Best (b)", "c")
    facts = {choice.value: choice.facts("en") for choice in choices_of(specs, "")}
    assert facts["a"] == "a: 50 of 100 test recordings right."
    assert facts["b"] == "b: 60 of 100 test recordings right, more than any other model here."
    assert "30 of 32 recordings right in another test" in facts["c"]


@pytest.mark.parametrize("others", [[], [described("b")], [described("b", right=1, n=2)]])
def test_without_a_rival_in_the_same_test_none_is_best(others: list[ModelSpec]) -> None:
    assert "Best" not in " ".join(named([described("a", right=50, n=100), *others]).values())


def test_figures_of_another_form_are_no_test() -> None:
    odd = replace(described("odd"), metrics={"real_test": {"n": "many", "accuracy": None}})
    (choice,) = choices_of([odd], "")
    assert choice.facts("en") == "odd: not measured on test music."


def test_each_image_of_a_model_can_be_chosen_and_the_values_stay() -> None:
    two = described("cnn", alternatives=(Alternative(front_end=NATIVE_CQT),))
    assert named([two]) == {"cnn": "cnn", "cnn|cqt": "cnn, CQT image"}
    assert named([two], "cnn", "zh") == {"": "cnn", "|cqt": "cnn，CQT 频谱图"}
    assert chosen_model("cnn|cqt") == ("cnn", "cqt")


def test_the_default_stands_first_whether_or_not_it_is_best() -> None:
    specs = [described("a", right=50, n=100), described("b", right=60, n=100), described("c")]
    assert list(named(specs, "c").values()) == ["c", "Best (b)", "a"]


@pytest.mark.parametrize(
    ("model_args", "name"),
    [
        ({"channels": [16, 32, 64, 128]}, "net, a quarter of its width"),
        ({"channels": [64, 128, 256, 512]}, "net"),
        ({"width": 0.125, "mlp_ratio": 0.0625}, "net, an eighth of its width"),
        ({"width": 0.4}, "net, 40% of its width"),
        ({"growth_rate": 8}, "net, growth rate 8"),
        ({"depth": 2}, "net"),
    ],
)
def test_a_network_of_another_size_says_so(model_args: dict[str, Any], name: str) -> None:
    assert plain_name(described("net", model_args=model_args), "en") == name


def test_models_of_this_project_are_named_by_their_own_figures() -> None:
    specs = [entry.spec for entry in INSTALLED.list() if entry.spec]
    choices = {choice.value: choice for choice in choices_of(specs, DEFAULT_MODEL)}
    assert choices[""].name("en") == "Best (EfficientAT)"
    assert choices[""].name("zh") == "最准（EfficientAT）"
    assert choices[""].facts("en").startswith("efficientat_mn04: 145 of 237 test recordings right, more than")
    assert choices["musicnn"].name("en") == "musicnn"
    assert choices["musicnn"].facts("en").startswith("musicnn: 140 of 237 test recordings right")
    assert choices["vit_b_16_mel"].name("en") == "ViT-B/16, a quarter of its width"
    assert choices["resnet50"].name("en") == "ResNet50, a quarter of its width"
    assert choices["resnet50|cqt"].facts("zh").startswith("resnet50，CQT 频谱图：237 段测试录音答对 114 段。")
