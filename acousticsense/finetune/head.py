"""The classifier on the base network's features: a softmax regression, solved to convergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

#: Penalties that are tried, the strongest first; each starts from the solution before.
_STRENGTHS: Final = (1.0, 0.3, 0.1, 0.03, 0.01)

#: Taken where there are too few tracks to try.
DEFAULT_STRENGTH: Final = 0.1

_MOST_STEPS: Final = 300


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Feature vectors to learn from.

    Attributes:
        features: float32 (n, width).
        targets: (n,) output that each stands for.
        weights: (n,) how much each counts; they sum to 1.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """A linear layer: weight (n_outputs, width), bias (n_outputs,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, n_outputs) of features (n, width)."""
        return np.asarray(features @ self.weight.T + self.bias)


def fit_head(examples: Examples, n_outputs: int, *, trial: Examples | None = None) -> Head:
    """Weighted cross-entropy with a squared penalty on standardised features, minimised by L-BFGS.

    Args:
        n_outputs: width of the layer; an output without examples becomes unlikely, not impossible.
        trial: held-out examples among which the penalty is chosen; None takes `DEFAULT_STRENGTH`. The head is then
            fitted on both together.
    """
    if trial is None:
        return _solve(examples, n_outputs, (DEFAULT_STRENGTH,))[-1]
    heads = _solve(examples, n_outputs, _STRENGTHS)
    losses = [_loss(head, trial) for head in heads]
    best = int(np.argmin(losses))
    return _solve(_joined(examples, trial), n_outputs, _STRENGTHS[: best + 1])[-1]


def _joined(first: Examples, second: Examples) -> Examples:
    """Both, each counting by its number of examples."""
    share = len(first.targets) / (len(first.targets) + len(second.targets))
    return Examples(
        features=np.concatenate([first.features, second.features]),
        targets=np.concatenate([first.targets, second.targets]),
        weights=np.concatenate([share * first.weights, (1 - share) * second.weights]),
    )


def _loss(head: Head, examples: Examples) -> float:
    scores = log_softmax(head.logits(examples.features), axis=1)
    return -float(examples.weights @ scores[np.arange(len(scores)), examples.targets])


def _solve(examples: Examples, n_outputs: int, strengths: tuple[float, ...]) -> list[Head]:
    """One head per penalty."""
    mean = examples.weights @ examples.features
    spread = np.sqrt(examples.weights @ (examples.features - mean) ** 2) + 1e-6
    inputs = ((examples.features - mean) / spread).astype(np.float32)
    wanted = np.zeros((len(inputs), n_outputs))
    wanted[np.arange(len(inputs)), examples.targets] = 1.0
    solution = np.zeros((n_outputs, inputs.shape[1] + 1))
    heads = []
    for strength in strengths:
        found = minimize(
            _objective,
            solution.ravel(),
            args=(inputs, wanted, examples.weights, strength),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MOST_STEPS},
        )
        solution = found.x.reshape(solution.shape)
        weight = solution[:, :-1] / spread
        bias = solution[:, -1] - weight @ mean
        heads.append(Head(weight.astype(np.float32), bias.astype(np.float32)))
    return heads


def _objective(
    values: NDArray[np.float64],
    inputs: NDArray[np.float32],
    wanted: NDArray[np.float64],
    weights: NDArray[np.float64],
    strength: float,
) -> tuple[float, NDArray[np.float64]]:
    """Loss and gradient; the biases carry no penalty."""
    layer = values.reshape(wanted.shape[1], -1)
    scores = log_softmax(inputs @ layer[:, :-1].T.astype(np.float32) + layer[:, -1], axis=1)
    error = (np.exp(scores) - wanted) * weights[:, None]
    gradient = np.empty_like(layer)
    gradient[:, :-1] = error.T.astype(np.float32) @ inputs + strength * layer[:, :-1]
    gradient[:, -1] = error.sum(0)
    loss = -weights @ (scores * wanted).sum(1) + strength / 2 * (layer[:, :-1] ** 2).sum()
    return float(loss), gradient.ravel()
