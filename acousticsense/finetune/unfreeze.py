"""Training the last blocks of the network as well, after its classifier, in small steps."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.finetune.features import last_linear
from acousticsense.finetune.head import Head
from acousticsense.models.networks import classifier_name
from acousticsense.spectrogram.front_end import FrontEnd

logger = logging.getLogger(__name__)

_BATCH: Final = 16
#: Steps of AdamW at their largest: the trained blocks know much already, the classifier is new.
_BLOCK_RATE: Final = 2e-5
_HEAD_RATE: Final = 2e-4
_WEIGHT_DECAY: Final = 0.05
#: Share of the steps over which the rate rises.
_WARMUP: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class ImageExamples:
    """Images to learn from.

    Attributes:
        load: number of a track -> its inputs (m, channels, rows, columns); asked anew, so that no file stays open.
        n_images: of all tracks together.
        targets: (n_tracks,) output that each track stands for.
        weights: (n_tracks,) how often each track is drawn; they sum to 1.
    """

    load: Callable[[int], NDArray[np.uint8 | np.float32]]
    n_images: int
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]

    def draw(self, n: int, source: np.random.Generator) -> tuple[Tensor, Tensor]:
        """n random inputs (n, channels, rows, columns) and their targets (n,)."""
        tracks = source.choice(len(self.targets), n, p=self.weights)
        shown = [self.load(int(track)) for track in tracks]
        chosen = np.stack([images[source.integers(len(images))] for images in shown])
        return torch.from_numpy(chosen), torch.from_numpy(self.targets[tracks])


def put_head(network: nn.Module, architecture: str, head: Head) -> None:
    """Replaces the last linear layer."""
    layer = last_linear(network, architecture)
    layer.weight = nn.Parameter(torch.from_numpy(head.weight).to(layer.weight.device))
    layer.bias = nn.Parameter(torch.from_numpy(head.bias).to(layer.weight.device))
    layer.out_features = len(head.bias)


def train_last_blocks(
    network: nn.Module,
    architecture: str,
    front_end: FrontEnd,
    examples: ImageExamples,
    *,
    n_blocks: int,
    epochs: int,
    seed: int,
) -> frozenset[str]:
    """Trains the last blocks and the classifier in place, on the device of the network.

    Args:
        network: with a classifier that was fitted already.
        architecture: timm name.
        n_blocks: blocks (of transformers) or stages (of convolutional networks) to train, from the end.
        epochs: how often as many images are drawn as there are.
        seed: of the order.

    Returns:
        Names of the tensors that were trained.
    """
    names = _last_blocks(network, architecture, n_blocks)
    device = last_linear(network, architecture).weight.device
    source = np.random.default_rng(seed)
    n_steps = max(1, epochs * examples.n_images // _BATCH)
    optimiser = _optimiser(network, architecture, names)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step / n_steps))
    network.eval()  # statistics and dropout stay as they are: a few hundred clips would only disturb them
    told = time.monotonic()
    for step in range(1, n_steps + 1):
        images, targets = examples.draw(_BATCH, source)
        logits = network(front_end.to_input(images.to(device)))
        loss = functional.cross_entropy(logits, targets.to(device), label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        optimiser.step()
        rates.step()
        if time.monotonic() - told > 10 or step == n_steps:
            told = time.monotonic()
            logger.info("step %d of %d, loss %.3f", step, n_steps, float(loss.detach()))
    network.requires_grad_(False)
    return names


def _rate(progress: float) -> float:
    return min(1.0, (progress + 1e-3) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _last_blocks(network: nn.Module, architecture: str, n_blocks: int) -> frozenset[str]:
    """Parameter names of the last blocks and of the classifier, by timm's own grouping."""
    where = classifier_name(architecture) + "."
    matcher = cast(Any, network).group_matcher(coarse=True)
    groups = group_parameters(network, matcher)
    blocks = [[name for name in groups[key] if not name.startswith(where)] for key in sorted(groups)]
    chosen = [names for names in blocks if names][-n_blocks:]
    classifier = [name for name, _ in network.named_parameters() if name.startswith(where)]
    return frozenset((*(name for names in chosen for name in names), *classifier))


def _optimiser(network: nn.Module, architecture: str, names: frozenset[str]) -> torch.optim.Optimizer:
    where = classifier_name(architecture) + "."
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)
        if name in names:
            rate = _HEAD_RATE if name.startswith(where) else _BLOCK_RATE
            groups.setdefault((rate, _WEIGHT_DECAY if parameter.ndim > 1 else 0.0), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": found, "lr": rate, "weight_decay": decay} for (rate, decay), found in groups.items()]
    )
