"""model.json round-trips, and says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from acousticsense.errors import CheckpointError, RequestError
from acousticsense.models.genres import CCMUSIC_LABELS, GENRES, LABEL_SETS, display_name
from acousticsense.models.spec import Alternative, Calibration, ModelSpec
from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, upstream_front_end

SPEC = ModelSpec(
    name="m",
    architecture="vit_base_patch16_224",
    labels=GENRES,
    has_not_music=True,
    head=(42, 110, 289),
    alternatives=(
        Alternative(
            front_end=NATIVE_CQT, calibration=Calibration(temperature=0.7), metrics={"real_test": {"top1": 0.4}}
        ),
    ),
    calibration=Calibration(temperature=1.3, band_accuracy={"confident": 0.9}),
    metrics={"real_test": {"top1": 0.5}},
)


def test_round_trip() -> None:
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC


def test_the_folder_gives_the_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").write_text(SPEC.to_json(), encoding="utf-8")
    assert ModelSpec.read(tmp_path / "mine" / "model.json").name == "mine"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        ModelSpec.read(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown field 'colour' in ModelSpec"),
        ({"front_end": {"kind": "wavelet"}}, "kind is 'wavelet', expected one of mel, cqt, chroma"),
        ({"windows": {"vote": "dictator"}}, "vote is 'dictator'"),
        ({"front_end": 3}, "not a usable model description"),
        ({"alternatives": [{"front_end": asdict(NATIVE_MEL)}]}, "two images of one kind: mel, mel"),
        ({"alternatives": [{"front_end": {"kind": "cqt", "image_size": 299}}]}, "differ in image_size"),
        ({"alternatives": [{"image": 1}]}, "unknown field 'image' in Alternative"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        ModelSpec.from_json(json.dumps({**json.loads(SPEC.to_json()), **change}))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"name": "m"}'])
def test_text_that_is_no_description(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"model\.json is not a usable"):
        ModelSpec.from_json(text)


def test_a_model_may_know_several_images_each_with_figures_of_its_own() -> None:
    assert SPEC.kinds == ("mel", "cqt")
    seeing = SPEC.for_spectrogram("cqt")
    assert seeing.kinds == ("cqt", "mel")
    assert seeing.front_end == NATIVE_CQT
    assert (seeing.calibration.temperature, seeing.metrics["real_test"]["top1"]) == (0.7, 0.4)
    assert seeing.for_spectrogram("mel") == SPEC.for_spectrogram(None) == SPEC


def test_images_a_model_was_not_trained_on_are_refused() -> None:
    with pytest.raises(RequestError, match=r"not trained on cqt images. It knows: mel"):
        replace(SPEC, alternatives=()).for_spectrogram("cqt")


def test_bare_recipes_of_the_first_files_are_read() -> None:
    raw = json.loads(replace(SPEC, alternatives=()).to_json())
    del raw["alternatives"]
    assert ModelSpec.from_json(json.dumps({**raw, "alternative_front_ends": []})).kinds == ("mel",)
    recipe = asdict(NATIVE_CQT)
    older = ModelSpec.from_json(json.dumps({**raw, "alternative_front_ends": [recipe]}))
    assert older.alternatives == (Alternative(front_end=NATIVE_CQT),)


def test_upstream_recipe_is_decibels_below_the_maximum() -> None:
    assert upstream_front_end("cqt").f_min_hz == pytest.approx(32.703, abs=1e-3)
    assert upstream_front_end("mel").top_db == 80.0


def test_label_sets_are_complete_and_named_in_chinese() -> None:
    assert {name: len(labels) for name, labels in LABEL_SETS.items()} == {"acousticsense": 16, "ccmusic": 16}
    assert all(display_name(label, "zh") != label for label in GENRES + CCMUSIC_LABELS)
    assert display_name("Soul_or_r_and_b") == "Soul or r and b"
    assert display_name("Gamelan", "zh") == "Gamelan"
