"""A recorded test as it is read from a description, whoever wrote that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from acousticsense.analysis.members import measured_accuracy
from acousticsense.models.figures import RecordedTest
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import EnsembleSpec, ModelSpec
from acousticsense.web.model_names import choices_of

FIGURES: dict[str, Any] = {
    "n": 40,
    "accuracy": 0.75,
    "accuracy_interval": [0.6, 0.86],
    "top3": 0.9,
    "recall": {"Jazz": 1.0, "Blues": 0.5},
    "clips": {"Jazz": 20, "Blues": 20, "Rock": 0},
    "macro_f1": 0.7,
}
SPEC = ModelSpec(name="m", architecture="resnet50", labels=GENRES)


def read(figures: object) -> RecordedTest:
    return ModelSpec.from_json(replace(SPEC, metrics={"real_test": figures}).to_json()).real_test


def test_what_evaluate_writes_is_read() -> None:
    test = read(FIGURES)
    assert (test.n, test.accuracy, test.right, test.top3) == (40, 0.75, 30, 0.9)
    assert test.accuracy_interval == (0.6, 0.86)
    assert test.recall == FIGURES["recall"]
    assert test.clips == FIGURES["clips"]
    assert test.labels == {"Jazz", "Blues"}
    assert EnsembleSpec(members=(), metrics={"real_test": FIGURES}).real_test == test
    assert RecordedTest.of({"songs_test": FIGURES}, "songs_test") == test


@pytest.mark.parametrize("figures", [None, 3, "good", [], {}, [FIGURES], {"top1": 0.5}])
def test_no_test_has_no_figures(figures: object) -> None:
    assert read(figures) == SPEC.real_test == RecordedTest()


@pytest.mark.parametrize(
    "nonsense",
    [None, "many", "40", True, -1, 1.5, 10**400, [], [1], [0.1, "x"], {"Jazz": None}, {"Jazz": 10**400}],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("name", [name for name in FIGURES if name != "macro_f1"])
def test_nonsense_is_no_figure_leaves_the_others_and_stops_nobody(name: str, nonsense: object) -> None:
    test = read({**FIGURES, name: nonsense})
    assert test == replace(read(FIGURES), **{name: None})
    odd = replace(SPEC, metrics={"real_test": {**FIGURES, name: nonsense}})
    (choice,) = choices_of([odd], "")
    assert choice.facts("en").startswith("m: ")
    assert measured_accuracy(odd) == (None if name == "accuracy" else (0.75, 0 if name == "n" else 40))
