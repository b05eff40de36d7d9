"""Training the student: one resumable run that stops early by real validation music."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, FrontEnd
from acousticsense.training.bank import Item, load_items, windows_of
from acousticsense.training.batches import Batch, Batches
from acousticsense.training.lesson import Learner, Lesson, colleague_lesson, sized
from acousticsense.training.optimiser import Optimiser
from acousticsense.training.probe import Probe, fit_probe, soft_targets
from acousticsense.training.recipe import Recipe, StudentRecipe
from acousticsense.training.store import TrackStore, counted
from acousticsense.training.students.making import make_student
from acousticsense.training.students.student import Student
from acousticsense.training.teachers.zero_shot import ClassLists
from acousticsense.training.validate import divergence, hear, is_measured, score

__all__ = [
    "BEST_FILE",
    "RunState",
    "averaged_weights",
    "best_weights",
    "pick_device",
    "run_summary",
    "save_run",
    "train",
]

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.pt"
BEST_FILE = "best.pt"


@dataclass
class RunState:
    """How far a run is and how it went.

    Attributes:
        step: how many were taken.
        side_px: of the images of the last one.
        spent_s: seconds so far.
        best: merit of the weights that are kept.
        history: figures at each check.
        before: `run_summary` of the run whose weights this one began with; empty when it began anew.
        corpus: `counted` tracks that it learns from, as they were at its start.
    """

    step: int = 0
    side_px: int = 0
    spent_s: float = 0.0
    best: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    corpus: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, step: int, figures: dict[str, float]) -> bool:
        """Records figures on validation music; returns whether they are the best so far with images of this size."""
        self.step = step
        self.history.append({"step": step, "spent_s": round(self.spent_s), **figures})
        logger.info("%s", " ".join(f"{key}={value:.4g}" for key, value in self.history[-1].items()))
        if len({entry["side_px"] for entry in self.history[-2:]}) > 1:
            self.best = -math.inf  # what was best on small images is not for whole ones
        merit = _merit(figures)
        is_best = merit > self.best
        self.best = max(self.best, merit)
        return is_best


def _merit(figures: Mapping[str, float]) -> float:
    """What weights are kept for: answers like the targets on validation music, labelled or not, whichever image they
    are given to. Right answers would be the wish, but the labelled recordings are so few that theirs is mostly luck."""
    seen = [figures[key] for key in ("divergence", "cqt_divergence") if key in figures]
    return -sum(seen) / len(seen)


def pick_device(name: str = "auto") -> torch.device:
    """The named device; "auto" takes a GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else torch.device(name)


def train(
    store: TrackStore,
    folder: Path,
    recipe: Recipe,
    name: str,
    *,
    device: torch.device,
    minutes: float = math.inf,
    check_every: int = 100,
    workers: int = 1,
    teachers: Path | None = None,
    begin_with: Path | None = None,
) -> Path:
    """Trains one student, or goes on training it, and returns the file with the best averaged weights.

    The learning rate follows whichever is further: the steps of the recipe, or the minutes that are allowed.

    Args:
        store: the corpus.
        folder: for the checkpoint, which is written at every check and read at the start.
        recipe: what to do.
        name: which student.
        device: where.
        minutes: of training in all, over all resumptions.
        check_every: steps between checks on validation music.
        workers: processes that draw batches ahead; 0 draws them in this one.
        teachers: folder with the teachers' class lists and weights; without it targets are the probe's alone.
        begin_with: folder of another run of this network, whose kept weights are the first of this one.

    Raises:
        FileNotFoundError: the recipe names a colleague that has not been trained yet, or `begin_with` keeps no weights.
        ValueError: the folder holds a run with another network or another colleague, or `begin_with` one with another
            network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    student = recipe.students[name]
    items = load_items(store, "train")
    class_lists = ClassLists.beside(teachers) if teachers else None
    probe = fit_probe(items, c=recipe.probe_c)
    batches = Batches(
        items,
        probe,
        size=student.batch,
        mixup=student.mixup,
        cqt=student.cqt,
        augmented=student.augmented,
        class_lists=class_lists,
    )
    torch.manual_seed(recipe.seed)
    network = make_student(student, teachers=teachers)
    is_new = not (folder / CHECKPOINT_FILE).exists()
    if begin_with is not None and is_new:
        _take_weights(cast(nn.Module, network), begin_with)
    colleague = _colleague(recipe, student.colleague, folder.parent, teachers) if student.colleague else None
    trainer = _Trainer(student, network, folder, batches.features.shape[1], device, colleague=colleague)
    if begin_with is not None and is_new:
        trainer.run.before = run_summary(begin_with)
    if not trainer.run.corpus:
        trainer.run.corpus = counted(item.track for item in items)
    validation = _Validation.of(load_items(store, "val"), probe, class_lists, usual=batches.usual)
    logger.info("%s: %d training tracks, %d validation tracks, on %s", name, len(items), len(validation.items), device)
    began = time.monotonic()
    for batch in _ahead(batches, student.steps, recipe.seed, trainer.run.step, workers):
        losses = trainer.advance(batch.to(device), minutes)
        trainer.run.spent_s += time.monotonic() - began
        began = time.monotonic()
        is_over = trainer.progress(minutes) >= 1.0
        if trainer.run.step % check_every == 0 or is_over:
            resized = _Resized(trainer.average, trainer.side_px(minutes))
            trainer.check({**losses, **_figures(resized, validation, student.cqt)})
        if is_over:
            break
    return folder / BEST_FILE


@dataclass(frozen=True)
class _Validation:
    """Validation music: its W windows' targets (W, 17), and which of them people have labelled (W,)."""

    items: list[Item]
    targets: NDArray[np.float32]
    is_measured: NDArray[np.bool_]

    @classmethod
    def of(
        cls, items: list[Item], probe: Probe, class_lists: ClassLists | None, *, usual: NDArray[np.float32]
    ) -> _Validation:
        """The real recordings among the items.

        What is `usual` comes from training music: relative to itself, validation music, most of it Electronic, would be
        less Electronic than the same music is to the student that learned from the training set.
        """
        real = [item for item in items if item.track.kind == "real"]
        windows = windows_of(real)
        targets = soft_targets(real, windows, probe, usual=usual, class_lists=class_lists)
        return cls(real, targets, np.array([is_measured(item) for item in real])[windows.item])

    def figures(self, network: nn.Module, front_end: FrontEnd) -> dict[str, float]:
        """How near answers are to the targets, and how right they are."""
        heard = hear(network, self.items, front_end)
        figures = asdict(score(heard.logits[self.is_measured], heard.labels[self.is_measured]))
        return {**figures, "divergence": divergence(heard.logits, self.targets)}


def _figures(network: _Resized, validation: _Validation, cqt: float) -> dict[str, float]:
    """Figures on validation music: of mel images, and if the network learns them, of cqt images."""
    network.eval()
    figures = {"side_px": network.side_px, **validation.figures(network, NATIVE_MEL)}
    if cqt:
        figures |= {f"cqt_{name}": value for name, value in validation.figures(network, NATIVE_CQT).items()}
    return figures


def _ahead(batches: Batches, steps_in_all: int, seed: int, first: int, workers: int) -> Iterable[Batch]:
    """The batches from step `first` on, drawn ahead by other processes."""
    steps = range(first, steps_in_all)
    drawing = partial(batches.draw, seed=seed)
    return DataLoader(cast(Dataset[Any], steps), batch_size=None, num_workers=workers, collate_fn=drawing)


def best_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights that did best on validation music."""
    return dict(torch.load(folder / BEST_FILE, map_location="cpu", weights_only=True))


def averaged_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of what some runs of a network kept, of which each but the first began with weights of an earlier one.

    It can do better on unlike music than any (Wortsman et al., arXiv 2109.01903); statistics of batch norms are
    averaged, not measured.

    Raises:
        FileNotFoundError: one of them keeps none.
        ValueError: they are of different networks.
    """
    kept = [best_weights(folder) for folder in folders]
    for folder, weights in zip(folders, kept, strict=True):
        if _shapes(weights) != _shapes(kept[0]):
            raise ValueError(f"{folders[0]} and {folder} are of runs with different networks.")
    return {
        name: torch.stack([weights[name] for weights in kept]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in kept[0].items()
    }


def save_run(folder: Path, state: dict[str, Any]) -> None:
    """Writes the checkpoint of a run; `state["run"]` is its RunState as a dictionary."""
    _save(state, folder / CHECKPOINT_FILE)


def run_summary(folder: Path) -> dict[str, Any]:
    """Steps and minutes of a run so far, the step whose weights were kept, what it learns from, and whether it or one
    before it learned from what networks made; steps and minutes before it, if any."""
    run = RunState(**torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)["run"])
    last_px = run.history[-1]["side_px"]
    kept = max((entry for entry in run.history if entry["side_px"] == last_px), key=_merit)
    summary: dict[str, Any] = {
        "step": run.step,
        "minutes": round(run.spent_s / 60, 1),
        "kept_step": kept["step"],
        "corpus": run.corpus,
        "heard_generated": any("generated" in kinds for kinds in run.corpus.values())
        or run.before.get("heard_generated", False),
    }
    if before := run.before:
        summary["steps_before"] = before["kept_step"] + before.get("steps_before", 0)
        summary["minutes_before"] = round(before["minutes"] + before.get("minutes_before", 0), 1)
    return summary


def _take_weights(network: nn.Module, folder: Path) -> None:
    """Fills a network with the weights that another run of it kept.

    Raises:
        FileNotFoundError: that run keeps none.
        ValueError: it was of another network.
    """
    weights = best_weights(folder)
    if _shapes(weights) != _shapes(network.state_dict()):
        raise ValueError(f"{folder} is of a run with another network. Give the recipe that it was made by.")
    network.load_state_dict(weights)


def _colleague(recipe: Recipe, name: str, runs: Path, teachers: Path | None) -> Student:
    """The trained student of that name.

    Raises:
        FileNotFoundError: it has not been trained yet.
    """
    student = make_student(recipe.students[name], teachers=teachers)
    network = cast(nn.Module, student)
    network.load_state_dict(best_weights(runs / name))
    network.eval().requires_grad_(False)
    return student


class _Resized(nn.Module):
    """A network that sees images at another size."""

    def __init__(self, network: nn.Module, side_px: int) -> None:
        super().__init__()
        self.network, self.side_px = network, side_px

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, n_outputs) of images (n, 3, 224, 224)."""
        return cast(Tensor, self.network(sized(images, self.side_px)))


class _Trainer:
    """Network, averaged network, optimiser and progress, saved and restored together."""

    def __init__(
        self,
        recipe: StudentRecipe,
        student: Student,
        folder: Path,
        n_teacher_features: int,
        device: torch.device,
        *,
        colleague: Student | None = None,
    ) -> None:
        self._recipe, self._folder, self._device = recipe, folder, device
        self._colleague = colleague
        if colleague is None:
            self._student = Learner(student, n_teacher_features)
        else:
            cast(Any, colleague).to(device, memory_format=torch.channels_last)
            self._student = Learner(student, colleague.width, colleague.map_widths if recipe.map_loss else ())
        cast(Any, self._student).to(device, memory_format=torch.channels_last)
        self._forward = cast(Any, torch).compile(self._student) if recipe.compiled else self._student
        averaging = cast(Any, torch.optim.swa_utils).get_ema_multi_avg_fn(recipe.ema_decay)
        self._average = torch.optim.swa_utils.AveragedModel(
            cast(nn.Module, self._student.student), multi_avg_fn=averaging, use_buffers=True
        )
        self._optimiser = Optimiser(
            self._student,
            self._student.outputs,
            learning_rate=recipe.learning_rate,
            matrix_learning_rate=recipe.matrix_learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.run = RunState()
        self._resume()

    @property
    def average(self) -> nn.Module:
        """The network with averaged weights."""
        return self._average.module

    def progress(self, minutes: float) -> float:
        """How far the run is, 0..1."""
        return max(self.run.step / self._recipe.steps, self.run.spent_s / (60 * minutes))

    def _pace(self, minutes: float) -> float:
        """Share of the highest learning rates, 0..1: it rises at first, then falls as a cosine."""
        warm = min(1.0, (self.run.step + 1) / self._recipe.warmup_steps)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress(minutes))))

    def side_px(self, minutes: float) -> int:
        """Side of the images that are learned from at this time."""
        return self._recipe.small_px if self.progress(minutes) < self._recipe.small_share else NATIVE_MEL.image_size

    def _side_px_now(self, minutes: float) -> int:
        """The side for the next step. When it changes, averaging begins anew: what batch norms found in small images
        is wrong for large ones, and a short rest of the run would not forget it."""
        side_px = self.side_px(minutes)
        if side_px != self.run.side_px:
            self.average.load_state_dict(cast(nn.Module, self._student.student).state_dict())
            self.run.side_px = side_px
        return side_px

    def advance(self, batch: Batch, minutes: float) -> dict[str, float]:
        """One optimiser step; returns the parts of the loss."""
        self._student.train()
        images = sized(batch.images, self._side_px_now(minutes))
        is_half = self._recipe.half_precision or self._device.type == "cuda"
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_half):
            logits, features, maps = self._forward(images)
            lesson = self._lesson(batch, maps)
        answer_loss = functional.cross_entropy(logits.float(), lesson.answers)
        feature_error = functional.mse_loss(features.float(), lesson.features)
        loss = answer_loss + self._recipe.feature_loss * feature_error
        losses = {"cross_entropy": answer_loss, "feature_error": feature_error}
        for index, (own, wanted) in enumerate(zip(maps, lesson.maps, strict=True)):
            losses[f"map_error_{index}"] = functional.mse_loss(own.float(), wanted)
            loss = loss + self._recipe.map_loss * losses[f"map_error_{index}"]
        self._optimiser.zero_grad()
        cast(Any, loss).backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
        self._optimiser.step(self._pace(minutes))
        self._average.update_parameters(cast(nn.Module, self._student.student))
        self.run.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _lesson(self, batch: Batch, maps: list[Tensor]) -> Lesson:
        if self._colleague is None:
            return Lesson(batch.targets, batch.features)
        return colleague_lesson(batch, self._colleague, [(own.shape[2], own.shape[3]) for own in maps])

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
        if _shapes(state["student"]) != _shapes(self._student.state_dict()):
            raise ValueError(
                f"{path} is of a run with another network or another colleague. Give the recipe that it began with, or "
                f"move {path.parent} away to begin anew."
            )
        self._student.load_state_dict(state["student"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.run = RunState(**state["run"])
        logger.info("goes on from step %d", self.run.step)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in tensors.items()}


def _save(state: dict[str, Any], path: Path) -> None:
    """Writes beside the target and renames, so that a stop never leaves half a file."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)
