"""Where a model looked: which parts of its images speak for a genre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from acousticsense.analysis.heatmap import Heatmap, HeatPlace
from acousticsense.analysis.relevance import method_for, relevance
from acousticsense.audio.source import Source
from acousticsense.errors import RequestError, quoted
from acousticsense.inference.answer import Analysis
from acousticsense.inference.classifier import MODEL_DEFAULT, Duration, GenreClassifier
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.spectrogram import frequencies_hz

#: Windows of a clip that are explained at most; those in which the genre is most probable.
MAX_WINDOWS: Final = 12

#: Divisor for what is 0 throughout.
_TINY: Final = 1e-30


@dataclass(frozen=True)
class Explanation:
    """A prediction, and where the model looked for one of its labels."""

    analysis: Analysis
    heatmap: Heatmap


def explain(
    classifier: GenreClassifier,
    source: Source,
    label: str = "",
    *,
    duration_s: Duration = MODEL_DEFAULT,
    offset_s: float = 0.0,
) -> Explanation:
    """Predicts an excerpt of a track and shows what speaks for a label.

    Args:
        source: path, bytes or binary file object of any audio format.
        label: one of the model's; "" is the best one.
        duration_s: seconds to predict, see `GenreClassifier.analyse`.
        offset_s: where the excerpt begins.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: the model has no such label.
        UnexplainableError: nothing is known that explains this kind of network.
    """
    check_label(classifier, label)
    return explanation_of(classifier, classifier.analyse(source, duration_s=duration_s, offset_s=offset_s), label)


def explanation_of(classifier: GenreClassifier, analysis: Analysis, label: str = "") -> Explanation:
    """As `explain`, for an answer that `classifier` gave."""
    return Explanation(analysis, heatmap(classifier, analysis, label or analysis.prediction.top(1)[0].label))


def check_label(classifier: GenreClassifier, label: str) -> None:
    """Refuses, before anything is decoded, a label that the model does not have; "" is its best one.

    Raises:
        RequestError: the model has no such label.
    """
    if label:
        _label_index(classifier, label)


def heatmap(classifier: GenreClassifier, analysis: Analysis, label: str) -> Heatmap:
    """Where `classifier` looked when it gave `label` its probability in `analysis`; raises like `explain`."""
    index = _label_index(classifier, label)
    windows = torch.topk(analysis.window_probabilities[:, index], min(MAX_WINDOWS, len(analysis.window_probabilities)))
    chosen = sorted(windows.indices.tolist())
    spec, images = classifier.spec, analysis.images
    grid = torch.cat(
        [
            relevance(
                classifier.network,
                images.front_end.to_input(images.inputs[window : window + 1].to(classifier.device)),
                lambda logits: _log_odds(logits[:, : len(spec.labels)], index),
            ).cpu()
            for window in chosen
        ]
    )
    if not images.front_end.reads_images:
        grid = grid.flip(-2)  # the lowest frequency is its first row, and an image's last
    maps = _enlarged(grid, images.front_end.image_size)
    start_s = tuple(images.start_s[window] for window in chosen)
    return Heatmap(
        label=label,
        probability=analysis.prediction.probabilities[label],
        method=method_for(classifier.network),
        grids=(grid / grid.max().clamp(min=_TINY)).numpy(),
        maps=(maps / maps.max().clamp(min=_TINY)).numpy(),
        start_s=start_s,
        window_s=spec.windows.window_s,
        n_windows=len(images.start_s),
        hottest=_hottest(maps, start_s, spec.windows.window_s, images.front_end if grid.shape[1] > 1 else None),
    )


def _hottest(maps: Tensor, start_s: tuple[float, ...], window_s: float, front_end: FrontEnd | None) -> HeatPlace | None:
    """Where maps (n, S, S) are largest, without a frequency if no front end is given; None when all are 0."""
    if not maps.any():
        return None
    size = maps.shape[-1]
    window, row, column = (int(index) for index in np.unravel_index(int(maps.argmax()), maps.shape))
    time_s = start_s[window] + (column + 0.5) / size * window_s
    if front_end is None:
        return HeatPlace(time_s=time_s, frequency_hz=None)
    centres = frequencies_hz(front_end)
    height = (size - row - 0.5) / size * len(centres) - 0.5
    return HeatPlace(time_s=time_s, frequency_hz=float(np.interp(height, np.arange(len(centres)), centres)))


def _label_index(classifier: GenreClassifier, label: str) -> int:
    """The output that stands for `label`; raises like `check_label`."""
    labels = classifier.spec.labels
    if label not in labels:
        raise RequestError(f"label is {quoted(label)}.", hint=f"This model knows: {', '.join(labels)}.")
    return labels.index(label)


def _log_odds(logits: Tensor, index: int) -> Tensor:
    """log(p / (1 - p)) of one label (n,). It points where log p does, but has a slope also where p is nearly 1."""
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - others.logsumexp(dim=1) if others.shape[1] else logits[:, index]


def _enlarged(grids: Tensor, size: int) -> Tensor:
    return functional.interpolate(grids[:, None], size=(size, size), mode="bilinear")[:, 0]
