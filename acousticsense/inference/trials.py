"""Ways to compute a network, tried on this machine: whether the answers stay the same, and how fast they are."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor

from acousticsense.inference.backends import Backend, TorchBackend
from acousticsense.inference.backends.equivalence import EquivalenceReport, compare
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.equivalence_data import EquivalenceData

logger = logging.getLogger(__name__)

#: Images in one forward pass of a comparison.
_BATCH: Final = 8
#: Timed passes of each network, in turns, so that a machine that slows down slows all of them down.
_ROUNDS: Final = 9


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to compute the network.

    Attributes:
        excluded: share of layers that stay in float32: with 8 bits of the layers with weights, at either end; with
            bfloat16 of all operations, the first.
        equivalence: how its answers differ from those of the trained network.
        latency_ms: median time for one window, in turns with the others.
    """

    backend: str
    excluded: float
    equivalence: EquivalenceReport
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was tried for a model on this machine.

    Attributes:
        chosen: name of the backend that will answer.
        trials: PyTorch first, then in the order in which they were tried.
        data: what they were compared on, in words.
        n_threads: that each computed with.
        took_s: seconds it took to find out.
    """

    model: str
    chosen: str
    trials: tuple[Trial, ...]
    data: str
    n_threads: int
    took_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def to_table(self) -> str:
        """For a terminal."""
        rows = [f"{self.model}, compared on {self.data}, {self.n_threads} threads, found out in {self.took_s:.0f} s"]
        rows.append(f"{'':<22}{'ms':>8}{'speed':>8}{'windows':>9}{'same Top-1':>12}{'mean change':>13}{'largest':>9}")
        for trial in self.trials:
            report, speed = trial.equivalence, self.trials[0].latency_ms / trial.latency_ms
            name = f"{trial.backend}{f' without {trial.excluded:.0%}' if trial.excluded else ''}"
            rows.append(
                f"{name:<22}{trial.latency_ms:>8.1f}{speed:>7.2f}x{report.n_windows:>9}{report.agreement:>12.2%}"
                f"{report.mean_change:>13.5f}{report.max_change:>9.4f}{'' if report.passed else '  refused'}"
            )
        return "\n".join([*rows, f"chosen: {self.chosen}"])


class Comparison:
    """Answers and times of a model's candidates, against those of the trained network.

    Args:
        classifier: the model; it is not changed.
    """

    def __init__(self, classifier: GenreClassifier, data: EquivalenceData) -> None:
        self.classifier = classifier
        self.calibration = list(classifier.spec.front_end.to_input(data.calibration))
        self.reference = TorchBackend(classifier.network, classifier.device)
        self._images = data.comparison
        self._expected = self._probabilities(self.reference)
        self.trials: list[Trial] = []
        self.add(self.reference, excluded=0.0)

    def add(self, candidate: Backend, *, excluded: float) -> bool:
        """Tries a candidate; whether it passes the equivalence check."""
        answers = self._expected if candidate is self.reference else self._probabilities(candidate)
        report = compare(self._expected, answers)
        trial = Trial(
            backend=candidate.name, excluded=excluded, equivalence=report, latency_ms=self._latency_ms(candidate)
        )
        self.trials.append(trial)
        logger.info("%s: %s", self.classifier.spec.name, trial)
        return report.passed

    def _probabilities(self, backend: Backend) -> Tensor:
        front_end = self.classifier.spec.front_end
        logits = [backend.logits(front_end.to_input(part)) for part in torch.split(self._images, _BATCH)]
        return self.classifier.probabilities(torch.cat(logits))[0]

    def _latency_ms(self, candidate: Backend) -> float:
        """Relative to the reference's first time, so that trials made minutes apart can be compared."""
        one = self.classifier.spec.front_end.to_input(self._images[:1])
        theirs, ours = [], []
        for backend in (self.reference, candidate):
            backend.logits(one)
        for _ in range(_ROUNDS):
            theirs.append(_timed_ms(lambda: self.reference.logits(one)))
            ours.append(_timed_ms(lambda: candidate.logits(one)))
        known_ms = self.trials[0].latency_ms if self.trials else statistics.median(theirs)
        return known_ms * statistics.median(ours) / statistics.median(theirs)


def _timed_ms(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)
