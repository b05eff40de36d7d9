"""A linear layer from features to soft labels: multinomial logistic regression, scarce classes counting more."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["fit_head"]

Floats = NDArray[np.float32]

#: Weight of the squares of the head's weights, beside the mean cross-entropy; by macro recall on validation music
#: among 1e-4 to 3e-3.
_PENALTY: Final = 1e-3

#: Power of a class's scarcity by which its windows count more; 1 would make classes count alike.
_BALANCE: Final = 0.75

_STEPS: Final = 200


def fit_head(features: Floats, targets: Floats, weights: Floats) -> nn.Linear:
    """The linear layer whose softmax comes closest to the targets.

    Args:
        features: (n, D) of windows, of at least two different values each.
        targets: (n, n_outputs) probabilities.
        weights: (n,) how much each window counts, before classes are balanced.
    """
    mean, deviation = features.mean(0), np.maximum(features.std(0), 1e-4)
    inputs, wanted = torch.from_numpy((features - mean) / deviation), torch.from_numpy(targets)
    counts = _balanced(torch.from_numpy(weights), wanted)
    head = nn.Linear(features.shape[1], targets.shape[1])
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    optimiser: Any = torch.optim.LBFGS(head.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimiser.zero_grad()
        loss: Any = (counts * functional.cross_entropy(head(inputs), wanted, reduction="none")).mean()
        loss += _PENALTY * head.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return _unscaled(head, torch.from_numpy(mean), torch.from_numpy(deviation))


def _balanced(weights: Tensor, targets: Tensor) -> Tensor:
    """Weights (n,) of mean 1, larger for windows of scarce classes."""
    totals = (targets * weights[:, None]).sum(0).clamp(min=1e-6)
    weights = weights * (targets * (totals.sum() / totals) ** _BALANCE).sum(1)
    return weights / weights.mean()


@torch.no_grad()
def _unscaled(head: nn.Linear, mean: Tensor, deviation: Tensor) -> nn.Linear:
    """The same function of features as they are."""
    head.weight.div_(deviation)
    head.bias.sub_(head.weight @ mean)
    return head.requires_grad_(False)
