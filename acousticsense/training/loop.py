"""The training loop: batches in, averaged weights out; a run that was stopped goes on where its last checkpoint is."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from acousticsense.files import atomic_write
from acousticsense.training.clips import NOT_MUSIC_INDEX, Clip
from acousticsense.training.dataset import Batch, TrainingImages
from acousticsense.training.network import WEIGHTS_FILE, Student, make_network, trained_network
from acousticsense.training.optimiser import make_optimisers
from acousticsense.training.recipe import Recipe, read_recipe
from acousticsense.training.score import answers_of, figures
from acousticsense.training.targets import Targets
from acousticsense.training.teachers.teachers import FEATURE_WIDTHS

logger = logging.getLogger(__name__)

_CHECKPOINT: Final = "checkpoint.pt"
_HISTORY: Final = "history.jsonl"

#: Seconds between two checkpoints, each with figures on validation music.
_CHECKPOINT_S: Final = 240.0


def train(
    name: str,
    clips: Sequence[Clip],
    targets: Targets,
    *,
    tagger: nn.Module,
    validation: Sequence[Clip],
    runs: Path,
    minutes: float = math.inf,
    device: str = "cpu",
    half: bool = False,
    workers: int = 1,
) -> None:
    """Trains the network of a recipe until its last step, or for so many minutes in all.

    Args:
        name: of the recipe, and of the folder of this run in `runs`.
        clips: of the training split.
        targets: theirs.
        tagger: mn04 with a head for our classes, in eval mode, which teaches.
        validation: clips for figures that are logged.
        runs: folder of all runs.
        minutes: of processor time in steps, earlier ones included, images not; the learning rate falls to 0 by then.
        device: where to train.
        half: compute in bfloat16 where that loses nothing; slow on CPUs without instructions for it.
        workers: processes that make images, at least one.
    """
    recipe = read_recipe(name)
    run = _Run(recipe, runs, runs / name, device=device, half=half)
    if run.progress(minutes) >= 1:
        return
    images = TrainingImages(clips, targets, tagger, recipe, first=run.step)
    saved = time.monotonic()
    for batch in DataLoader(images, batch_size=None, num_workers=workers, prefetch_factor=2):
        losses = run.advance(batch, minutes)
        is_last = run.progress(minutes) >= 1
        if is_last or time.monotonic() - saved > _CHECKPOINT_S:
            run.save({**losses, "corpus": {"recordings and sounds": len(clips)}}, validation)
            saved = time.monotonic()
        if is_last:
            return


class _Run:
    """Network, averaged network, optimisers and progress, saved and restored together."""

    def __init__(self, recipe: Recipe, runs: Path, folder: Path, *, device: str, half: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._recipe, self._folder, self._device, self._half = recipe, folder, device, half
        self.step, self._spent_s = 0, 0.0
        layout = torch.contiguous_format if "vit" in recipe.architecture else torch.channels_last
        # Any: PyTorch's own types do not know of memory formats.
        student: Any = Student(make_network(recipe, runs), FEATURE_WIDTHS["mn04"])
        teachers: list[Any] = [trained_network(teacher, runs) for teacher in recipe.taught_by]
        self._student = student.to(device, memory_format=layout)
        self._teachers = [
            teacher.to(device, memory_format=torch.channels_last).requires_grad_(False) for teacher in teachers
        ]
        self._average = ModelEmaV3(self._student.network, decay=recipe.ema_decay, use_warmup=True)
        self._optimisers = make_optimisers(self._student, recipe)
        self._highest = [optimiser.param_groups[0]["lr"] for optimiser in self._optimisers]
        if (folder / _CHECKPOINT).exists():
            self._restore()

    def progress(self, minutes: float) -> float:
        """How far the run is, 0..1."""
        return max(self.step / self._recipe.steps, self._spent_s / (60 * minutes))

    def advance(self, batch: Batch, minutes: float) -> dict[str, float]:
        """One step of the optimisers; returns the parts of the loss."""
        started = time.process_time()
        self._set_rates(minutes)
        images, targets, features = (part.to(self._device) for part in batch)
        self._student.train()
        with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._half):
            logits, guessed = self._student(images)
            wanted = self._wanted(images, targets)
        answer_loss = functional.cross_entropy(logits.float(), wanted)
        feature_error = functional.mse_loss(guessed.float(), features)
        loss: Any = answer_loss + self._recipe.feature_loss * feature_error
        loss.backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self._average.update(self._student.network, step=self.step)
        self.step += 1
        self._spent_s += time.process_time() - started
        return {"answer_loss": float(answer_loss.detach()), "feature_error": float(feature_error.detach())}

    @torch.no_grad()
    def _wanted(self, images: Tensor, targets: Tensor) -> Tensor:
        """Targets, and as much the answers of the networks that teach, if any do (DeiT, arXiv 2012.12877)."""
        if not self._teachers:
            return targets
        answers = torch.stack([teacher(images).float().softmax(1) for teacher in self._teachers]).mean(0)
        return (targets + answers) / 2

    def _set_rates(self, minutes: float) -> None:
        """Learning rates rise at first, then fall as a cosine."""
        warm = min(1.0, (self.step + 1) / self._recipe.warmup_steps)
        share = warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress(minutes))))
        for optimiser, highest in zip(self._optimisers, self._highest, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = share * highest

    def save(self, more: Mapping[str, Any], validation: Sequence[Clip]) -> None:
        """Writes the checkpoint and the averaged weights, and adds figures, and what else is given, to the history."""
        network = self._average.module
        answers = answers_of(network, [clip for clip in validation if clip.label != NOT_MUSIC_INDEX])
        right = {name: round(value, 4) for name, value in figures(answers.logits, answers.labels).items()}
        said = {"step": self.step, "minutes": round(self._spent_s / 60, 1), **more, **right}
        logger.info("%s", said)
        with (self._folder / _HISTORY).open("a", encoding="utf-8") as history:
            history.write(json.dumps(said) + "\n")
        with atomic_write(self._folder / WEIGHTS_FILE) as file:
            torch.save(network.state_dict(), file)
        state = {
            "student": self._student.state_dict(),
            "average": network.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "step": self.step,
            "spent_s": self._spent_s,
        }
        with atomic_write(self._folder / _CHECKPOINT) as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state = torch.load(self._folder / _CHECKPOINT, map_location=self._device, weights_only=True)
        self._student.load_state_dict(state["student"])
        self._average.module.load_state_dict(state["average"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self._spent_s = state["step"], state["spent_s"]
        logger.info("goes on from step %d", self.step)
