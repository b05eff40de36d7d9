"""Training the student: one resumable run that stops early by real validation music."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from acousticsense.training.bank import load_items
from acousticsense.training.batches import Batch, Batches
from acousticsense.training.probe import fit_probe
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import TrackStore
from acousticsense.training.student import Student
from acousticsense.training.validate import measured_items, network_logits, score

__all__ = ["BEST_FILE", "RunState", "best_weights", "pick_device", "run_summary", "save_run", "train"]

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.pt"
BEST_FILE = "best.pt"


@dataclass
class RunState:
    """How far a run is and how it went."""

    step: int = 0
    spent_s: float = 0.0
    best_nll: float = math.inf
    history: list[dict[str, float]] = field(default_factory=list)

    def note(self, step: int, figures: dict[str, float]) -> bool:
        """Records figures on validation music; returns whether they are the best so far."""
        self.step = step
        self.history.append({"step": step, "spent_s": round(self.spent_s), **figures})
        logger.info("%s", " ".join(f"{key}={value:.4g}" for key, value in self.history[-1].items()))
        is_best = figures["balanced_nll"] < self.best_nll
        self.best_nll = min(self.best_nll, figures["balanced_nll"])
        return is_best


def pick_device(name: str = "auto") -> torch.device:
    """The named device; "auto" takes a GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else torch.device(name)


def train(
    store: TrackStore,
    folder: Path,
    recipe: Recipe,
    *,
    device: torch.device,
    minutes: float = math.inf,
    check_every: int = 100,
    workers: int = 1,
    class_list: Path | None = None,
) -> Path:
    """Trains, or goes on training, and returns the file with the best averaged weights.

    The learning rate follows whichever is further: the steps of the recipe, or the minutes that are allowed.

    Args:
        store: the corpus.
        folder: for the checkpoint, which is written at every check and read at the start.
        recipe: what to do.
        device: where.
        minutes: of training in all, over all resumptions.
        check_every: steps between checks on validation music.
        workers: processes that draw batches ahead; 0 draws them in this one.
        class_list: see `soft_targets`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = load_items(store, "train")
    probe = fit_probe(items, c=recipe.probe_c)
    batches = Batches(items, probe, size=recipe.batch, mixup=recipe.mixup, class_list=class_list)
    trainer = _Trainer(recipe, folder, probe.scaler.n_features_in_, device)
    validation = measured_items(load_items(store, "val"))
    labels = np.array([item.label for item in validation])
    logger.info("%d training tracks, %d validation clips, on %s", len(items), len(validation), device)
    began = time.monotonic()
    for batch in _ahead(batches, recipe, trainer.run.step, workers):
        loss = trainer.advance(batch.to(device), minutes)
        trainer.run.spent_s += time.monotonic() - began
        began = time.monotonic()
        is_over = trainer.progress(minutes) >= 1.0
        if trainer.run.step % check_every == 0 or is_over:
            figures = score(network_logits(trainer.average, validation, device), labels)
            trainer.check({"loss": loss, **asdict(figures)})
        if is_over:
            break
    return folder / BEST_FILE


def _ahead(batches: Batches, recipe: Recipe, first: int, workers: int) -> Iterable[Batch]:
    """The batches from step `first` on, drawn ahead by other processes."""
    steps = range(first, recipe.steps)
    drawing = partial(batches.draw, seed=recipe.seed)
    return DataLoader(cast(Dataset[Any], steps), batch_size=None, num_workers=workers, collate_fn=drawing)


def best_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights that did best on validation music."""
    return dict(torch.load(folder / BEST_FILE, map_location="cpu", weights_only=True))


def save_run(folder: Path, state: dict[str, Any]) -> None:
    """Writes the checkpoint of a run; `state["run"]` is its RunState as a dictionary."""
    _save(state, folder / CHECKPOINT_FILE)


def run_summary(folder: Path) -> dict[str, float]:
    """Steps and minutes of a run so far, and the step whose weights were kept."""
    run = RunState(**torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)["run"])
    kept = min(run.history, key=lambda figures: figures["balanced_nll"])
    return {"step": run.step, "minutes": round(run.spent_s / 60, 1), "kept_step": kept["step"]}


class _Trainer:
    """Network, averaged network, optimiser and progress, saved and restored together."""

    def __init__(self, recipe: Recipe, folder: Path, n_teacher_features: int, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._folder, self._device = recipe, folder, device
        self._student = Student(
            recipe.architecture,
            depth=recipe.depth,
            n_teacher_features=n_teacher_features,
            patch_drop=recipe.patch_drop,
        ).to(device)
        averaging = cast(Any, torch.optim.swa_utils).get_ema_multi_avg_fn(recipe.ema_decay)
        self._average = torch.optim.swa_utils.AveragedModel(self._student.network, multi_avg_fn=averaging)
        self._optimiser = torch.optim.AdamW(_parameter_groups(self._student, recipe.weight_decay))
        self.run = RunState()
        self._resume()

    @property
    def average(self) -> nn.Module:
        """The network with averaged weights."""
        return self._average.module

    def progress(self, minutes: float) -> float:
        """How far the run is, 0..1."""
        return max(self.run.step / self._recipe.steps, self.run.spent_s / (60 * minutes))

    def _learning_rate(self, minutes: float) -> float:
        warm = min(1.0, (self.run.step + 1) / self._recipe.warmup_steps)
        return self._recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress(minutes))))

    def advance(self, batch: Batch, minutes: float) -> float:
        """One optimiser step; returns the loss."""
        self._student.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate(minutes)
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._device.type == "cuda"):
            logits, features = self._student(batch.pictures)
        loss = functional.cross_entropy(logits.float(), batch.targets)
        loss = loss + self._recipe.feature_loss * functional.mse_loss(features.float(), batch.features)
        self._optimiser.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
        self._optimiser.step()
        self._average.update_parameters(self._student.network)
        self.run.step += 1
        return float(loss.detach())

    def check(self, figures: dict[str, float]) -> None:
        """Records figures, keeps the weights if they are the best so far, and writes the checkpoint."""
        if self.run.note(self.run.step, figures):
            _save(self.average.state_dict(), self._folder / BEST_FILE)
        state = {
            "student": self._student.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "run": asdict(self.run),
        }
        save_run(self._folder, state)

    def _resume(self) -> None:
        path = self._folder / CHECKPOINT_FILE
        if not path.exists():
            return
        state = torch.load(path, map_location=self._device, weights_only=True)
        self._student.load_state_dict(state["student"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.run = RunState(**state["run"])
        logger.info("goes on from step %d", self.run.step)


def _parameter_groups(student: Student, weight_decay: float) -> list[dict[str, Any]]:
    """Weight matrices decay; biases, norms, the class token and positions do not."""
    decays = [value for name, value in student.named_parameters() if value.ndim >= 2 and "pos_embed" not in name]
    rest = [value for name, value in student.named_parameters() if value.ndim < 2 or "pos_embed" in name]
    return [{"params": decays, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def _save(state: dict[str, Any], path: Path) -> None:
    """Writes beside the target and renames, so that a stop never leaves half a file."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)
