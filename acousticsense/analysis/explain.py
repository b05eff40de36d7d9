"""Where a model looked: which parts of its images speak for a genre.

Convolutional networks are explained by Grad-CAM on their last feature map (Selvaraju et al. 2017, arXiv 1610.02391).
Vision transformers by what each patch hands on through attention: its value vectors times the gradient that reaches
them, summed over heads and blocks. That is attention times its gradient, as in Chefer et al. 2021 (arXiv 2103.15679),
summed over queries with its sign kept; it also works where attention itself says nothing because it is uniform.
`benchmarks.heatmap` compares it with the alternatives.

Both take one forward pass and at most one backward pass, without gradients of weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.analysis.results import Heatmap, HeatMethod, HeatPlace
from acousticsense.audio import Source
from acousticsense.errors import RequestError, UnexplainableError, quoted
from acousticsense.inference.classifier import MODEL_DEFAULT, Analysis, Duration, GenreClassifier
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.images import frequencies_hz, normalise

__all__ = [
    "MAX_WINDOWS",
    "Explanation",
    "Score",
    "check_label",
    "explain",
    "explanation_of",
    "heatmap",
    "method_for",
    "relevance",
    "twin",
]

_N = TypeVar("_N", bound=nn.Module)

#: Windows of a clip that are explained at most; those in which the genre is most probable.
MAX_WINDOWS: Final = 12

#: Divisor for what is 0 throughout.
_TINY: Final = 1e-30

#: Logits (n, n_outputs) -> the number (n,) whose reasons are asked for.
Score = Callable[[Tensor], Tensor]


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
    """Predicts a excerpt of a track and shows what speaks for a label.

    Args:
        classifier: the model.
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
                normalise(images.images[window : window + 1].to(classifier.device), images.front_end),
                lambda logits: _log_odds(logits[:, : len(spec.labels)], index),
            ).cpu()
            for window in chosen
        ]
    )
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
        hottest=_hottest(maps, start_s, spec.windows.window_s, images.front_end),
    )


def _hottest(maps: Tensor, start_s: tuple[float, ...], window_s: float, front_end: FrontEnd) -> HeatPlace | None:
    """Where maps (n, S, S) are largest; None when all are 0."""
    if not maps.any():
        return None
    size = maps.shape[-1]
    window, row, column = (int(index) for index in np.unravel_index(int(maps.argmax()), maps.shape))
    centres = frequencies_hz(front_end)
    height = (size - row - 0.5) / size * len(centres) - 0.5
    return HeatPlace(
        time_s=start_s[window] + (column + 0.5) / size * window_s,
        frequency_hz=float(np.interp(height, np.arange(len(centres)), centres)),
    )


def _label_index(classifier: GenreClassifier, label: str) -> int:
    """The output that stands for `label`; raises like `check_label`."""
    labels = classifier.spec.labels
    if label not in labels:
        raise RequestError(f"label is {quoted(label)}.", hint=f"This model knows: {', '.join(labels)}.")
    return labels.index(label)


def method_for(network: nn.Module) -> HeatMethod:
    """How a network is explained."""
    return "attention" if isinstance(network, VisionTransformer) else "grad_cam"


def relevance(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """How much each part of the images speaks for a score; parts that speak against it get 0.

    Args:
        network: a timm network in eval mode whose weights need no gradient.
        inputs: float32 (n, 3, S, S), normalised.
        score: what is to be explained.

    Returns:
        float32 (n, rows, columns), 0 or more, row 0 the top of the image, on the device of `inputs`.

    Raises:
        UnexplainableError: nothing is known that explains this kind of network.
    """
    if method_for(network) == "attention":
        return _value_relevance(cast(VisionTransformer, network), inputs, score)
    return _grad_cam(network, inputs, score)


def _log_odds(logits: Tensor, index: int) -> Tensor:
    """log(p / (1 - p)) of one label (n,). It points where log p does, but has a slope also where p is nearly 1."""
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - others.logsumexp(dim=1) if others.shape[1] else logits[:, index]


def _grad_cam(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    with torch.no_grad():
        features = _feature_map(network, inputs)
    is_channels_last = features.shape[1] != cast(Any, network).num_features == features.shape[-1]
    with torch.enable_grad():
        features.requires_grad_()
        (gradient,) = torch.autograd.grad(score(cast(Any, network).forward_head(features)).sum(), features)
    if is_channels_last:
        features, gradient = features.movedim(-1, 1), gradient.movedim(-1, 1)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * features.detach()).sum(dim=1).clamp(min=0).float()


def _feature_map(network: nn.Module, inputs: Tensor) -> Tensor:
    """What a network's pooling and classifier work on: (n, channels, rows, columns), or channels last."""
    forward_features = getattr(network, "forward_features", None)
    features = forward_features(inputs) if forward_features else None
    if not isinstance(features, Tensor) or features.ndim != 4 or not hasattr(network, "forward_head"):
        raise UnexplainableError(
            f"A heat map of a {type(network).__name__} network is not possible.",
            hint="Convolutional networks and vision transformers (ViT) can be explained; choose such a model.",
        )
    return features


def _value_relevance(network: VisionTransformer, inputs: Tensor, score: Score) -> Tensor:
    values: list[Tensor] = []
    private = twin(network)
    for block in private.blocks:
        _attention_of(block).qkv.register_forward_hook(lambda *call: values.append(call[-1]))
    with torch.enable_grad():
        # Weights need no gradient, so something has to, or nothing would be recorded.
        logits = private(inputs.clone().requires_grad_())
        gradients = torch.autograd.grad(score(logits).sum(), values)
    products = [_values(value.detach() * gradient) for value, gradient in zip(values, gradients, strict=True)]
    patches = torch.stack([product.sum(dim=-1) for product in products]).sum(dim=0)[:, network.num_prefix_tokens :]
    rows, columns = network.patch_embed.grid_size
    return patches.reshape(-1, rows, columns).clamp(min=0).float()


def twin(network: _N) -> _N:
    """The same network with the same weights in memory, to be hooked without other threads meeting the hooks."""
    shared = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in shared})


def _values(qkv: Tensor) -> Tensor:
    """The last third of (n, tokens, 3 * width): the value vectors of all heads."""
    return qkv.chunk(3, dim=-1)[2]


def _attention_of(block: Any) -> Any:
    attention = getattr(block, "attn", None)
    if not hasattr(attention, "qkv"):
        raise UnexplainableError(
            f"A heat map of a network with {type(block).__name__} blocks is not possible.",
            hint="Vision transformers whose attention has one qkv layer can be explained; choose such a model.",
        )
    return attention


def _enlarged(grids: Tensor, size: int) -> Tensor:
    return functional.interpolate(grids[:, None], size=(size, size), mode="bilinear")[:, 0]
