"""From labelled files to a model's folder."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.errors import RequestError
from acousticsense.evaluation.calibration import Answers, CalibrationFit, fit_calibration
from acousticsense.evaluation.dataset import read_items
from acousticsense.evaluation.evaluate import KEPT, ClipResult, Evaluation, measure, write_report
from acousticsense.finetune.card import card
from acousticsense.finetune.features import FeatureStore, TrackFeatures, Trunk
from acousticsense.finetune.folds import assign_folds
from acousticsense.finetune.head import Examples, Head, fit_head
from acousticsense.finetune.tracks import Material, gather
from acousticsense.finetune.unfreeze import ImageExamples, put_head, train_last_blocks
from acousticsense.inference.classifier import limits_of, pick_device
from acousticsense.inference.confidence import verdict_of
from acousticsense.models.catalog import Catalog, check_answers, load_resolved, resolve
from acousticsense.models.checkpoint import eight_bit_names
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import FrontEnd, SpectrogramKind

__all__ = ["Finetuned", "Options", "finetune"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train.

    Attributes:
        kind: which image, for bases that know several; None is the base's main one.
        n_folds: parts of which each is held out once; fewer are made where the smallest genre has fewer groups.
        unfreeze: last blocks of the base to train too; 0 trains a new classifier only.
        epochs: passes over the images when blocks are trained.
        seed: of every random choice.
        overwrite: replace a model of that name.
        command: what was typed, for the card.
    """

    kind: SpectrogramKind | None = None
    n_folds: int = 5
    unfreeze: int = 0
    epochs: int = 3
    seed: int = 0
    overwrite: bool = False
    command: str = "acousticsense finetune"

    def __post_init__(self) -> None:
        for name, least in (("n_folds", 2), ("unfreeze", 0), ("epochs", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise RequestError(f"{name} is {getattr(self, name)}.", hint=f"It must be {least} or more.")


@dataclass(frozen=True)
class Finetuned:
    """What came of it.

    Attributes:
        spec: the new model.
        evaluation: of held-out answers.
        shortfalls: which verdict bands the data could not support, in words.
        skipped: files that were left out, with the reason.
    """

    spec: ModelSpec
    evaluation: Evaluation
    shortfalls: tuple[str, ...]
    skipped: Mapping[str, str]


def finetune(
    source: Path,
    out: Path,
    *,
    base: str | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
) -> Finetuned:
    """Trains a model on labelled files and writes its folder, which appears whole or not at all.

    What the base network makes of each file is kept below the cache folder: a run that was stopped, or one with more
    files, only listens to what is new.

    Args:
        source: a folder with a folder per genre, or a CSV with the columns path,genre and perhaps group.
        out: the folder to make, e.g. models/mine; its name becomes the model's.
        base: model to start from, see `catalog.resolve`; None is the default model.
        options: how to train.
        settings: folders, device and limits; from the environment when None.

    Raises:
        RequestError: the folder exists or cannot be a model's name, or an option is out of range.
        SettingsError: too few usable files or genres.
        CheckpointError: the base cannot be used, or the folder cannot be written.
        UnknownModelError: there is no such base.
    """
    options, settings = options or Options(), settings or Settings()
    catalog = Catalog(out.resolve().parent)
    catalog.check_new(out.resolve().name, (), overwrite=options.overwrite)
    material = gather(read_items(source))
    found = resolve(base or settings.model or None, Catalog(settings.models), cache_dir=settings.cache_dir)
    network, base_spec = load_resolved(found)
    check_answers(network, base_spec.front_end.image_size)
    run = _Run(network, base_spec, material, options, settings)
    spec, result, fit = run.finish(out.resolve().name)
    weights = run.weights()

    def describe(folder: Path) -> None:
        write_report(result, folder / "evaluation")
        text = card(
            spec,
            result,
            run.material,
            base=base_spec,
            command=options.command,
            n_folds=run.n_folds,
            single_group=run.single_group,
            shortfalls=fit.shortfalls,
            compared=run.compared,
        )
        (folder / "README.md").write_text(text, encoding="utf-8")

    kept = eight_bit_names(found.weights) - run.trained
    spec = catalog.install(weights, spec, eight_bit=kept, describe=describe)
    run.store.drop_images()
    return Finetuned(spec, result, fit.shortfalls, run.material.skipped)


class _Run:
    """One training: the data, the split, and what is computed from them."""

    def __init__(
        self, network: nn.Module, base: ModelSpec, material: Material, options: Options, settings: Settings
    ) -> None:
        base = base.for_spectrogram(options.kind)
        self._network, self._base, self._options = network, base, options
        self._front_end: FrontEnd = base.front_end
        device = pick_device(settings.device)
        shortest = base.windows.default_duration_s or base.windows.window_s
        self._windows = replace(base.windows, vote="mean", default_duration_s=shortest)
        self.store = FeatureStore(
            settings.cache_dir / "finetune",
            Trunk(network, base, self._front_end, device),
            base,
            front_end=self._front_end,
            windows=self._windows,
            limits=limits_of(settings),
            seed=options.seed,
        )
        self.material = material.without(self.store.fill(material.tracks, images=options.unfreeze > 0))
        tracks = self.material.tracks
        self._features: list[TrackFeatures] = [self.store.load(track) for track in tracks]
        outputs = self.material.outputs
        self._targets = np.array([outputs.index(track.genre) for track in tracks])
        genres, groups = [track.genre for track in tracks], [track.group for track in tracks]
        self._folds, self.single_group = assign_folds(genres, groups, most=options.n_folds, seed=options.seed)
        self.n_folds = int(self._folds.max()) + 1
        self.trained: frozenset[str] = frozenset()
        self.compared = ""

    def finish(self, name: str) -> tuple[ModelSpec, Evaluation, CalibrationFit]:
        """Held-out answers, what follows from them, and the description of the model."""
        frozen = self._held_out(self._head_answers)
        result, fit = self._measured(frozen)
        if self._options.unfreeze:
            before = result
            result, fit = self._measured(self._held_out(self._network_answers))
            self.compared = _comparison(before, result, self._options.unfreeze)
            logger.info("%s", self.compared)
        spec = ModelSpec(
            name=name,
            architecture=self._base.architecture,
            labels=self.material.labels,
            has_not_music=self.material.has_not_music,
            head=self._base.head,
            front_end=self._front_end,
            windows=self._windows,
            calibration=replace(fit.calibration, level_accuracy=result.level_accuracy),
            licence=f"not stated; derived from {self._base.name} ({self._base.licence or 'no licence stated'})",
            provenance=self._provenance(),
            metrics={"real_test": _figures(result, self.n_folds)},
        )
        return spec, result, fit

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The network trained on all tracks; remembers which tensors were trained."""
        logger.info("training on all %d tracks", len(self._targets))
        network = self._with_head(np.ones(len(self._targets), bool))
        if self._options.unfreeze:
            self.trained = self._train(network, np.ones(len(self._targets), bool))
        return network.state_dict()

    def _provenance(self) -> str:
        how = f"; its last {self._options.unfreeze} blocks were trained too" if self._options.unfreeze else ""
        return (
            f"{self._base.name} (weights {self._base.weights_sha256[:12]}) with a new classifier, fitted to "
            f"{len(self.material.tracks)} labelled tracks{how}. Seed {self._options.seed}."
        )

    def _held_out(self, answer: Callable[[int], NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Logits (n_predicted, n_outputs) per track, from the network that was trained without its fold."""
        answers: dict[int, NDArray[np.float32]] = {}
        for fold in range(self.n_folds):
            members = np.flatnonzero(self._folds == fold)
            logits = answer(fold)
            ends = np.cumsum([len(self._features[member].analysed) for member in members])
            answers.update(zip(members.tolist(), np.split(logits, ends[:-1]), strict=True))
            logger.info("part %d of %d held out and analysed", fold + 1, self.n_folds)
        return [answers[number] for number in range(len(self._targets))]

    def _head_answers(self, fold: int) -> NDArray[np.float32]:
        return self._head(self._folds != fold).logits(self._analysed(fold))

    def _analysed(self, fold: int) -> NDArray[np.float32]:
        return np.concatenate([self._features[number].analysed for number in np.flatnonzero(self._folds == fold)])

    def _head(self, chosen: NDArray[np.bool_]) -> Head:
        """Fitted to the chosen tracks; the strength of its penalty is tried on one fold of them."""
        folds = np.unique(self._folds[chosen])
        n_outputs = len(self.material.outputs)
        if len(folds) < 3:
            return fit_head(self._examples(chosen), n_outputs)
        on_trial = chosen & (self._folds == folds[-1])
        return fit_head(self._examples(chosen & ~on_trial), n_outputs, trial=self._examples(on_trial))

    def _examples(self, chosen: NDArray[np.bool_]) -> Examples:
        numbers, shares = np.flatnonzero(chosen), self._shares(chosen)
        counts = [len(self._features[number].learned) for number in numbers]
        return Examples(
            features=np.concatenate([self._features[number].learned for number in numbers]),
            targets=np.repeat(self._targets[numbers], counts),
            weights=np.repeat(shares / counts, counts),
        )

    def _shares(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How much each chosen track counts, so that all genres count the same."""
        targets = self._targets[chosen]
        shares = 1.0 / np.bincount(targets)[targets]
        return np.asarray(shares / shares.sum())

    def _with_head(self, chosen: NDArray[np.bool_]) -> nn.Module:
        network = copy.deepcopy(self._network)
        put_head(network, self._base.architecture, self._head(chosen))
        return network

    def _network_answers(self, fold: int) -> NDArray[np.float32]:
        """Like `_head_answers` after training blocks too; kept in a file, since it takes long."""
        path = self.store.folder / f"answers-{self._key()}-{fold}-of-{self.n_folds}.npy"
        if not path.exists():
            network = self._with_head(self._folds != fold)
            self._train(network, self._folds != fold)
            np.save(path, self._logits(network, fold))
        logits: NDArray[np.float32] = np.load(path)
        return logits

    def _key(self) -> str:
        """Of everything that answers after training depend on, beside the store's own key."""
        tracks = [(track.sha256, track.genre) for track in self.material.tracks]
        text = repr((tracks, self._folds.tolist(), self._options.unfreeze, self._options.epochs))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _train(self, network: nn.Module, chosen: NDArray[np.bool_]) -> frozenset[str]:
        numbers = np.flatnonzero(chosen)
        examples = ImageExamples(
            load=lambda index: self.store.images(self.material.tracks[numbers[index]]),
            n_images=sum(len(self._features[number].learned) for number in numbers),
            targets=self._targets[numbers],
            weights=self._shares(chosen),
        )
        return train_last_blocks(
            network,
            self._base.architecture,
            self._front_end,
            examples,
            n_blocks=self._options.unfreeze,
            epochs=self._options.epochs,
            seed=self._options.seed,
        )

    def _logits(self, network: nn.Module, fold: int) -> NDArray[np.float32]:
        """Of the analysed images of a fold."""
        trunk = Trunk(network, self._base, self._front_end, next(network.parameters()).device)
        images = [
            self.store.images(self.material.tracks[number])[: len(self._features[number].analysed)]
            for number in np.flatnonzero(self._folds == fold)
        ]
        return trunk.logits(torch.from_numpy(np.concatenate(images)))

    def _measured(self, logits: Sequence[NDArray[np.float32]]) -> tuple[Evaluation, CalibrationFit]:
        """Figures under calibrations that each leave the analysed fold out, and the calibration from all folds."""
        clips: list[ClipResult] = []
        for fold in range(self.n_folds):
            others = fit_calibration(self._answers(logits, self._folds != fold), measured_on="")
            clips += self._results(logits, self._folds == fold, others)
        measured_on = f"{len(logits)} tracks of one's own, each analysed by a network that had not heard it"
        fit = fit_calibration(self._answers(logits, self._folds >= 0), measured_on=measured_on)
        return measure(clips, unreadable=self.material.skipped), fit

    def _answers(self, logits: Sequence[NDArray[np.float32]], chosen: NDArray[np.bool_]) -> Answers:
        numbers = np.flatnonzero(chosen).tolist()
        n_labels = len(self.material.labels)
        targets = self._targets[chosen]
        return Answers(
            logits=np.concatenate([logits[number] for number in numbers]),
            labels=np.where(targets < n_labels, targets, -1),
            n_labels=n_labels,
            clips=np.repeat(np.arange(len(numbers)), [len(logits[number]) for number in numbers]),
        )

    def _results(
        self, logits: Sequence[NDArray[np.float32]], chosen: NDArray[np.bool_], fit: CalibrationFit
    ) -> list[ClipResult]:
        answers = self._answers(logits, chosen)
        not_music = answers.not_music()
        results = []
        for row, number in enumerate(np.flatnonzero(chosen)):
            values = answers.genres(fit.calibration.temperature)[row]
            probabilities = dict(zip(self.material.labels, values.tolist(), strict=True))
            score = None if not_music is None else float(not_music[row])
            track = self.material.tracks[number]
            verdict = verdict_of(probabilities, score, fit.calibration)
            results.append(ClipResult(path=track.path, genre=track.genre, probabilities=probabilities, verdict=verdict))
        return results


def _figures(result: Evaluation, n_folds: int) -> dict[str, Any]:
    figures = {name: getattr(result, name) for name in (*KEPT, "recall")}
    return {**figures, "how": f"each track held out once, in {n_folds} parts"}


def _comparison(before: Evaluation, after: Evaluation, n_blocks: int) -> str:
    advice = "" if after.accuracy >= before.accuracy else " Training the blocks did not help; consider leaving it out."
    return (
        f"With a new classifier alone, {before.accuracy:.1%} of the same tracks were right; with the last {n_blocks} "
        f"blocks trained too, {after.accuracy:.1%}.{advice}"
    )
