"""From a network's raw outputs to calibrated probabilities and a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from acousticsense.errors import CorruptCheckpointError
from acousticsense.inference.confidence import verdict_of
from acousticsense.inference.prediction import Verdict, WindowVote
from acousticsense.models.spec import ModelSpec


@dataclass(frozen=True)
class Posterior:
    """What a network makes of one clip.

    Attributes:
        probabilities: label -> calibrated probability, the mean over windows, in label order; they sum to 1.
        not_music: probability that this is not music at all; None when the model cannot tell.
        verdict: how far to trust the best label.
        window_probabilities: float32 (n_windows, n_labels).
        vote: the label by majority vote, where the model's window policy asks for one.
    """

    probabilities: Mapping[str, float]
    not_music: float | None
    verdict: Verdict
    window_probabilities: Tensor
    vote: WindowVote | None


def probabilities_of(logits: Tensor, spec: ModelSpec) -> tuple[Tensor, Tensor | None]:
    """Calibrated genre probabilities (n, n_labels) and P(not music) (n,), None when the model has no such output.

    The genres are a softmax over the labels alone, divided by the temperature (Guo et al. 2017, "On Calibration of
    Modern Neural Networks"); not-music is a softmax over all outputs.

    Args:
        logits: float32 (n, n_outputs).

    Raises:
        CorruptCheckpointError: the network answered with numbers that are not finite.
    """
    if not bool(torch.isfinite(logits).all()):
        raise CorruptCheckpointError(
            f"{spec.name} answers with numbers that are not finite.", hint="Its weights are damaged."
        )
    genres = torch.softmax(logits[:, : len(spec.labels)] / spec.calibration.temperature, dim=1)
    return genres, torch.softmax(logits, dim=1)[:, -1] if spec.has_not_music else None


def posterior_of(logits: Tensor, spec: ModelSpec, *, duration_s: float | None = None) -> Posterior:
    """The answer for one clip.

    Args:
        logits: float32 (n_windows, n_outputs) of its images.
        duration_s: seconds of sound in the clip; None when that is not known.

    Raises:
        CorruptCheckpointError: the network answered with numbers that are not finite.
    """
    per_window, not_music_per_window = probabilities_of(logits, spec)
    mean = per_window.double().mean(dim=0)
    values = dict(zip(spec.labels, (mean / mean.sum()).tolist(), strict=True))
    not_music = None if not_music_per_window is None else float(not_music_per_window.mean())
    verdict = verdict_of(values, not_music, spec.calibration, duration_s=duration_s)
    return Posterior(values, not_music, verdict, per_window, _vote(per_window, spec))


def _vote(per_window: Tensor, spec: ModelSpec) -> WindowVote | None:
    """The label that most windows put first, where the window policy asks for it."""
    if spec.windows.vote != "majority":
        return None
    best, count = Counter(per_window.argmax(dim=1).tolist()).most_common(1)[0]
    return WindowVote(spec.labels[best], count, len(per_window))
