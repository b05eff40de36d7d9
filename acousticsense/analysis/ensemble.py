"""Several models analyse the same clip: one row per model and image, and what they say together."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, cast

import torch

from acousticsense.analysis.consensus import build_consensus, largest_group
from acousticsense.analysis.members import (
    ChosenModel,
    Clips,
    Report,
    Spectrograms,
    Tell,
    choose_models,
    drawing_times,
    failed_members,
    identities,
    measured_accuracy,
    prepare_clips,
    telling,
)
from acousticsense.analysis.parallel import WorkerPool, own_stream, split_by_cost
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.audio.source import Source
from acousticsense.errors import AcousticSenseError, CheckpointError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import Decoder, Recipe, decode, limits_of
from acousticsense.inference.device import pick_device
from acousticsense.inference.model_cache import LoadedModel, ModelCache
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.models.catalog import Catalog
from acousticsense.models.spec import EnsembleSpec, ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, SpectrogramKind

_log: Final = logging.getLogger(__name__)

#: Beside the models: what was measured for several of them together.
ENSEMBLE_FILE: Final = "ensemble.json"


class Ensemble:
    """Asks several installed models about one clip. Safe to share between threads.

    The sound is decoded once and each kind of image drawn once. On a CPU the models share its threads: one that costs
    more than its share has them all for a while, the others work side by side. On a GPU each has a stream of its own.

    Args:
        models: holds the classifiers in memory and loads them by name.
        settings: limits on what is decoded.
    """

    def __init__(
        self,
        catalog: Catalog,
        models: ModelCache[GenreClassifier],
        *,
        device: torch.device,
        settings: Settings,
        decoder: Decoder = decode,
    ) -> None:
        self._catalog = catalog
        self._models = models
        self._device = device
        self._decoder = decoder
        self._limits = limits_of(settings)
        self._pool = WorkerPool(device)
        self._cost_ms: dict[str, float] = {}

    @classmethod
    def load(cls, *, device: str = "auto", settings: Settings | None = None) -> Ensemble:
        """An ensemble of the models in the models folder; each is loaded when it is first asked, and stays.

        Args:
            device: "auto" is the device of the settings, and by default the GPU when there is one.
            settings: folders and limits; by default from the environment.

        Raises:
            SettingsError: no such device.
        """
        settings = settings or Settings()
        chosen = pick_device(settings.device if device == "auto" else device)
        settings = settings.replace(device=str(chosen))
        models = ModelCache(
            lambda name: GenreClassifier.load(name, settings=settings),
            lambda classifier: classifier.size_bytes,
            max_count=settings.max_loaded_models,
            max_bytes=settings.max_models_mb * 2**20,
        )
        return cls(Catalog(settings.models), models, device=chosen, settings=settings)

    def predict(
        self,
        source: Source,
        *,
        models: Sequence[str] = (),
        spectrogram: Spectrograms = "both",
        duration_s: float | None = NATIVE_WINDOWS.default_duration_s,
        offset_s: float = 0.0,
        report: Report | None = None,
    ) -> EnsembleResult:
        """Asks the models about an excerpt of a track, the same for all.

        A model that cannot answer is a member with its error, and the others answer all the same.

        Args:
            source: path, bytes or binary file object of any audio format.
            models: names in the models folder; none is all of them, copies of one model once.
            spectrogram: one kind of image, or "both" for every kind that a model knows. Models that do not know the
                kind are left out.
            duration_s: seconds to predict; None is the whole track.
            offset_s: where the excerpt begins.
            report: called from several threads with how far the models are.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            UnknownModelError: a name that is not installed.
            RequestError: none of the models knows that image.
        """
        started = time.perf_counter()
        chosen = choose_models(self._catalog, models, spectrogram)

        def recipe_of(spec: ModelSpec) -> Recipe:
            return Recipe(
                front_end=spec.front_end,
                windows=spec.windows,
                limits=self._limits,
                duration_s=duration_s,
                offset_s=offset_s,
            )

        clips = prepare_clips(source, chosen, recipe_of, self._device, self._decoder)
        drawn = time.perf_counter()
        members = self._answers(chosen, clips, telling(report, len(chosen)))
        answered = time.perf_counter()
        any_clip = next(iter(clips.values()))
        return EnsembleResult(
            members=members,
            consensus=self._consensus(members, chosen),
            clip=any_clip.audio.info,
            health=any_clip.health,
            decode_ms=round(any_clip.decode_ms, 2),
            spectrogram_ms=drawing_times(clips),
            network_ms=round(1000 * (answered - drawn), 2),
            total_ms=round(1000 * (time.perf_counter() - started), 2),
        )

    def warm_up(self, models: Sequence[str] = (), *, report: Report | None = None) -> tuple[LoadedModel, ...]:
        """Loads models, side by side, so that the first clip need not wait; returns what is in memory then.

        A model that cannot be loaded is left to `predict` to tell of. Raises like `predict`.
        """
        chosen = [model for model in choose_models(self._catalog, models, "both") if model.spec]
        tell = telling(report, len(chosen))

        def load(model: ChosenModel) -> None:
            tell(model.name, "loading")
            try:
                self._models.get(model.name)
            except AcousticSenseError:
                tell(model.name, "failed")
            else:
                tell(model.name, "done")

        list(self._pool.executor.map(load, chosen))
        return self._models.loaded()

    def _answers(self, chosen: Sequence[ChosenModel], clips: Clips, tell: Tell) -> tuple[Member, ...]:
        """The members of all models, in the order of the models."""
        models = {model.name: model for model in chosen}

        def answer(name: str) -> tuple[Member, ...]:
            return self._members(models[name], clips, tell)

        n_threads = self._pool.n_threads if self._device.type == "cpu" else 1
        alone, together = split_by_cost([*models], self._cost_ms, n_threads)
        answers = dict(zip(together, self._pool.executor.map(answer, together), strict=True))
        answers |= {name: answer(name) for name in alone}
        return tuple(member for name in models for member in answers[name])

    def _members(self, model: ChosenModel, clips: Clips, tell: Tell) -> tuple[Member, ...]:
        if model.spec is None:
            tell(model.name, "failed")
            return (Member(name=model.name, spectrogram="", error=model.error),)
        try:
            tell(model.name, "loading")
            classifier = self._models.get(model.name)
            tell(model.name, "analysing")
            members = tuple(
                self._member(classifier.for_spectrogram(kind), spec, clips[model.name, kind])
                for kind, spec in model.specs.items()
            )
        except (AcousticSenseError, RuntimeError, OSError, MemoryError) as error:
            tell(model.name, "failed")
            return failed_members(model, error)
        self._cost_ms[model.name] = sum(member.prediction.timing_ms.network for member in members if member.prediction)
        tell(model.name, "done")
        return members

    def _member(self, classifier: GenreClassifier, spec: ModelSpec, clip: PreparedClip) -> Member:
        with own_stream(self._device):
            prediction = classifier.answer(clip).prediction
        loaded = {model.name: model.load_ms for model in self._models.loaded()}
        return Member(
            name=spec.name,
            spectrogram=spec.front_end.kind,
            prediction=prediction,
            size_bytes=classifier.size_bytes,
            load_ms=round(loaded.get(spec.name, 0.0), 2),
            measured=measured_accuracy(spec),
        )

    def _consensus(self, members: Sequence[Member], chosen: Sequence[ChosenModel]) -> Consensus | None:
        predictions = [member.prediction for member in members]
        averaged = [members[index] for index in largest_group(predictions)]
        specs = {model.name: model.specs for model in chosen}
        measured = self._measured_together(averaged)
        consensus = build_consensus(
            predictions,
            measured.calibration if measured else None,
            weights=[measured.weight_of.get(identity, 0.0) for identity in identities(averaged)] if measured else (),
            own=[specs[member.name][cast(SpectrogramKind, member.spectrogram)].calibration for member in averaged],
            tested=measured.real_test.labels if measured else None,
        )
        return replace(consensus, measured=measured_accuracy(measured)) if consensus and measured else consensus

    def _measured_together(self, members: Collection[Member]) -> EnsembleSpec | None:
        """What was measured for these members, of which some that count for nothing may be missing or there as copies;
        None when nothing was."""
        path = self._catalog.root / ENSEMBLE_FILE
        if not path.is_file():
            return None
        try:
            spec = EnsembleSpec.read(path)
        except CheckpointError as error:
            _log.warning("the consensus is not calibrated: %s", error)
            return None
        count = {identity for identity, weight in spec.weight_of.items() if weight > 0}
        asked, known = set(identities(members)), {identity[1:] for identity in spec.members}
        return spec if count <= asked and {identity[1:] for identity in asked} <= known else None
