"""From a tiny corpus to a model that users can load: every stage is the real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from acousticsense.checkpoint import load_network, read_state_dict
from acousticsense.config import NATIVE_MEL, ModelSpec
from acousticsense.genres import GENRES
from acousticsense.training.augment import MARGIN_FRAMES, augment
from acousticsense.training.bank import N_OUTPUTS, WINDOW_FRAMES, cut, load_items, windows_of
from acousticsense.training.batches import Batches
from acousticsense.training.calibrate import calibrate
from acousticsense.training.dictionary import fill, learn_dictionary
from acousticsense.training.export import export, pack, packing_loss
from acousticsense.training.probe import _blend, fit_probe, soft_targets
from acousticsense.training.readout import train_readout
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import TrackStore
from acousticsense.training.student import make_network
from acousticsense.training.train import best_weights, run_summary, train
from acousticsense.training.validate import score

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(tiny_store, folder, tiny_recipe, device=CPU, check_every=1, workers=0)
    return folder


def test_training_stops_after_the_recipe_s_steps_and_keeps_weights(run: Path) -> None:
    assert run_summary(run)["step"] == 2
    assert best_weights(run)["head.weight"].shape == (N_OUTPUTS, 192)


def test_a_finished_run_has_nothing_left_to_do(run: Path, tiny_store: TrackStore, tiny_recipe: Recipe) -> None:
    train(tiny_store, run, tiny_recipe, device=CPU, check_every=1, workers=0)
    assert run_summary(run)["step"] == 2


def test_a_stopped_run_goes_on_to_the_same_weights(
    tiny_store: TrackStore, tiny_recipe: Recipe, run: Path, tmp_path: Path
) -> None:
    train(tiny_store, tmp_path, replace(tiny_recipe, steps=1), device=CPU, check_every=1, workers=0)
    train(tiny_store, tmp_path, tiny_recipe, device=CPU, check_every=1, workers=0)
    assert run_summary(tmp_path)["step"] == 2
    assert run_summary(run)["step"] == 2


def test_the_exported_folder_loads_through_the_normal_path(
    run: Path, tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    spec = export(run, tiny_store, tiny_recipe, folder, licence="CC0-1.0")
    assert ModelSpec.read(folder / "model.json") == spec
    assert spec.metrics["packing"]["top1_agreement"] == 1.0
    network, report = load_network(
        folder / "model.safetensors", architecture=spec.architecture, n_outputs=spec.n_outputs
    )
    assert not report.missing
    assert network(torch.zeros(1, 3, 224, 224)).shape == (1, N_OUTPUTS)


def test_targets_are_probabilities_and_believe_known_labels(tiny_store: TrackStore) -> None:
    items = load_items(tiny_store, "train")
    windows = windows_of(items)
    targets = soft_targets(items, windows, fit_probe(items, c=1.0))
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    for index, item in enumerate(items):
        if item.label is not None:
            assert (targets[windows.item == index].argmax(1) == item.label).all()


def test_the_teachers_own_opinions_move_the_probes() -> None:
    probed = np.full((2, N_OUTPUTS), 1 / N_OUTPUTS, np.float32)
    sure = np.full((2, len(GENRES)), 0.01, np.float32)
    sure[:, GENRES.index("Classical")] = 0.85
    blended = _blend(probed, (sure, sure))
    np.testing.assert_allclose(blended.sum(1), 1, atol=1e-5)
    assert (blended[:, : len(GENRES)].argmax(1) == GENRES.index("Classical")).all()
    np.testing.assert_allclose(blended[:, -1], probed[:, -1])


def test_a_batch_is_the_same_whenever_it_is_drawn(tiny_store: TrackStore) -> None:
    items = load_items(tiny_store, "train")
    batches = Batches(items, fit_probe(items, c=1.0), size=4, mixup=1.0)
    first, again, other = batches.draw(5, 1), batches.draw(5, 1), batches.draw(6, 1)
    torch.testing.assert_close(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, other.pictures)
    assert first.pictures.shape == (4, 3, 224, 224)


def test_augmented_windows_are_finite_and_as_long_as_a_picture() -> None:
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


def test_packed_weights_come_back_within_half_a_step(tmp_path: Path) -> None:
    weights = {"a.weight": torch.randn(4, 6) * torch.tensor([[1e-3], [1.0], [50.0], [0.0]]), "a.bias": torch.randn(4)}
    weights["exact"] = torch.randn(3, 3)
    pack(weights, tmp_path / "packed.safetensors", exact={"exact"})
    restored = read_state_dict(tmp_path / "packed.safetensors")
    half_step = weights["a.weight"].abs().amax(1, keepdim=True) / 127 / 2
    assert ((restored["a.weight"] - weights["a.weight"]).abs() <= half_step * 1.001).all()
    torch.testing.assert_close(restored["exact"].float(), weights["exact"], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(restored["a.bias"].float(), weights["a.bias"], atol=2e-3, rtol=1e-3)


@torch.no_grad()
def test_a_filled_network_computes_the_dictionary_s_summary() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(24, 1, 224, 224).cumsum(-1).div(60).sub(1).expand(-1, 3, -1, -1)
    dictionary = learn_dictionary(pictures, width=192, entries=64, seed=1)
    network = make_network("vit_tiny_patch16_224", depth=2).eval()
    fill(network, dictionary)
    seen: list[torch.Tensor] = []
    network.blocks[1].norm2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(pictures[:3])
    torch.testing.assert_close(seen[0][:, 0], dictionary.summary(pictures[:3]), atol=1e-3, rtol=1e-3)


def test_the_dictionary_method_leaves_a_run_that_can_be_exported(
    tiny_store: TrackStore, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(tiny_recipe, method="dictionary", depth=2, entries=64, views=1, steps=3)
    train_readout(tiny_store, tmp_path / "run", recipe, check_every=1)
    spec = export(tmp_path / "run", tiny_store, recipe, tmp_path / "model", licence="CC0-1.0")
    assert spec.metrics["training"]["step"] == 3
    assert spec.metrics["packing"]["max_change"] < 0.05


def test_packing_loss_of_equal_logits_is_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(5, N_OUTPUTS)).astype(np.float32)
    loss = packing_loss(logits, logits)
    assert (loss.max_change, loss.mean_change, loss.top1_agreement) == (0.0, 0.0, 1.0)


def test_overconfident_logits_get_a_temperature_above_one() -> None:
    source = np.random.default_rng(0)
    labels = source.integers(0, 16, 200)
    logits = source.normal(0, 1, (200, N_OUTPUTS)).astype(np.float32)
    logits[np.arange(200), labels] += 1.5
    plain = calibrate(logits, labels, measured_on="made up")
    sharp = calibrate(logits * 4, labels, measured_on="made up")
    assert sharp.temperature == pytest.approx(4 * plain.temperature, rel=0.02)
    assert plain.plausible_at <= plain.confident_at


def test_a_recipe_with_a_wrong_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"sede": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match="missing or unknown fields"):
        Recipe.read(tmp_path / "recipe.json")
