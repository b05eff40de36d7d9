"""The equivalence check: a faster network may stand in for the trained one if it answers real music the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

#: Share of windows whose best label must stay the same.
MIN_AGREEMENT: Final = 0.995
#: Mean absolute change of a probability, over labels and windows, must stay below this.
MAX_MEAN_CHANGE: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class EquivalenceReport:
    """How a network's answers differ from the trained network's.

    Attributes:
        n_windows: on how many windows they were compared.
        agreement: share of them with the same best label, 0..1.
        mean_change: mean absolute change of a probability, over labels and windows.
        max_change: the largest.
    """

    n_windows: int
    agreement: float
    mean_change: float
    max_change: float

    @property
    def passed(self) -> bool:
        """Whether both limits hold."""
        return self.agreement >= MIN_AGREEMENT and self.mean_change < MAX_MEAN_CHANGE


def compare(reference: Tensor, candidate: Tensor) -> EquivalenceReport:
    """Compares probabilities (n_windows, n_labels), each row summing to 1, of the same windows in the same order."""
    change = (candidate - reference).abs()
    same = candidate.argmax(dim=1) == reference.argmax(dim=1)
    # A number that is none compares as unequal to any, and must not pass.
    return EquivalenceReport(
        n_windows=len(reference),
        agreement=float(same.float().mean()) if change.isfinite().all() else 0.0,
        mean_change=float(change.mean()),
        max_change=float(change.max()),
    )
