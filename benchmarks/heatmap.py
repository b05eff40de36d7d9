"""Whether heat maps show what the model goes by, on real clips, and what they cost.

    python -m benchmarks.heatmap [--folder DIR] [--model NAME] [--limit 40] [--draws 5] [--json OUT]

Three checks of the best genre of each clip's first ten seconds:

- masked: the hottest fifth of the image is painted over with each frequency's mean, and so is its shape at
  random other places. A true map names the places whose loss lowers the genre's probability more.
- weights: the rank correlation of the map with that of the same network with its weights shuffled. A map that stays the
  same shows the image, not the model (Adebayo et al. 2018, arXiv 1810.03292).
- time: the map over a forward pass of the same network in float32, in turns within one run.

For vision transformers the alternatives are measured beside it: attention rollout (Abnar and Zuidema 2020), the
generic rule of Chefer et al. 2021, gradients of the pixels; and for every network its loudest places.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from acousticsense.analysis.explain import heatmap
from acousticsense.analysis.relevance import Score, method_for, relevance, weight_sharing_copy
from acousticsense.errors import AudioError
from acousticsense.inference.answer import Analysis
from acousticsense.inference.classifier import GenreClassifier
from benchmarks.common import EXAMPLES, machine

SUFFIXES: Final = (".ogg", ".mp3", ".wav", ".flac", ".opus", ".m4a")
#: Share of the image that is painted over.
SHARE: Final = 0.2
OURS: Final = "heat map"
RANDOM: Final = "random"
LOUDEST: Final = "loudest"

#: Network, input (1, 3, S, S), score -> how hot each place is (rows, columns).
Method = Callable[[nn.Module, Tensor, Score], Tensor]


@dataclass(frozen=True, kw_only=True)
class Masked:
    """What painting over a fifth of one clip's image did to its best genre.

    Attributes:
        probability: of the genre in the whole image.
        drops: by how much it fell, by the name of the method that chose the fifth; "random" is a mean over draws.
    """

    probability: float
    drops: dict[str, float]


def main() -> None:
    """Runs the checks and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="more clips, beside those in examples/")
    parser.add_argument("--model")
    parser.add_argument("--limit", type=int, default=40, help="clips at most")
    parser.add_argument("--draws", type=int, default=5, help="random places per clip")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = measure(GenreClassifier.load(options.model), clips(options.folder)[: options.limit], options.draws)
    print(as_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def clips(folder: Path | None) -> list[Path]:
    """The examples, and the recordings below `folder`."""
    found = [EXAMPLES, *([folder] if folder else [])]
    return [path for place in found for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES]


def measure(classifier: GenreClassifier, paths: Sequence[Path], draws: int) -> dict[str, Any]:
    """All figures of one model over real clips; a clip that cannot be read is left out."""
    shuffled = with_shuffled_weights(classifier)
    alternatives = methods_for(classifier.network)
    rng = np.random.default_rng(0)
    masked: list[Masked] = []
    correlations: list[float] = []
    ratios: list[float] = []
    for path in paths:
        try:
            analysis = classifier.analyse(path, duration_s=classifier.spec.windows.window_s)
        except AudioError:
            continue
        label = analysis.prediction.top(1)[0].label
        masked.append(mask(classifier, analysis, label, draws=draws, rng=rng, alternatives=alternatives))
        ours, other = (heatmap(model, analysis, label).grids[0] for model in (classifier, shuffled))
        correlations.append(rank_correlation(ours, other))
        ratios.append(time_ratio(classifier, analysis, label))
    random = np.array([clip.drops[RANDOM] for clip in masked])
    return {
        "machine": machine(),
        "model": classifier.spec.name,
        "method": method_for(classifier.network),
        "clips": len(masked),
        "draws": draws,
        "probability": float(np.mean([clip.probability for clip in masked])),
        "drops": {name: summary([clip.drops[name] for clip in masked], random) for name in masked[0].drops},
        "rank_correlation_with_shuffled_weights": statistics.median(correlations),
        "heat_map_over_forward_pass": statistics.median(ratios),
    }


def summary(drops: Sequence[float], random: NDArray[np.float64]) -> dict[str, float]:
    """Mean drop, its standard error, and on which share of the clips it beats the random one."""
    values = np.array(drops)
    return {
        "mean": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0,
        "beats_random": float((values > random).mean()),
    }


def mask(
    classifier: GenreClassifier,
    analysis: Analysis,
    label: str,
    *,
    draws: int,
    rng: np.random.Generator,
    alternatives: Mapping[str, Method],
) -> Masked:
    """Paints over the fifth that each method calls hottest, and its shape elsewhere, in the first image of a clip."""
    image, front_end = analysis.images.inputs[:1], analysis.images.front_end
    index = classifier.spec.labels.index(label)

    def score(logits: Tensor) -> Tensor:
        return classifier.probabilities(logits)[0][:, index].log()

    inputs = front_end.to_input(image.to(classifier.device))
    heats = {name: method(classifier.network, inputs, score) for name, method in alternatives.items()}
    ours = torch.from_numpy(heatmap(classifier, analysis, label).grids[0])
    # An image has the lowest frequency in its last row, and a spectrogram that is fed as it is in its first.
    heats = {OURS: ours if front_end.reads_images else ours.flip(0), **heats}
    names, images = [], [image[0]]
    for name, heat in heats.items():
        names.append(name)
        images.append(painted(image[0], hottest_cells(heat)))
    hottest = hottest_cells(heats[OURS])
    for _ in range(draws):
        names.append(RANDOM)
        elsewhere = tuple(int(rng.integers(1, size)) for size in hottest.shape)
        images.append(painted(image[0], hottest.roll(elsewhere, (0, 1))))
    values = classifier.probabilities(classifier.logits(torch.stack(images)))[0][:, index].tolist()
    drops: dict[str, list[float]] = {}
    for name, value in zip(names, values[1:], strict=True):
        drops.setdefault(name, []).append(values[0] - value)
    return Masked(probability=values[0], drops={name: statistics.mean(each) for name, each in drops.items()})


def hottest_cells(heat: Tensor) -> Tensor:
    """The hottest fifth of the cells (rows, columns), as booleans."""
    count = max(1, round(SHARE * heat.numel()))
    chosen = torch.zeros(heat.numel(), dtype=torch.bool)
    chosen[heat.flatten().cpu().topk(count).indices] = True
    return chosen.reshape(heat.shape)


def painted(image: Tensor, cells: Tensor) -> Tensor:
    """What a network is fed (channels, rows, columns) with the chosen cells of a grid at each frequency's mean."""
    over = nn.functional.interpolate(cells[None, None].float(), size=image.shape[1:], mode="nearest")[0, 0].bool()
    mean = image.float().mean(dim=2, keepdim=True)
    mean = mean if image.is_floating_point() else mean.round().to(image.dtype)
    return torch.where(over.to(image.device), mean, image)


def with_shuffled_weights(classifier: GenreClassifier) -> GenreClassifier:
    """The same model with the rows of every weight in random order."""
    generator = torch.Generator().manual_seed(0)
    shuffled = copy.deepcopy(classifier.network).cpu()
    with torch.no_grad():
        for weight in shuffled.parameters():
            weight.copy_(weight[torch.randperm(len(weight), generator=generator)])
    return GenreClassifier(shuffled, classifier.spec, device=classifier.device)


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Spearman's; ties share their mean rank, and a constant correlates with nothing (0)."""
    ranks = [_ranks(values.ravel()) for values in (first, second)]
    if any(rank.std() == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def time_ratio(classifier: GenreClassifier, analysis: Analysis, label: str) -> float:
    """Time of a heat map over that of a forward pass of the same network, one after the other."""
    inputs = analysis.images.front_end.to_input(analysis.images.inputs[:1].to(classifier.device))
    started = time.perf_counter()
    with torch.inference_mode():
        classifier.network(inputs)  # not what a faster backend makes of it: maps come from this network
    forward = time.perf_counter()
    heatmap(classifier, analysis, label)
    return (time.perf_counter() - forward) / (forward - started)


def methods_for(network: nn.Module) -> dict[str, Method]:
    """The alternatives that a network allows."""
    if not isinstance(network, VisionTransformer):
        return {LOUDEST: loudest}
    return {
        "generic rule": generic_rule,
        "rollout": rollout,
        "pixel gradients": pixel_gradients,
        "pixels x gradients": pixels_times_gradients,
        LOUDEST: loudest,
    }


def loudest(network: nn.Module, inputs: Tensor, _: Score) -> Tensor:
    """The brightness of each cell of the grid on which the network is explained."""
    with torch.no_grad():
        rows, columns = relevance(network, inputs, lambda logits: logits[:, 0]).shape[1:]
    return nn.functional.adaptive_avg_pool2d(inputs.mean(dim=1), (rows, columns))[0]


def pixel_gradients(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """Mean size of the gradient in each patch (Simonyan et al. 2013)."""
    return _per_patch(network, pixel_slope(network, inputs, score).abs())


def pixels_times_gradients(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """What painting over each patch would do if the network were linear."""
    return _per_patch(network, (inputs - inputs.mean()) * pixel_slope(network, inputs, score))


def pixel_slope(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """The gradient of the score, (1, 3, S, S)."""
    with torch.enable_grad():
        pixels = inputs.clone().requires_grad_()
        return torch.autograd.grad(score(network(pixels)).sum(), pixels)[0]


def _per_patch(network: Any, values: Tensor) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(values.sum(dim=1), network.patch_embed.grid_size)[0]


def rollout(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928): the same for every genre."""
    attention, _ = attention_and_slope(network, inputs, score)
    identity = torch.eye(attention[0].shape[-1])
    return _first_row(network, [0.5 * layer.mean(dim=0) + 0.5 * identity for layer in attention])


def generic_rule(network: nn.Module, inputs: Tensor, score: Score) -> Tensor:
    """Positive part of attention times its gradient, mean over heads, rolled out (Chefer et al. 2021, eq. 5 and 6)."""
    attention, slope = attention_and_slope(network, inputs, score)
    identity = torch.eye(attention[0].shape[-1])
    each = zip(attention, slope, strict=True)
    return _first_row(network, [identity + (layer * grad).clamp(min=0).mean(dim=0) for layer, grad in each])


def _first_row(network: Any, steps: Sequence[Tensor]) -> Tensor:
    """The class token's row of the product of all layers, without itself."""
    total = torch.eye(steps[0].shape[-1])
    for step in steps:
        total = step @ total
    return total[0, network.num_prefix_tokens :].reshape(network.patch_embed.grid_size)


def attention_and_slope(network: Any, inputs: Tensor, score: Score) -> tuple[list[Tensor], list[Tensor]]:
    """Attention of each layer and its gradient, (heads, tokens, tokens) each; layers may differ in heads, as idle ones
    are left out."""
    projected: list[Tensor] = []
    heads_out: list[Tensor] = []
    private = weight_sharing_copy(network)
    for block in private.blocks:
        block.attn.qkv.register_forward_hook(lambda *call: projected.append(call[-1]))
        block.attn.proj.register_forward_pre_hook(lambda *call: heads_out.append(call[1][0]))
    with torch.enable_grad():
        gradients = torch.autograd.grad(score(private(inputs.clone().requires_grad_())).sum(), heads_out)
    attentions, slopes = [], []
    for block, qkv, gradient in zip(network.blocks, projected, gradients, strict=True):
        tokens, heads = qkv.shape[1], block.attn.num_heads
        query, key, value = qkv[0].detach().reshape(tokens, 3, heads, -1).permute(1, 2, 0, 3)
        attentions.append(torch.softmax(query @ key.transpose(-1, -2) * block.attn.scale, dim=-1))
        slopes.append(gradient[0].reshape(tokens, heads, -1).transpose(0, 1) @ value.transpose(-1, -2))
    return [layer.cpu() for layer in attentions], [layer.cpu() for layer in slopes]


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [
        f"{result['model']} ({result['method']}), {result['clips']} clips, best genre at {result['probability']:.3f}",
        "",
        f"{'a fifth painted over':>24} {'drop':>8} {'s.e.':>7} {'beats random':>13}",
    ]
    for name, drop in sorted(result["drops"].items(), key=lambda item: -item[1]["mean"]):
        rows.append(f"{name:>24} {drop['mean']:8.4f} {drop['standard_error']:7.4f} {drop['beats_random']:13.0%}")
    rows += [
        "",
        f"rank correlation with shuffled weights {result['rank_correlation_with_shuffled_weights']:.2f}",
        f"heat map / forward pass {result['heat_map_over_forward_pass']:.2f}",
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
