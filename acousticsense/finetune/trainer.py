"""Training on labelled tracks: a new classifier and, where wanted, the last blocks of the base network."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acousticsense.evaluation.statistics import class_balanced_weights
from acousticsense.files import atomic_write
from acousticsense.finetune.features import FeatureStore, TrackFeatures, Trunk
from acousticsense.finetune.folds import assign_folds
from acousticsense.finetune.head import Examples, Head, fit_head
from acousticsense.finetune.options import Options
from acousticsense.finetune.out_of_fold import OutOfFold
from acousticsense.finetune.progress import Report, silent
from acousticsense.finetune.tracks import Material
from acousticsense.finetune.unfreeze import ImageExamples, put_head, train_last_blocks
from acousticsense.inference.decoding import limits_of
from acousticsense.inference.device import pick_device
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings

logger = logging.getLogger(__name__)


class Trainer:
    """One training: the data, the split into folds, and what is fitted to them.

    Args:
        base: its description.
        material: the tracks; those that cannot be used are left out.

    Attributes:
        base: the description of the base network, with the image that is used.
        material: the tracks that are used.
        store: features of the tracks.
        windows: how clips are cut.
        n_folds: parts of which each is predicted by a network trained without it.
        single_group: genres whose tracks are all of one group.
        trained: names of the tensors that `weights` trained beside the classifier.
    """

    def __init__(
        self,
        network: nn.Module,
        base: ModelSpec,
        material: Material,
        options: Options,
        settings: Settings,
        *,
        report: Report = silent,
    ) -> None:
        base = base.for_spectrogram(options.kind)
        self._network, self.base, self._options = network, base, options
        self._front_end = base.front_end
        device = pick_device(settings.device)
        shortest = base.windows.default_duration_s or base.windows.window_s
        self.windows = replace(base.windows, vote="mean", default_duration_s=shortest)
        self.store = FeatureStore(
            settings.cache_dir / "finetune",
            Trunk(network, base, self._front_end, device),
            base,
            front_end=self._front_end,
            windows=self.windows,
            limits=limits_of(settings),
            seed=options.seed,
        )
        self._report = report
        failed = self.store.fill(material.tracks, images=options.unfreeze > 0, report=report)
        self.material = material.without(failed)
        tracks = self.material.tracks
        self._features: list[TrackFeatures] = [self.store.load(track) for track in tracks]
        outputs = self.material.outputs
        self._targets = np.array([outputs.index(track.genre) for track in tracks])
        genres, groups = [track.genre for track in tracks], [track.group for track in tracks]
        self._folds, self.single_group = assign_folds(genres, groups, most=options.n_folds, seed=options.seed)
        self.n_folds = int(self._folds.max()) + 1
        self.trained: frozenset[str] = frozenset()

    def out_of_fold(self, *, blocks: bool) -> OutOfFold:
        """Predictions for every track by networks that were trained without its fold.

        Args:
            blocks: train the last blocks too, as the options say; otherwise a new classifier only.
        """
        answer = self._network_answers if blocks else self._head_answers
        answers: dict[int, NDArray[np.float32]] = {}
        for fold in range(self.n_folds):
            self._report("parts", fold, self.n_folds)
            members = np.flatnonzero(self._folds == fold)
            logits = answer(fold)
            ends = np.cumsum([len(self._features[member].analysed) for member in members])
            answers.update(zip(members.tolist(), np.split(logits, ends[:-1]), strict=True))
            logger.info("fold %d of %d predicted by a network trained without it", fold + 1, self.n_folds)
        return OutOfFold(
            logits=[answers[number] for number in range(len(self._targets))],
            targets=self._targets,
            folds=self._folds,
            material=self.material,
        )

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The network trained on all tracks; remembers which tensors were trained."""
        logger.info("training on all %d tracks", len(self._targets))
        network = self._with_head(np.ones(len(self._targets), bool))
        if self._options.unfreeze:
            self.trained = self._train(network, np.ones(len(self._targets), bool))
        return network.state_dict()

    def clean_up(self) -> None:
        """Removes the images and the kept answers of this training; those of others stay."""
        if not self._options.unfreeze:
            return
        self.store.drop_images(self.material.tracks)
        for fold in range(self.n_folds):
            self._answers_path(fold).unlink(missing_ok=True)

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
        weights = class_balanced_weights(self._targets[chosen])
        return np.asarray(weights / weights.sum())

    def _with_head(self, chosen: NDArray[np.bool_]) -> nn.Module:
        network = copy.deepcopy(self._network)
        put_head(network, self.base.architecture, self._head(chosen))
        return network

    def _network_answers(self, fold: int) -> NDArray[np.float32]:
        """Like `_head_answers` after training blocks too; kept in a file, since it takes long."""
        return kept_array(self._answers_path(fold), lambda: self._trained_answers(fold))

    def _answers_path(self, fold: int) -> Path:
        return self.store.folder / f"answers-{self._key()}-{fold}-of-{self.n_folds}.npy"

    def _trained_answers(self, fold: int) -> NDArray[np.float32]:
        network = self._with_head(self._folds != fold)
        self._train(network, self._folds != fold)
        return self._logits(network, fold)

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
            self.base.architecture,
            self._front_end,
            examples,
            n_blocks=self._options.unfreeze,
            epochs=self._options.epochs,
            seed=self._options.seed,
        )

    def _logits(self, network: nn.Module, fold: int) -> NDArray[np.float32]:
        """Of the analysed images of a fold."""
        trunk = Trunk(network, self.base, self._front_end, next(network.parameters()).device)
        images = [  # copied, so that no file stays open
            np.array(self.store.images(self.material.tracks[number])[: len(self._features[number].analysed)])
            for number in np.flatnonzero(self._folds == fold)
        ]
        return trunk.logits(torch.from_numpy(np.concatenate(images)))


def kept_array(path: Path, compute: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The array that an earlier run kept at `path`; where there is none, or a damaged one, it is computed and kept."""
    if path.exists():
        try:
            kept: NDArray[np.float32] = np.load(path)
            return kept
        except (OSError, ValueError, EOFError):
            logger.warning("%s is damaged and is computed again", path)
    array = compute()
    with atomic_write(path) as file:
        np.save(file, array)
    return array
