"""Muon for the matrices of a network, AdamW for everything else, with one schedule.

Muon (K. Jordan et al., 2024, kellerjordan.github.io/posts/muon) makes every direction of a matrix move alike, where
AdamW follows the few that the gradient is full of: students of minutes learn several times faster (docs/training.md).
Rates are scaled so that both move weights alike (J. Liu et al., arXiv 2502.16982).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn

__all__ = ["Optimiser"]

#: Kernels that read fewer inputs (depthwise ones) are no matrices to speak of.
_FEWEST_INPUTS: Final = 32


class Optimiser:
    """Steps of both optimisers together.

    Args:
        network: whose parameters are trained.
        outputs: layers that give answers; they are AdamW's, as Muon is for layers between layers.
        learning_rate: highest, of AdamW.
        matrix_learning_rate: highest, of Muon; 0 leaves all parameters to AdamW.
        weight_decay: of matrices and kernels; biases, norms, class tokens and positions do not decay.
    """

    def __init__(
        self,
        network: nn.Module,
        outputs: Iterable[nn.Module],
        *,
        learning_rate: float,
        matrix_learning_rate: float,
        weight_decay: float,
    ) -> None:
        kernels = _kernels(network, outputs) if matrix_learning_rate else []
        self._kernels = [(kernel, nn.Parameter(kernel.detach().flatten(1).clone())) for kernel in kernels]
        known = {id(kernel) for kernel in kernels}
        rest = [(name, value) for name, value in network.named_parameters() if id(value) not in known]
        decays = [value for name, value in rest if value.ndim >= 2 and "pos_embed" not in name]
        stays = [value for name, value in rest if value.ndim < 2 or "pos_embed" in name]
        self._rates = [learning_rate]
        self._optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [{"params": decays, "weight_decay": weight_decay}, {"params": stays, "weight_decay": 0.0}]
            )
        ]
        if self._kernels:
            self._rates.append(matrix_learning_rate)
            matrices = [matrix for _, matrix in self._kernels]
            self._optimisers.append(
                torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        for kernel, _ in self._kernels:
            kernel.grad = None

    @torch.no_grad()
    def step(self, share: float) -> None:
        """One step at `share` of the highest learning rates, 0..1."""
        for optimiser, rate in zip(self._optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = share * rate
        for kernel, matrix in self._kernels:
            matrix.copy_(kernel.flatten(1))
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        for optimiser in self._optimisers:
            optimiser.step()
        for kernel, matrix in self._kernels:
            kernel.copy_(matrix.view_as(kernel))

    def state_dict(self) -> list[dict[str, Any]]:
        """What a resumed run needs of each optimiser."""
        return [optimiser.state_dict() for optimiser in self._optimisers]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """Goes on from `state_dict()`."""
        for optimiser, saved in zip(self._optimisers, state, strict=True):
            optimiser.load_state_dict(saved)


def _kernels(network: nn.Module, outputs: Iterable[nn.Module]) -> list[Tensor]:
    """Weights of the linear and convolutional layers that lie between others."""
    last = {id(layer) for layer in outputs}
    return [
        layer.weight
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
        and id(layer) not in last
        and layer.weight[0].numel() >= _FEWEST_INPUTS
    ]
