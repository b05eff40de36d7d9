"""Muon for the matrices of a network, AdamW for everything else, with one schedule.

Muon (K. Jordan et al., 2024, kellerjordan.github.io/posts/muon) makes every direction of a matrix move alike, where
AdamW follows the few that the gradient is full of. PyTorch's own orthogonalises in bfloat16, which takes ten times as
long on a CPU without instructions for it: here it is float32. Steps are scaled so that both optimisers move weights
alike (J. Liu et al., arXiv 2502.16982).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from acousticsense.training.network import Student
from acousticsense.training.recipe import Recipe

#: Coefficients and number of the Newton-Schulz iterations (K. Jordan et al.).
_NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)
_ITERATIONS: Final = 5

#: Kernels that read fewer inputs (depthwise ones) are no matrices to speak of.
_FEWEST_INPUTS: Final = 32


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (m, n) with about the same singular vectors, whose singular values are near 1."""
    a, b, c = _NEWTON_SCHULZ
    is_tall = matrix.size(0) > matrix.size(1)
    x = matrix.T if is_tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised Nesterov momentum; kernels of convolutions are matrices of (outputs, inputs)."""

    def __init__(self, params: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure that computes the loss anew
        """One step; parameters without gradients stay as they are."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(momentum, group["momentum"]).flatten(1))
                scale = 0.2 * max(update.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(update.view_as(weight), alpha=group["lr"] * scale)


def make_optimisers(student: Student, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    """AdamW, and Muon for the weights between layers unless its rate is 0, at the highest rates of the recipe.

    The layers that give answers are AdamW's. Biases, norms, class tokens and positions do not decay.
    """
    matrices = _matrices(student) if recipe.matrix_learning_rate else []
    known = {id(matrix) for matrix in matrices}
    rest = [(name, value) for name, value in student.named_parameters() if id(value) not in known]
    decays = [value for name, value in rest if value.ndim >= 2 and not _is_position(name)]
    stays = [value for name, value in rest if value.ndim < 2 or _is_position(name)]
    groups = [{"params": decays, "weight_decay": recipe.weight_decay}, {"params": stays, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    if not matrices:
        return (adamw,)
    return adamw, Muon(matrices, lr=recipe.matrix_learning_rate, weight_decay=recipe.weight_decay)


def _is_position(name: str) -> bool:
    return name.endswith(("pos_embed", "cls_token"))


def _matrices(student: Student) -> list[Tensor]:
    """Weights of the linear and convolutional layers that lie between others."""
    return [
        layer.weight
        for layer in student.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
        and layer not in (student.classifier, student.regression)
        and layer.weight[0].numel() >= _FEWEST_INPUTS
    ]
