"""model.json round-trips, and says what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from acousticsense.errors import CheckpointError, RequestError
from acousticsense.models.genres import CCMUSIC_LABELS, GENRES, LABEL_SETS, display_name
from acousticsense.models.spec import NEVER, Alternative, Calibration, EnsembleSpec, ModelSpec
from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, FrontEnd, upstream_front_end

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
    calibration=Calibration(temperature=1.3, level_accuracy={"confident": 0.9}),
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


def changed(*path: str, to: object) -> str:
    """The text of `SPEC` with one value changed."""
    raw = json.loads(SPEC.to_json())
    inner = raw
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["calibration", "temperature"], "hot", r"calibration\.temperature is 'hot': input should be a valid number"),
        (["calibration", "temperature"], 0, r"calibration\.temperature is 0: input should be greater than 0"),
        (["calibration", "temperature"], float("nan"), r"temperature is nan: input should be a finite number"),
        (["calibration", "confident_at"], 1.2, r"confident_at is 1\.2: input should be less than or equal to 1\.01"),
        (["calibration", "not_music_at"], -0.1, r"not_music_at is -0\.1"),
        (["calibration", "level_accuracy"], {"plausible": 90}, r"level_accuracy\.plausible is 90"),
        (["front_end", "sample_rate_hz"], 22050.5, r"front_end\.sample_rate_hz is 22050\.5"),
        (["front_end", "hop_length"], 0, r"front_end\.hop_length is 0"),
        (["front_end", "n_mels"], "128", r"front_end\.n_mels is '128': input should be a valid integer"),
        (["front_end", "std"], [0.5, 0.0, 0.5], r"front_end\.std\.1 is 0\.0"),
        (["front_end", "kind"], "wavelet", "kind is 'wavelet': input should be 'mel', 'cqt' or 'chroma'"),
        (["front_end"], 3, "front_end is 3"),
        (["windows", "vote"], "dictator", "vote is 'dictator'"),
        (["windows", "window_s"], 0, r"windows\.window_s is 0"),
        (["head"], [0], r"head\.0 is 0"),
        (["labels"], [], "labels is"),
        (["has_not_music"], 1, "has_not_music is 1: input should be a valid boolean"),
        (["model_args"], [], "model_args is"),
        (["alternatives"], {}, "alternatives is"),
        (["colour"], 1, "there is no field colour"),
    ],
)
def test_a_wrong_value_is_refused_with_field_and_value(path: list[str], value: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"^model.json is not a usable description: .*{message}"):
        ModelSpec.from_json(changed(*path, to=value))


@pytest.mark.parametrize(
    ("alternative", "message"),
    [
        ({"front_end": asdict(NATIVE_MEL)}, "two images of one kind: mel, mel"),
        ({"front_end": {"kind": "cqt", "image_size": 299}}, "differ in image_size"),
        ({"image": 1}, r"there is no field alternatives\.0\.image"),
    ],
)
def test_further_images_are_of_other_kinds_and_of_the_same_size(alternative: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        ModelSpec.from_json(changed("alternatives", to=[alternative]))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"name": "m"}'])
def test_text_that_is_no_description(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"model\.json is not a usable description"):
        ModelSpec.from_json(text)


def test_values_are_checked_in_python_too() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        replace(Calibration(), temperature=-1.0)
    with pytest.raises(ValueError, match="greater than 0"):
        FrontEnd(hop_length=0)


def test_a_threshold_may_be_beyond_every_probability() -> None:
    assert Calibration(confident_at=NEVER).confident_at > 1


def test_the_arguments_of_a_network_are_plain_values() -> None:
    small = replace(SPEC, model_args={"channels": [16, 32, 64, 128], "act_layer": None})
    assert ModelSpec.from_json(small.to_json()) == small


def test_descriptions_load_without_torch() -> None:
    code = "import sys, acousticsense.models.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_may_know_several_images_each_with_figures_of_its_own() -> None:
    assert SPEC.kinds == ("mel", "cqt")
    for_cqt = SPEC.for_spectrogram("cqt")
    assert for_cqt.kinds == ("cqt", "mel")
    assert for_cqt.front_end == NATIVE_CQT
    assert (for_cqt.calibration.temperature, for_cqt.metrics["real_test"]["top1"]) == (0.7, 0.4)
    assert for_cqt.for_spectrogram("mel") == SPEC.for_spectrogram(None) == SPEC


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


def test_fields_are_read_by_their_older_names(tmp_path: Path) -> None:
    raw = json.loads(SPEC.to_json())
    raw["calibration"]["band_accuracy"] = raw["calibration"].pop("level_accuracy")
    assert ModelSpec.from_json(json.dumps(raw)) == SPEC

    (tmp_path / "ensemble.json").write_text('{"voices": [["a", "mel", "00"]]}', encoding="utf-8")
    ensemble = EnsembleSpec.read(tmp_path / "ensemble.json")
    assert ensemble.members == (("a", "mel", "00"),)
    (tmp_path / "ensemble.json").write_text(ensemble.to_json(), encoding="utf-8")
    assert EnsembleSpec.read(tmp_path / "ensemble.json") == ensemble


def test_a_wrong_ensemble_is_refused_with_file_field_and_value(tmp_path: Path) -> None:
    (tmp_path / "ensemble.json").write_text('{"members": [["a", "mel", 3]]}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"ensemble\.json is not a usable description: members\.0\.2 is 3"):
        EnsembleSpec.read(tmp_path / "ensemble.json")


def test_upstream_recipe_is_decibels_below_the_maximum() -> None:
    assert upstream_front_end("cqt").f_min_hz == pytest.approx(32.703, abs=1e-3)
    assert upstream_front_end("mel").top_db == 80.0


def test_label_sets_are_complete_and_named_in_chinese() -> None:
    assert {name: len(labels) for name, labels in LABEL_SETS.items()} == {"acousticsense": 16, "ccmusic": 16}
    assert all(display_name(label, "zh") != label for label in GENRES + CCMUSIC_LABELS)
    assert display_name("Soul_or_r_and_b") == "Soul or r and b"
    assert display_name("Gamelan", "zh") == "Gamelan"
