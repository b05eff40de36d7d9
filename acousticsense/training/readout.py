"""The dictionary method: one vector per picture, computed once, and a small network trained on those vectors.

What is trained is the second block's MLP, the last norm and the classifier of a vision transformer of two blocks. All
augmented views are looked at once and kept, so that training itself takes a minute.
"""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.training.bank import Item, load_items
from acousticsense.training.batches import Batches
from acousticsense.training.dictionary import Dictionary, fill, learn_dictionary
from acousticsense.training.probe import fit_probe
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import TrackStore
from acousticsense.training.student import make_network
from acousticsense.training.train import BEST_FILE, RunState, save_run
from acousticsense.training.validate import first_pictures, measured_items, score

__all__ = ["train_readout"]

logger = logging.getLogger(__name__)

#: Pictures from which the dictionary is learned.
_STUDIED: Final = 600
#: Hidden units of the readout that are used, and the share of them left out at each step.
_HIDDEN: Final = 768
_DROPOUT: Final = 0.5


class _Readout(nn.Module):
    """The part of the network that is trained, on summaries (n, width)."""

    def __init__(self, network: VisionTransformer, n_teacher_features: int) -> None:
        super().__init__()
        block = cast(Any, network.blocks)[1]
        self.norm_in: nn.Module = block.norm2
        self.norm_out = cast(nn.Module, network.norm)
        self.widen = nn.Linear(network.embed_dim, _HIDDEN)
        self.narrow = nn.Linear(_HIDDEN, network.embed_dim)
        self.head = cast(nn.Module, network.head)
        self.teacher_head = nn.Linear(network.embed_dim, n_teacher_features)

    def forward(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        hidden = functional.dropout(functional.gelu(self.widen(self.norm_in(summary))), _DROPOUT, self.training)
        features = self.norm_out(summary + self.narrow(hidden))
        return self.head(features), self.teacher_head(functional.dropout(features, 0.2, self.training))

    @torch.no_grad()
    def write(self, network: VisionTransformer) -> None:
        """Puts the trained layers back; hidden units that are not used stay zero."""
        block = cast(Any, network.blocks)[1]
        for value in block.mlp.parameters():
            value.zero_()
        block.mlp.fc1.weight[:_HIDDEN] = self.widen.weight
        block.mlp.fc1.bias[:_HIDDEN] = self.widen.bias
        block.mlp.fc2.weight[:, :_HIDDEN] = self.narrow.weight
        block.mlp.fc2.bias.copy_(self.narrow.bias)
        for target, source in ((block.norm2, self.norm_in), (network.norm, self.norm_out), (network.head, self.head)):
            cast(nn.Module, target).load_state_dict(source.state_dict())


def train_readout(
    store: TrackStore, folder: Path, recipe: Recipe, *, check_every: int = 50, class_list: Path | None = None
) -> Path:
    """Learns the dictionary, looks at every view once, trains the readout; returns the file with the best weights.

    Args:
        store: the corpus.
        folder: of the run; summaries that were computed before are taken from it.
        recipe: what to do.
        check_every: steps between checks on validation music.
        class_list: see `soft_targets`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    items = load_items(store, "train")
    probe = fit_probe(items, c=recipe.probe_c)
    batches = Batches(items, probe, size=recipe.batch, mixup=recipe.mixup, class_list=class_list)
    dictionary = _dictionary(batches, folder, recipe)
    views = _views(batches, dictionary, folder, recipe)
    validation = measured_items(load_items(store, "val"))
    network = make_network(recipe.architecture, depth=2)
    fill(network, dictionary)
    readout = _Readout(network, batches.features.shape[1])
    state = _fit(readout, batches, views, _Validation(validation, dictionary), recipe=recipe, check_every=check_every)
    readout.write(network)
    save_run(folder, {"run": asdict(state)})
    torch.save(network.state_dict(), folder / BEST_FILE)
    return folder / BEST_FILE


def _dictionary(batches: Batches, folder: Path, recipe: Recipe) -> Dictionary:
    path = folder / "dictionary.pt"
    if not path.exists():
        source = np.random.default_rng(recipe.seed)
        chosen = source.choice(len(batches), min(_STUDIED, 20 * len(batches)), p=batches.odds)
        pictures = torch.cat(
            [batches.pictures(part, source) for part in np.array_split(chosen, max(1, len(chosen) // 32))]
        )
        width = make_network(recipe.architecture, depth=0).embed_dim
        learned = learn_dictionary(pictures, width=width, entries=recipe.entries, seed=recipe.seed)
        torch.save(vars(learned), path)
    return Dictionary(**torch.load(path, weights_only=True))


def _views(batches: Batches, dictionary: Dictionary, folder: Path, recipe: Recipe) -> Tensor:
    """Summaries (views, W, width) of random views of every window; each view is kept in a file."""
    views = []
    for number in range(recipe.views):
        path = folder / f"view-{number}-of-{len(batches)}.pt"
        if not path.exists():
            source = np.random.default_rng((recipe.seed, number))
            parts = np.array_split(np.arange(len(batches)), max(1, len(batches) // 32))
            torch.save(torch.cat([dictionary.summary(batches.pictures(part, source)) for part in parts]), path)
            logger.info("view %d of %d windows", number, len(batches))
        views.append(torch.load(path, weights_only=True))
    return torch.stack(views)


class _Validation:
    """Validation clips as summaries, and the figures of a readout on them."""

    def __init__(self, items: list[Item], dictionary: Dictionary) -> None:
        self._labels = np.array([item.label for item in items])
        self._summaries = dictionary.summary(first_pictures(items))

    @torch.no_grad()
    def figures(self, readout: _Readout) -> dict[str, float]:
        readout.eval()
        logits, _ = readout(self._summaries)
        readout.train()
        return asdict(score(logits.numpy(), self._labels))


def _fit(
    readout: _Readout,
    batches: Batches,
    views: Tensor,
    validation: _Validation,
    *,
    recipe: Recipe,
    check_every: int,
) -> RunState:
    """Trains in place and leaves the averaged weights that did best on validation music."""
    source = np.random.default_rng(recipe.seed)
    targets, features = torch.from_numpy(batches.targets), torch.from_numpy(batches.features)
    optimiser = torch.optim.AdamW(readout.parameters(), weight_decay=recipe.weight_decay)
    average = copy.deepcopy(readout)
    best, state = copy.deepcopy(readout.state_dict()), RunState()
    for step in range(1, recipe.steps + 1):
        for group in optimiser.param_groups:
            warm = min(1.0, step / recipe.warmup_steps)
            group["lr"] = recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        chosen = source.choice(len(batches), recipe.batch, p=batches.odds)
        drawn = (views[source.integers(len(views), size=len(chosen)), chosen], targets[chosen], features[chosen])
        loss = _loss(readout, _mixed(drawn, recipe.mixup, source), recipe.feature_loss)
        optimiser.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        optimiser.step()
        _follow(average, readout, recipe.ema_decay)
        if step % check_every == 0 or step == recipe.steps:
            figures = validation.figures(average)
            if state.note(step, {"loss": float(loss.detach()), **figures}):
                best = copy.deepcopy(average.state_dict())
    readout.load_state_dict(best)
    return state


def _mixed(drawn: tuple[Tensor, ...], most: float, source: np.random.Generator) -> tuple[Tensor, ...]:
    """Summaries, targets and features mixed in pairs, each by its own share of at most `most`."""
    share = torch.from_numpy(source.uniform(0, most, len(drawn[0]))).float()[:, None]
    order = torch.from_numpy(source.permutation(len(drawn[0])))
    return tuple((1 - share) * values + share * values[order] for values in drawn)


def _loss(readout: _Readout, drawn: tuple[Tensor, ...], feature_loss: float) -> Tensor:
    summaries, targets, features = drawn
    logits, felt = readout(summaries)
    return functional.cross_entropy(logits, targets) + feature_loss * functional.mse_loss(felt, features)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
