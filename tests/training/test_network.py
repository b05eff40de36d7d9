"""Networks as they begin: mimetic, grown; and what moves their weights."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from acousticsense.training.grow import grow
from acousticsense.training.network import Student, initialise_mimetically
from acousticsense.training.optimiser import Muon, make_optimisers, orthogonal
from acousticsense.training.recipe import Recipe, read_recipe, recipe_names


def transformer(width: int, heads: int, depth: int = 2) -> Any:
    torch.manual_seed(0)
    return timm.create_model(
        "vit_tiny_patch16_224", num_classes=17, embed_dim=width, num_heads=heads, depth=depth
    ).eval()


def test_a_grown_transformer_computes_the_same() -> None:
    small, large = transformer(64, 2), transformer(256, 8)
    for parameter in small.parameters():
        nn.init.normal_(parameter, std=0.1)
    grow(small, large, seed=1)
    images = torch.randn(4, 3, 224, 224)
    with torch.inference_mode():
        assert (small(images) - large(images)).abs().max() < 1e-5


def test_copies_do_not_stay_alike_when_they_are_trained() -> None:
    small, large = transformer(64, 2), transformer(128, 4)
    grow(small, large, seed=1)
    large(torch.randn(2, 3, 224, 224)).square().sum().backward()
    gradient = large.blocks[0].mlp.fc1.weight.grad
    half = len(gradient) // 2
    assert not torch.allclose(gradient[:half], gradient[half:])


def test_a_transformer_of_another_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        grow(transformer(64, 2), transformer(128, 4, depth=3), seed=1)


def test_mimetic_attention_looks_like_a_trained_one() -> None:
    network = transformer(128, 2).requires_grad_(False)
    initialise_mimetically(network)
    attention = network.blocks[0].attn
    queries, keys, values = attention.qkv.weight.view(3, 2, 64, 128).unbind(0)
    assert torch.diag(queries[0].T @ keys[0]).mean() > 0.2
    assert float(torch.diag(attention.proj.weight @ values.reshape(128, 128)).mean()) == pytest.approx(-0.4, abs=0.05)
    assert float(network.pos_embed[0, 1:].std()) == pytest.approx(0.3, abs=0.02)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    for shape in ((32, 96), (96, 32)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_muon_moves_matrices_and_adamw_the_rest() -> None:
    student = Student(timm.create_model("resnet18", num_classes=17), 384)
    adamw, muon = make_optimisers(student, Recipe(architecture="resnet18", title="t", steps=1))
    count = [sum(len(group["params"]) for group in optimiser.param_groups) for optimiser in (adamw, muon)]
    assert isinstance(muon, Muon)
    assert sum(count) == len(list(student.parameters()))
    moved = {id(weight) for weight in muon.param_groups[0]["params"]}
    assert id(student.classifier.weight) not in moved
    assert id(student.network.layer1[0].conv1.weight) in moved


def test_muon_lowers_a_loss() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(40, 40, bias=False)
    muon = Muon([layer.weight], lr=0.02, weight_decay=0.0)
    inputs, wanted = torch.randn(64, 40), torch.randn(64, 40)
    losses = []
    for _ in range(20):
        loss: Any = (layer(inputs) - wanted).square().mean()
        muon.zero_grad()
        loss.backward()
        muon.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_every_recipe_names_a_network_and_recipes_that_there_are() -> None:
    for name in recipe_names():
        recipe = read_recipe(name)
        arguments: dict[str, Any] = {**recipe.model_args, **recipe.train_args}
        with torch.device("meta"):
            timm.create_model(recipe.architecture, num_classes=17, **arguments)
        assert set(recipe.needs) <= set(recipe_names())
        assert min(recipe.steps, recipe.batch_size, recipe.warmup_steps) > 0
        assert all(0 <= share <= 1 for share in (recipe.ema_decay, recipe.mixed, recipe.augmented, recipe.cqt))
        assert min(recipe.learning_rate, recipe.matrix_learning_rate, recipe.weight_decay, recipe.feature_loss) >= 0


def test_a_recipe_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="resnet51"):
        read_recipe("resnet51")
