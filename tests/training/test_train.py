"""From a tiny corpus to a model that users can load: every stage is the real one."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.models.checkpoint import load_network
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL
from acousticsense.training.__main__ import _in_order
from acousticsense.training.augment import MARGIN_FRAMES, augment
from acousticsense.training.bank import N_OUTPUTS, WINDOW_FRAMES, Item, cut, load_items, windows_of
from acousticsense.training.batches import Batches
from acousticsense.training.card import _averaged, _before, _corpus, _standing
from acousticsense.training.export import _checked, calibrated_anew, export, packing_loss
from acousticsense.training.held_out import held_out_table
from acousticsense.training.lesson import colleague_lesson, sized
from acousticsense.training.optimiser import Optimiser
from acousticsense.training.probe import _blend, fit_probe, soft_targets, usual_scores
from acousticsense.training.recipe import Recipe
from acousticsense.training.sources import Recording, read_data
from acousticsense.training.store import TrackStore, counted
from acousticsense.training.students.making import make_student
from acousticsense.training.teachers.zero_shot import ClassLists
from acousticsense.training.train import (
    BEST_FILE,
    RunState,
    _colleague,
    _Trainer,
    _Validation,
    averaged_weights,
    best_weights,
    run_summary,
    train,
)
from acousticsense.training.validate import Score, divergence, score

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for name in tiny_recipe.students:
        train(tiny_store, folder / name, tiny_recipe, name, device=CPU, check_every=1, workers=0)
    return folder


def test_training_stops_after_the_recipe_s_steps_and_keeps_weights(run: Path) -> None:
    assert run_summary(run / "small")["step"] == 2
    assert best_weights(run / "patch_conv")["output.weight"].shape == (N_OUTPUTS, 64)


def test_a_finished_run_has_nothing_left_to_do(run: Path, tiny_store: TrackStore, tiny_recipe: Recipe) -> None:
    train(tiny_store, run / "small", tiny_recipe, "small", device=CPU, check_every=1, workers=0)
    assert run_summary(run / "small")["step"] == 2


def test_a_run_can_begin_with_the_weights_of_another(
    run: Path, tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    still = replace(tiny_recipe.students["small"], learning_rate=0.0, small_share=0.0)
    recipe = replace(tiny_recipe, students={"small": still})
    train(tiny_store, tmp_path, recipe, "small", device=CPU, check_every=1, workers=0, begin_with=run / "small")
    kept, first = best_weights(tmp_path), best_weights(run / "small")
    for name in (name for name in kept if "running" not in name and "num_batches" not in name):
        torch.testing.assert_close(kept[name], first[name], msg=name)
    assert run_summary(tmp_path)["steps_before"] == run_summary(run / "small")["kept_step"]
    assert "from weights that an earlier run of the same network kept" in _before(run_summary(tmp_path))
    # What stopped goes on by itself, also when the other run is gone.
    train(tiny_store, tmp_path, recipe, "small", device=CPU, check_every=1, workers=0, begin_with=tmp_path / "gone")
    with pytest.raises(ValueError, match="another network"):
        train(tiny_store, tmp_path / "b", recipe, "small", device=CPU, workers=0, begin_with=run / "patch_conv")


def test_the_weights_of_runs_are_averaged(
    run: Path, tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    first, second, third = run / "small", tmp_path / "second", tmp_path / "third"
    for begin_with, begun in ((first, second), (second, third)):
        train(tiny_store, begun, tiny_recipe, "small", device=CPU, check_every=1, workers=0, begin_with=begin_with)
    kept = [best_weights(folder) for folder in (third, first, second)]
    averaged = averaged_weights((third, first, second))
    assert kept[0].keys() == averaged.keys()
    name = next(name for name, tensor in averaged.items() if tensor.dim() > 1)
    assert not torch.equal(kept[0][name], kept[1][name])
    torch.testing.assert_close(averaged[name], (kept[0][name] + kept[1][name] + kept[2][name]) / 3)
    folder = tmp_path / "small"
    spec = export(third, tiny_store, tiny_recipe, folder, licence="CC0-1.0", average_with=(first, second))
    steps = [run_summary(first)["kept_step"], run_summary(first)["kept_step"] + run_summary(second)["kept_step"]]
    assert spec.metrics["training"]["averaged_steps"] == steps
    assert f"averaged with what earlier runs had kept after {steps[0]:.0f} and " in _averaged(spec.metrics["training"])
    assert _averaged(run_summary(first)) == ""
    with pytest.raises(ValueError, match="different networks"):
        averaged_weights((first, run / "patch_conv"))


def test_a_stopped_run_goes_on_to_the_same_weights(tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path) -> None:
    recipe = tiny_recipe.students["patch_conv"]
    items = load_items(tiny_store, "train")
    batches = Batches(items, fit_probe(items, c=1.0), size=4, mixup=0.0)

    def trainer(folder: str) -> _Trainer:
        (tmp_path / folder).mkdir(exist_ok=True)
        torch.manual_seed(0)
        return _Trainer(recipe, make_student(recipe), tmp_path / folder, batches.features.shape[1], CPU)

    whole, first = trainer("whole"), trainer("stopped")
    for step in range(4):
        torch.manual_seed(step)  # of dropout
        whole.advance(batches.draw(step, 1), math.inf)
    for step in range(2):
        torch.manual_seed(step)
        first.advance(batches.draw(step, 1), math.inf)
    first.check({"divergence": 1.0, "side_px": 224})
    second = trainer("stopped")
    assert second.run.step == 2
    for step in range(2, 4):
        torch.manual_seed(step)
        second.advance(batches.draw(step, 1), math.inf)
    for name, value in second.average.state_dict().items():
        torch.testing.assert_close(value, whole.average.state_dict()[name], msg=name)


def test_muon_turns_matrices_in_all_directions_alike_and_adamw_has_the_rest() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 32, 3), nn.Conv2d(32, 32, 3, groups=32), nn.Linear(32, 80), nn.Linear(80, 3))
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimiser = Optimiser(network, [network[3]], learning_rate=0.1, matrix_learning_rate=0.01, weight_decay=0.0)
    for value in network.parameters():
        value.grad = torch.randn_like(value)
    optimiser.step(0.5)
    moved = {name: value.detach() - before[name] for name, value in network.named_parameters()}
    for name in ("0.weight", "2.weight"):
        values = torch.linalg.svdvals(moved[name].flatten(1))
        # all alike but for what five iterations of Newton-Schulz leave: 0.2 sqrt(longer side) x rate
        expected = 0.005 * 0.2 * max(moved[name].flatten(1).shape) ** 0.5
        assert float(values.median()) == pytest.approx(expected, rel=0.3)
        assert float((values > 0.5 * expected).float().mean()) > 0.8
    for name in ("1.weight", "3.weight", "0.bias", "2.bias"):  # the first step of Adam has the size of its rate
        assert float(moved[name].abs().max()) == pytest.approx(0.05, rel=1e-3)


@pytest.fixture
def pair(tiny_recipe: Recipe) -> Recipe:
    """A small network and two that learn from it: one of patches and a CNN that sees small images first."""
    small = tiny_recipe.students["small"]
    patches = replace(tiny_recipe.students["patch_conv"], colleague="small", map_loss=1.0)
    sized = replace(small, colleague="small", map_loss=1.0, small_px=128, small_share=0.5)
    return replace(tiny_recipe, students={"small": small, "patch_conv": patches, "sized": sized})


def test_a_colleague_teaches_its_answers_features_and_maps_of_the_very_image(
    tiny_store: TrackStore, pair: Recipe, run: Path, tmp_path: Path
) -> None:
    colleague = _colleague(pair, "small", run, None)
    items = load_items(tiny_store, "train")
    batch = Batches(items, fit_probe(items, c=1.0), size=4, mixup=1.0).draw(0, 1)
    sizes = [(16, 16), (14, 14)]
    lesson = colleague_lesson(batch, colleague, sizes)
    with torch.no_grad():
        known = colleague.perceive(batch.images)
        answers = colleague.logits(known.features).softmax(1)
    torch.testing.assert_close(2 * lesson.answers - batch.targets, answers, atol=1e-4, rtol=1e-3)
    felt = known.features - known.features.mean(0)
    torch.testing.assert_close(lesson.features, felt / (felt.square().mean(0) + 1e-5).sqrt(), atol=1e-3, rtol=1e-3)
    assert [tuple(own.shape[2:]) for own in lesson.maps] == sizes
    assert [own.shape[1] for own in lesson.maps] == list(colleague.map_widths)
    late = known.maps[1] - known.maps[1].mean((0, 2, 3), keepdim=True)
    expected = late / (late.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(lesson.maps[1], expected.clamp(-4, 4), atol=1e-3, rtol=1e-3)
    assert colleague_lesson(batch, colleague, []).maps == ()
    with pytest.raises(FileNotFoundError):
        train(tiny_store, tmp_path / "alone", pair, "patch_conv", device=CPU, workers=0)


@pytest.mark.parametrize("name", ["patch_conv", "sized"])
def test_maps_are_learned_place_by_place(
    tiny_store: TrackStore, pair: Recipe, run: Path, tmp_path: Path, name: str
) -> None:
    recipe = replace(pair.students[name], steps=60, learning_rate=0.01, warmup_steps=3)
    items = load_items(tiny_store, "train")
    batch = Batches(items, fit_probe(items, c=1.0), size=8, mixup=0.0).draw(0, 1)
    colleague = _colleague(pair, "small", run, None)
    torch.manual_seed(0)
    trainer = _Trainer(recipe, make_student(recipe), tmp_path, 12, CPU, colleague=colleague)
    for _ in range(25):
        trainer.advance(batch, math.inf)
    learner = trainer._student.eval()
    with torch.no_grad():
        _, _, maps = learner(sized(batch.images, trainer.run.side_px))
        wanted = colleague_lesson(batch, colleague, [(own.shape[2], own.shape[3]) for own in maps]).maps
    for own, theirs in zip(maps, wanted, strict=True):
        error = float((own - theirs).square().mean())
        assert error < 0.8 * float(theirs.square().mean())  # nearer than knowing nothing
        assert error < 0.8 * float((own - theirs.flip(2, 3)).square().mean())  # and than the right things elsewhere


def test_a_run_with_a_colleague_goes_on_and_one_of_another_recipe_says_so(
    tiny_store: TrackStore, pair: Recipe, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / BEST_FILE).write_bytes((run / "small" / BEST_FILE).read_bytes())
    folder = tmp_path / "patch_conv"
    train(tiny_store, folder, pair, "patch_conv", device=CPU, workers=0)
    longer = replace(pair.students["patch_conv"], steps=pair.students["patch_conv"].steps + 1)
    on = replace(pair, students={**pair.students, "patch_conv": longer})
    train(tiny_store, folder, on, "patch_conv", device=CPU, workers=0)
    assert run_summary(folder)["step"] == longer.steps
    alone = replace(longer, colleague="", map_loss=0.0)
    other = replace(pair, students={**pair.students, "patch_conv": alone})
    with pytest.raises(ValueError, match=r"another colleague.*move .*patch_conv away"):
        train(tiny_store, folder, other, "patch_conv", device=CPU, workers=0)


def test_weights_are_kept_that_do_well_with_both_images() -> None:
    run = RunState()
    divergences = [(1.0, 2.0), (0.9, 2.2), (1.1, 1.5)]  # of mel and of cqt images
    kept = [
        run.note(step, {"divergence": mel, "cqt_divergence": cqt, "side_px": 224})
        for step, (mel, cqt) in enumerate(divergences)
    ]
    assert kept == [True, False, True]
    assert RunState().note(0, {"divergence": 1.0, "side_px": 224})  # a student of mel images alone


def test_divergence_by_hand() -> None:
    taught = np.full((3, N_OUTPUTS), 0.01, np.float32)
    taught[:2, 0] = taught[2, 1] = 0.84
    assert divergence(np.log(taught), taught) == pytest.approx(0.0, abs=1e-6)
    answers = np.log(taught)
    answers[2] = np.log(taught[0])  # one of two classes is wrong, and weighs as much as the other
    wrong = 0.83 * np.log(84)
    assert divergence(answers, taught) < 0.5 * wrong  # a higher temperature makes it less wrong
    more = [0, 1, 1, 1, 2]  # of the class that is right
    assert divergence(answers[more], taught[more]) == pytest.approx(divergence(answers, taught))
    assert divergence(answers, taught) > 0.1


def test_colleagues_are_trained_first_and_come_along_when_they_are_missing(tmp_path: Path) -> None:
    recipe = Recipe.read()
    assert recipe.students["vit_b_16_mel"].colleague == "mobilenetv3_large"
    everything = _in_order(recipe, list(recipe.students), tmp_path)
    assert sorted(everything) == sorted(recipe.students)
    assert everything.index("mobilenetv3_large") < everything.index("vit_b_16_mel")
    assert _in_order(recipe, ["vit_b_16_mel"], tmp_path) == ["mobilenetv3_large", "vit_b_16_mel"]
    (tmp_path / "mobilenetv3_large").mkdir()
    (tmp_path / "mobilenetv3_large" / BEST_FILE).touch()
    assert _in_order(recipe, ["vit_b_16_mel", "resnet50"], tmp_path) == ["vit_b_16_mel", "resnet50"]


def test_maps_need_a_colleague(tmp_path: Path) -> None:
    values = json.loads(read_data("recipe.json"))
    values["students"]["mobilenetv3_large"]["map_loss"] = 1.0
    (tmp_path / "recipe.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="mobilenetv3_large: map_loss is 1"):
        Recipe.read(tmp_path / "recipe.json")


def test_a_colleague_is_a_student_of_the_recipe_that_has_none(tmp_path: Path) -> None:
    values = json.loads(read_data("recipe.json"))
    for wrong in ("nobody", "vit_b_16_mel"):
        values["students"]["resnet50"]["colleague"] = wrong
        (tmp_path / "recipe.json").write_text(json.dumps(values))
        with pytest.raises(ValueError, match=wrong):
            Recipe.read(tmp_path / "recipe.json")


@pytest.mark.parametrize("name", ["small", "patch_conv"])
def test_the_exported_folder_loads_through_the_normal_path(
    run: Path, tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path, name: str
) -> None:
    spec = export(run / name, tiny_store, tiny_recipe, tmp_path / name, licence="CC0-1.0")
    assert ModelSpec.read(tmp_path / name / "model.json") == spec
    assert spec.kinds == ("mel", "cqt")
    assert spec.metrics["packing"]["mean_change"] < 0.02
    network, report = load_network(
        tmp_path / name / "model.safetensors", architecture=spec.architecture, n_outputs=spec.n_outputs
    )
    assert not report.missing
    assert network(torch.zeros(1, 3, 224, 224)).shape == (1, N_OUTPUTS)


def test_an_exported_model_is_calibrated_anew(
    run: Path, tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    spec = export(run / "small", tiny_store, tiny_recipe, tmp_path / "small", licence="CC0-1.0")
    wrong = replace(spec.calibration, temperature=7.0, confident_at=0.1)
    others = tuple(replace(other, calibration=wrong) for other in spec.alternatives)
    described = tmp_path / "small" / "model.json"
    described.write_text(
        replace(
            spec, calibration=wrong, alternatives=others, metrics={**spec.metrics, "validation_bands": {}}
        ).to_json()
    )
    assert calibrated_anew(tmp_path / "small", tiny_store) == ModelSpec.read(described) == spec


def test_a_card_tells_what_the_run_learned_from(run: Path, tiny_store: TrackStore) -> None:
    corpus = run_summary(run / "small")["corpus"]
    assert corpus == counted(track for track in tiny_store.tracks() if track.split == "train")
    assert _corpus(corpus).splitlines() == [
        "| training tracks | real | rendered or synthesised here |",
        "| --- | ---: | ---: |",
        "| Jazz | 0 | 1 |",
        "| Metal | 1 | 0 |",
        "| no label | 1 | 0 |",
        "| not music | 0 | 1 |",
    ]
    assert not run_summary(run / "small")["heard_generated"]
    assert "made by networks" in _corpus({"R&B": {"generated": 2}})


def test_targets_are_probabilities_and_believe_known_labels(tiny_store: TrackStore) -> None:
    items = load_items(tiny_store, "train")
    windows = windows_of(items)
    targets = soft_targets(items, windows, fit_probe(items, c=1.0), usual=usual_scores(items, windows))
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    for index, item in enumerate(items):
        if item.label is not None:
            assert (targets[windows.item == index].argmax(1) == item.label).all()


def test_the_probe_counts_where_it_learned_from_recordings_and_mn04_elsewhere() -> None:
    probed, mn04 = np.full((2, N_OUTPUTS), 0.01, np.float32), np.full((2, len(GENRES)), 0.01, np.float32)
    classical, jazz = GENRES.index("Classical"), GENRES.index("Jazz")
    probed[:, classical], mn04[:, jazz] = 0.84, 0.85
    trusts = np.zeros(len(GENRES)), np.ones(len(GENRES)), np.where(np.arange(len(GENRES)) == classical, 0.95, 0.0)
    ignored, alike, known = (_blend(probed, mn04, None, trust)[0] for trust in trusts)
    assert ignored.argmax() == jazz
    assert alike[classical] == pytest.approx(alike[jazz], rel=0.1)
    assert known[jazz] > known[classical] > ignored[classical]
    np.testing.assert_allclose(known.sum(), 1, atol=1e-5)
    np.testing.assert_allclose(known[-1], probed[0, -1])


def test_sounding_like_something_rendered_counts_and_not_sounding_like_it_hardly() -> None:
    jazz, metal = GENRES.index("Jazz"), GENRES.index("Metal")
    undecided, mn04 = np.full((1, N_OUTPUTS), 1 / N_OUTPUTS, np.float32), np.full((1, len(GENRES)), 0.01, np.float32)
    mn04[0, [jazz, metal]] = 0.5, 0.4

    def blended(rendered: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return _blend(undecided, mn04, rendered, np.zeros(len(GENRES)))[0]

    likes_metal, denies_jazz = np.zeros((2, 1, N_OUTPUTS), np.float32)
    likes_metal[0, metal] = 1
    denies_jazz[:] = 1 / (N_OUTPUTS - 1)
    denies_jazz[0, jazz] = 0
    assert blended(None).argmax() == jazz
    assert blended(likes_metal).argmax() == metal
    assert blended(denies_jazz).argmax() == jazz


def test_genres_that_few_recordings_taught_get_more_where_nobody_has_an_opinion() -> None:
    undecided = np.full((1, N_OUTPUTS), 1 / N_OUTPUTS, np.float32)
    mn04 = np.full((1, len(GENRES)), 1 / len(GENRES), np.float32)
    trust = np.zeros(len(GENRES))
    trust[0] = 37 / 39
    alike, favoured = (_blend(undecided, mn04, rendered, trust)[0] for rendered in (None, undecided))
    assert alike[1] == pytest.approx(alike[0], rel=1e-3)
    assert favoured[1] == pytest.approx(2.9 * favoured[0], rel=0.02)


def test_a_probe_knows_how_many_recordings_taught_it_a_genre(tiny_store: TrackStore) -> None:
    """One recording of Metal; Jazz is rendered."""
    items = load_items(tiny_store, "train")
    probe = fit_probe(items, c=1.0)
    assert dict(zip(GENRES, probe.n_recordings, strict=True)) == {genre: int(genre == "Metal") for genre in GENRES}
    assert probe.trust[GENRES.index("Metal")] == pytest.approx(1 / 3)


def test_the_probe_of_rendered_music_has_not_heard_a_recording(tiny_store: TrackStore) -> None:
    items = load_items(tiny_store, "train")
    features = windows_of(items).features
    made = [item for item in items if not item.track.is_recorded]
    probe, alone = fit_probe(items, c=1.0), fit_probe(made, c=1.0)
    assert probe.rendered is not None
    assert alone.rendered is not None
    np.testing.assert_array_equal(probe.rendered.probabilities(features), alone.rendered.probabilities(features))
    assert (probe.rendered.probabilities(features)[:, GENRES.index("Metal")] == 0).all()
    assert (probe.labelled.probabilities(features)[:, GENRES.index("Metal")] > 0).all()
    # Without two kinds of such sounds there is nothing to tell apart.
    one_kind = [item for item in items if item.track.kind != "not_music"]
    assert fit_probe(one_kind, c=1.0).rendered is None


def test_opinions_are_relative_to_the_music_that_is_given(class_lists: ClassLists, tiny_store: TrackStore) -> None:
    """Relative to themselves, recordings that are all Electronic would be less Electronic than they are."""
    val = [item for item in load_items(tiny_store, "val") if item.track.kind == "real"]
    bare = [Item(replace(item.track, genre=None), item.arrays) for item in val]
    windows = windows_of(bare)
    probe = fit_probe(load_items(tiny_store, "train"), c=1.0)
    usual = windows.scores.copy()
    with class_lists.mn04.open(encoding="utf-8", newline="") as file:
        electronic = [int(row["index"]) for row in csv.DictReader(file) if row["display_name"] == "Techno"]
    windows.scores[:, electronic] = 4.0
    column = GENRES.index("Electronic")
    others, themselves = (
        soft_targets(bare, windows, probe, usual=scores, class_lists=class_lists)[:, column]
        for scores in (usual, windows.scores)
    )
    assert (others > 2 * themselves).all()
    for item, scores in zip(bare, windows.scores, strict=True):
        item.arrays.scores[:] = scores
    validation = _Validation.of(bare, probe, class_lists, usual=usual)
    np.testing.assert_allclose(validation.targets[:, column], others)


def test_labels_are_judged_on_recordings_whose_group_was_left_out(
    class_lists: ClassLists, tiny_store: TrackStore, tiny_recordings: tuple[Recording, ...]
) -> None:
    """Nothing else teaches the sound of the recording that trains; the two others are like training tracks."""
    items = load_items(tiny_store, "train", "val")
    metal = next(item for item in items if item.track.genre == "Metal" and item.track.split == "train")
    for over in ("", "another over "):  # and not even altered, or with other music on it
        altered = replace(metal.track, key=f"altered {over}", kind="altered", origin=f"{over}{metal.track.key}")
        items.append(Item(altered, metal.arrays))
    table = held_out_table(items, tiny_recordings, c=1.0, class_lists=class_lists)
    assert next(line for line in table.splitlines() if "first regression" in line).startswith(
        "| the first regression | 0.67 |"
    )


@pytest.mark.parametrize(
    ("peers", "said"),
    [
        ({"mn04": 0.5, "YAMNet": 0.4}, "2 of 4 clips, no fewer than any of its teachers."),
        ({"mn04": 0.6, "YAMNet": 0.4}, "2 of 4 clips. **mn04 names more by itself.**"),
        ({"mn04": 0.6, "YAMNet": 0.7}, "2 of 4 clips. **mn04 and YAMNet name more by themselves.**"),
    ],
)
def test_a_card_names_the_teachers_that_name_more(peers: dict[str, float], said: str) -> None:
    clips = [SimpleNamespace(is_right=right) for right in (True, True, False, False)]
    result = cast(Any, SimpleNamespace(clips=clips, n=4, accuracy=0.5))
    figures = {
        name: Score(top1=top1, top3=1.0, macro_recall=0.5, balanced_nll=1.0, n=4) for name, top1 in peers.items()
    }
    assert _standing(result, figures).endswith(said)


def test_a_batch_holds_images_of_both_kinds(tiny_store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise batch norms would learn from one kind at a time, and afterwards use what is true of neither."""
    items = load_items(tiny_store, "train")
    batches = Batches(items, fit_probe(items, c=1.0), size=64, mixup=0.0, cqt=0.25)
    grey = {NATIVE_MEL: 0.0, NATIVE_CQT: 1.0}
    monkeypatch.setattr(
        batches, "images", lambda chosen, _, front_end: torch.full((len(chosen), 3, 224, 224), grey[front_end])
    )
    kinds = batches.draw(0, 1).images[:, 0, 0, 0]
    assert set(kinds.tolist()) == {0.0, 1.0}
    assert 0.1 < float(kinds.mean()) < 0.4


def test_a_batch_is_the_same_whenever_it_is_drawn(tiny_store: TrackStore) -> None:
    items = load_items(tiny_store, "train")
    batches = Batches(items, fit_probe(items, c=1.0), size=4, mixup=1.0)
    first, again, other = batches.draw(5, 1), batches.draw(5, 1), batches.draw(6, 1)
    torch.testing.assert_close(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (4, 3, 224, 224)


def test_augmented_windows_are_finite_and_as_long_as_a_image() -> None:
    generator = torch.Generator().manual_seed(0)
    quiet = torch.full((8, 128, WINDOW_FRAMES + MARGIN_FRAMES), float(np.log(NATIVE_MEL.log_offset)))
    view = augment(quiet + torch.rand(quiet.shape, generator=generator), generator)
    assert view.shape == (8, 128, WINDOW_FRAMES)
    assert torch.isfinite(view).all()


@pytest.mark.parametrize("start", [-5, 0, 3, 99])
def test_cut_never_leaves_the_track(start: int) -> None:
    log_mel = np.arange(10, dtype=np.float16)[None]
    window = cut(log_mel, start, 4)
    assert window.shape == (1, 4)
    assert np.diff(window).tolist() == [[1, 1, 1]]


def test_cut_repeats_a_track_that_is_too_short() -> None:
    assert cut(np.array([[1, 2]], np.float16), 0, 5).tolist() == [[1, 2, 1, 2, 1]]


def test_score_by_hand() -> None:
    logits = np.zeros((3, N_OUTPUTS), np.float32)
    logits[0, 0] = logits[1, 1] = logits[2, 5] = 9
    logits[:, -1] = 50  # "not music" is no genre
    figures = score(logits, np.array([0, 1, 1]))
    assert (figures.top1, figures.macro_recall, figures.n) == (pytest.approx(2 / 3), 0.75, 3)


def test_a_network_that_packing_spoiled_is_not_exported() -> None:
    logits = np.eye(N_OUTPUTS, dtype=np.float32)[np.arange(40) % len(GENRES)] * 9
    assert _checked(packing_loss(logits, logits + 0.01)).top1_agreement == 1
    with pytest.raises(RuntimeError, match="0% of 40 windows"):
        _checked(packing_loss(logits, np.roll(logits, 1, axis=1)))


def test_the_average_begins_anew_when_images_grow(tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path) -> None:
    """With a decay of 1 an average keeps what it began with: that of small images, or that of large ones."""
    recipe = replace(tiny_recipe.students["small"], steps=4, ema_decay=1.0, mixup=0.0)
    items = load_items(tiny_store, "train")
    batches = Batches(items, fit_probe(items, c=1.0), size=4, mixup=0.0)
    trainer = _Trainer(recipe, make_student(recipe), tmp_path, batches.features.shape[1], CPU)
    before = {}
    for step in range(3):
        before = {name: value.clone() for name, value in trainer._student.student.state_dict().items()}
        trainer.advance(batches.draw(step, 1), minutes=float("inf"))
        assert trainer.run.side_px == (64 if step < 2 else 224)
    for name, value in trainer.average.state_dict().items():
        torch.testing.assert_close(value, before[name], msg=name)
