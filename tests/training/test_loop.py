"""From prepared clips to a model that the application loads, and its card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.networks import build_network
from acousticsense.training import __main__ as stages
from acousticsense.training import network as networks
from acousticsense.training.clips import N_OUTPUTS, Clip
from acousticsense.training.export import export
from acousticsense.training.loop import train
from acousticsense.training.recipe import Recipe
from acousticsense.training.recordings import Recording
from acousticsense.training.report import group_hold_out, report, write_clips
from acousticsense.training.tagger import Tagger
from acousticsense.training.targets import make_targets
from tests.training.conftest import of_split

SMALL = Recipe(
    architecture="mobilenetv3_small_050", title="small", batch_size=4, steps=3, warmup_steps=1, ema_decay=0.5, cqt=0.25
)
RECIPES = {
    "small_cnn": SMALL,
    "small_vit": replace(
        SMALL,
        architecture="vit_tiny_patch16_224",
        model_args={"embed_dim": 32, "depth": 1, "num_heads": 1},
        train_args={"patch_drop_rate": 0.5},
        begins_as="mimetic",
        taught_by=["small_cnn"],
    ),
    "larger_vit": replace(
        SMALL,
        architecture="vit_tiny_patch16_224",
        model_args={"embed_dim": 64, "depth": 1, "num_heads": 2},
        begins_as="small_vit",
    ),
}


@pytest.fixture(autouse=True)
def _small_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str) -> Recipe:
        return RECIPES[name]

    for module in ("loop", "network", "export", "report", "__main__"):
        monkeypatch.setattr(f"acousticsense.training.{module}.read_recipe", read)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def run(name: str, clips: list[Clip], teachers: Path, runs: Path) -> None:
    learned = of_split(clips, "train")
    targets, _ = make_targets(learned, [], teachers)
    tagger = build_network("efficientat_mn04", N_OUTPUTS).eval()
    train(name, learned, targets, tagger=tagger, validation=of_split(clips, "val"), runs=runs)


def history(runs: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (runs / name / "history.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", list(RECIPES))
def test_networks_are_trained_one_after_the_other(name: str, clips: list[Clip], teachers: Path, runs: Path) -> None:
    run(name, clips, teachers, runs)
    assert history(runs, name)[-1]["step"] == 3
    assert networks.trained_network(name, runs)(torch.zeros(1, 3, 224, 224)).shape == (1, 17)


def test_a_finished_run_is_left_alone_and_a_longer_recipe_goes_on(
    clips: list[Clip], teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("small_cnn", clips, teachers, tmp_path)
    run("small_cnn", clips, teachers, tmp_path)
    assert [line["step"] for line in history(tmp_path, "small_cnn")] == [3]
    monkeypatch.setitem(RECIPES, "small_cnn", replace(SMALL, steps=4))
    run("small_cnn", clips, teachers, tmp_path)
    assert [line["step"] for line in history(tmp_path, "small_cnn")] == [3, 4]


def test_a_trained_network_becomes_a_model_with_a_card(
    clips: list[Clip], songs: list[tuple[Recording, Path]], teachers: Path, runs: Path, tmp_path: Path
) -> None:
    run("small_cnn", clips, teachers, runs)
    spec = export("small_cnn", runs, tmp_path, of_split(clips, "val"))
    assert spec.kinds == ("mel", "cqt")
    assert spec.front_end.level_dbfs == -20.0
    files = dict(songs)
    chosen = [(entry, files[entry]) for entry in group_hold_out(files)]
    report(tmp_path, ["small_cnn"], chosen)
    card = (tmp_path / "small_cnn" / "README.md").read_text(encoding="utf-8")
    assert "2 recordings" in card
    assert "Counted as one, Top-1 is" in card  # Rap and Hip-Hop
    assert GenreClassifier.load(tmp_path / "small_cnn").spec.metrics["test_looks"] == 1
    assert write_clips(tmp_path / "test.csv", chosen) == 2
    assert export("small_cnn", runs, tmp_path, of_split(clips, "val")).metrics["test_looks"] == 1  # not forgotten


def test_the_stage_trains_with_the_tagger(
    clips: list[Clip], teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def network(tagger: Tagger, release: Path, head: nn.Linear) -> nn.Module:
        given.append((tagger.name, release.name, head.out_features))
        return build_network(tagger.name, head.out_features).eval()

    monkeypatch.setattr(stages, "_clips_of", lambda _options, split: of_split(clips, split))
    (tmp_path / "teachers").symlink_to(teachers)
    monkeypatch.setattr(stages, "tagger_network", network)
    monkeypatch.setattr(stages, "recipe_names", lambda: tuple(RECIPES))
    assert stages.main(["train", "--work", str(tmp_path), "--only", "small_cnn"]) == 0
    assert history(tmp_path / "runs", "small_cnn")[-1]["step"] == 3
    assert given == [("efficientat_mn04", "mn04_as_mAP_432.pt", N_OUTPUTS)]


@pytest.mark.parametrize(
    ("wrong", "reason"), [(["--only", "resnet5"], "choose from"), (["--processes", "0"], "must be 1 or more")]
)
def test_wrong_options_are_refused_in_words(
    wrong: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        stages.main(["train", "--work", str(tmp_path), *wrong])
    assert reason in capsys.readouterr().err


def test_networks_that_teach_come_first(tmp_path: Path) -> None:
    assert stages.in_order(["larger_vit"], tmp_path) == ["small_cnn", "small_vit", "larger_vit"]
