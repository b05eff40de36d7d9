"""Several models look at the same clip: one row per model and image, and what they say together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import numpy as np
import torch

from acousticsense.analysis.consensus import build_consensus, largest_group
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.audio.reading import Source
from acousticsense.errors import AcousticSenseError, CheckpointError, RequestError
from acousticsense.evaluation.calibration import Answers, fit_calibration
from acousticsense.inference.classifier import GenreClassifier, limits_of, pick_device
from acousticsense.inference.model_cache import ModelCache, Resident
from acousticsense.inference.prediction import Prediction
from acousticsense.inference.preprocess import PreparedClip, Recipe, decode, draw
from acousticsense.models.catalog import Catalog
from acousticsense.models.genres import NOT_MUSIC
from acousticsense.models.spec import EnsembleSpec, ModelSpec, tested_labels
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, SpectrogramKind

__all__ = ["ENSEMBLE_FILE", "Ensemble", "EnsemblePredictor", "Progress", "Spectrograms"]

_log: Final = logging.getLogger(__name__)

#: Which images are looked at: one kind, or every kind that a model knows.
Spectrograms = Literal["mel", "cqt", "both"]

#: Beside the models: what was measured for several of them together.
ENSEMBLE_FILE: Final = "ensemble.json"

#: Probabilities below are taken for this one before their logarithm.
_SMALLEST: Final = 1e-12
#: From fewer a temperature is chance.
_FEWEST_CLIPS: Final = 20

#: Models at work at the same time on a CPU, at most: more would only take memory from each other.
_MAX_WORKERS: Final = 8


@dataclass(frozen=True)
class Progress:
    """What a model of an ensemble has come to.

    Attributes:
        name: of the model.
        state: what it is doing now, or how it ended.
        done: models that have ended, well or not.
        total: models that were asked.
    """

    name: str
    state: Literal["loading", "analysing", "done", "failed"]
    done: int
    total: int


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class _Seat:
    """A model that was asked: the images it is to predict, or what is wrong with its folder."""

    name: str
    spec: ModelSpec | None
    kinds: tuple[SpectrogramKind, ...]
    error: AcousticSenseError | None = None


class Ensemble:
    """Asks several installed models about one clip. Safe to share between threads.

    The sound is decoded once and each kind of image drawn once. On a CPU the models share its threads: one that costs
    more than its share has them all for a while, the others work side by side. On a GPU each has a stream of its own.

    Args:
        catalog: the installed models.
        models: holds the classifiers in memory and loads them by name.
        device: where images are drawn and analysed.
        settings: limits on what is decoded.
    """

    def __init__(
        self, catalog: Catalog, models: ModelCache[GenreClassifier], *, device: torch.device, settings: Settings
    ) -> None:
        self._catalog = catalog
        self._models = models
        self._device = device
        self._limits = limits_of(settings)
        self._threads = torch.get_num_threads()
        self._start = threading.Lock()
        self._workers: ThreadPoolExecutor | None = None
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
        settings = settings or Settings.from_env()
        chosen = pick_device(settings.device if device == "auto" else device)
        settings = replace(settings, device=str(chosen))
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
        """Asks the models about a excerpt of a track, the same for all.

        A model that cannot answer is a member with its error, and the others answer all the same.

        Args:
            source: path, bytes or binary file object of any audio format.
            models: names in the models folder; none is all of them.
            spectrogram: one kind of image, or "both" for every kind that a model knows. Models that do not know the
                kind are left out.
            duration_s: seconds to predict; None is the whole track.
            offset_s: where the excerpt begins.
            report: called from several threads with what the models have come to.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            UnknownModelError: a name that is not installed.
            RequestError: none of the models knows that image.
        """
        started = time.perf_counter()
        seats = self._seats(models, spectrogram)
        clips = self._clips(source, seats, duration_s, offset_s)
        drawn = time.perf_counter()
        members = self._ask(seats, clips, _Reporter(report, len(seats)))
        asked = time.perf_counter()
        predictions = [member.prediction for member in members]
        averaged = [members[index] for index in largest_group(predictions)]
        specs = {seat.name: seat.spec for seat in seats if seat.spec}
        together = self._together(averaged)
        own = [
            specs[member.name].for_spectrogram(cast(SpectrogramKind, member.spectrogram)).calibration
            for member in averaged
        ]
        any_clip = next(iter(clips.values()))
        return EnsembleResult(
            members=members,
            consensus=build_consensus(
                predictions,
                together.calibration if together else None,
                own=own,
                tested=tested_labels(together.metrics) if together else None,
            ),
            clip=any_clip.audio.info,
            health=any_clip.health,
            decode_ms=round(any_clip.decode_ms, 2),
            spectrogram_ms=_drawing_times(clips),
            network_ms=round(1000 * (asked - drawn), 2),
            total_ms=round(1000 * (time.perf_counter() - started), 2),
        )

    def warm_up(self, models: Sequence[str] = (), *, report: Report | None = None) -> tuple[Resident, ...]:
        """Loads models, side by side, so that the first clip need not wait; returns what is in memory then.

        A model that cannot be loaded is left to `predict` to tell of. Raises like `predict`.
        """
        seats = [seat for seat in self._seats(models, "both") if seat.spec]
        reporter = _Reporter(report, len(seats))

        def load(seat: _Seat) -> None:
            reporter.tell(seat.name, "loading")
            try:
                self._models.get(seat.name)
            except AcousticSenseError:
                reporter.tell(seat.name, "failed")
            else:
                reporter.tell(seat.name, "done")

        list(self._pool().map(load, seats))
        return self._models.model_cache()

    def _seats(self, models: Sequence[str], spectrogram: Spectrograms) -> tuple[_Seat, ...]:
        if spectrogram not in get_args(Spectrograms):
            choices = ", ".join(get_args(Spectrograms))
            raise RequestError(f"spectrogram is {spectrogram!r}.", hint=f"Choose one of {choices}.")
        seats = [self._seat(name, spectrogram) for name in dict.fromkeys(models or self._catalog.names())]
        wanted = tuple(seat for seat in seats if seat.kinds or seat.error)
        if not any(seat.kinds for seat in wanted):
            error = next((seat.error for seat in wanted if seat.error), None)
            raise error or RequestError(f"None of these models knows {spectrogram} images.", hint="Choose others.")
        return wanted

    def _seat(self, name: str, spectrogram: Spectrograms) -> _Seat:
        try:
            spec = self._catalog.spec(name)
        except CheckpointError as error:
            return _Seat(name, None, (), error)
        return _Seat(name, spec, tuple(kind for kind in spec.kinds if spectrogram in (kind, "both")))

    def _recipe(self, spec: ModelSpec, duration_s: float | None, offset_s: float) -> Recipe:
        return Recipe(
            front_end=spec.front_end,
            windows=spec.windows,
            limits=self._limits,
            duration_s=duration_s,
            offset_s=offset_s,
        )

    def _clips(
        self, source: Source, seats: Sequence[_Seat], duration_s: float | None, offset_s: float
    ) -> Mapping[tuple[str, str], PreparedClip]:
        """Model and image -> the clip made ready; what is the same for several models is made once."""
        recipes = {
            (seat.name, kind): self._recipe(seat.spec.for_spectrogram(kind), duration_s, offset_s)
            for seat in seats
            if seat.spec
            for kind in seat.kinds
        }
        by_rate = {recipe.front_end.sample_rate_hz: recipe for recipe in recipes.values()}
        if len(by_rate) > 1 and not isinstance(source, (str, Path, bytes)):
            source = source.read()
        decoded = {rate_hz: decode(source, recipe) for rate_hz, recipe in by_rate.items()}
        drawn = {
            recipe: draw(decoded[recipe.front_end.sample_rate_hz], recipe, device=self._device)
            for recipe in dict.fromkeys(recipes.values())
        }
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # the models' streams do not wait for the one that drew
        return {key: drawn[recipe] for key, recipe in recipes.items()}

    def _ask(
        self, seats: Sequence[_Seat], clips: Mapping[tuple[str, str], PreparedClip], reporter: _Reporter
    ) -> tuple[Member, ...]:
        """Every seat's members, in the order of the seats."""

        def ask(seat: _Seat) -> tuple[Member, ...]:
            return self._members(seat, clips, reporter)

        alone, together = self._share(seats)
        spoken = dict(zip((seat.name for seat in together), self._pool().map(ask, together), strict=True))
        spoken |= {seat.name: ask(seat) for seat in alone}
        return tuple(member for seat in seats for member in spoken[seat.name])

    def _share(self, seats: Sequence[_Seat]) -> tuple[list[_Seat], list[_Seat]]:
        """Models that get all threads for themselves, one after the other, and those that work side by side.

        A model that costs more than its share of the whole would keep one thread busy when all others have ended.
        Costs are those of the last clip; as long as one is unknown, all work side by side.
        """
        costs = {seat.name: self._cost_ms.get(seat.name, 0.0) for seat in seats}
        ranked = sorted(seats, key=lambda seat: -costs[seat.name])
        if self._device.type != "cpu" or self._threads == 1 or not all(costs.values()):
            return [], ranked
        share = sum(costs.values()) / self._threads
        alone = [seat for seat in ranked if costs[seat.name] > share]
        return alone, [seat for seat in ranked if seat not in alone]

    def _members(
        self, seat: _Seat, clips: Mapping[tuple[str, str], PreparedClip], reporter: _Reporter
    ) -> tuple[Member, ...]:
        if seat.spec is None:
            reporter.tell(seat.name, "failed")
            return (Member(name=seat.name, spectrogram="", error=seat.error),)
        specs = {kind: seat.spec.for_spectrogram(kind) for kind in seat.kinds}
        try:
            reporter.tell(seat.name, "loading")
            classifier = self._models.get(seat.name)
            reporter.tell(seat.name, "analysing")
            members = tuple(
                self._member(classifier.for_spectrogram(kind), spec, clips[seat.name, kind])
                for kind, spec in specs.items()
            )
        except (AcousticSenseError, RuntimeError, OSError, MemoryError) as error:
            reporter.tell(seat.name, "failed")
            reason = error if isinstance(error, AcousticSenseError) else _unforeseen(seat.name, error)
            return tuple(
                Member(name=seat.name, spectrogram=kind, error=reason, measured=_measured(spec))
                for kind, spec in specs.items()
            )
        self._cost_ms[seat.name] = sum(member.prediction.timing_ms.network for member in members if member.prediction)
        reporter.tell(seat.name, "done")
        return members

    def _member(self, classifier: GenreClassifier, spec: ModelSpec, clip: PreparedClip) -> Member:
        with _stream(self._device):
            prediction = classifier.answer(clip).prediction
        loaded = {resident.name: resident.load_ms for resident in self._models.model_cache()}
        return Member(
            name=spec.name,
            spectrogram=spec.front_end.kind,
            prediction=prediction,
            size_bytes=classifier.size_bytes,
            load_ms=round(loaded.get(spec.name, 0.0), 2),
            measured=_measured(spec),
        )

    def _together(self, members: Collection[Member]) -> EnsembleSpec | None:
        """What was measured for exactly these members and weights; None when nothing was."""
        path = self._catalog.root / ENSEMBLE_FILE
        if not path.is_file():
            return None
        try:
            spec = EnsembleSpec.read(path)
        except CheckpointError as error:
            _log.warning("the consensus is not calibrated: %s", error)
            return None
        return spec if set(_identities(members)) == set(spec.members) else None

    def _pool(self) -> ThreadPoolExecutor:
        """The models' own threads: always the same ones, which share PyTorch's among them."""
        with self._start:
            if self._workers is None:
                self._workers = _pool(self._threads, on_gpu=self._device.type != "cpu")
            return self._workers


@dataclass(frozen=True, kw_only=True)
class EnsemblePredictor:
    """A choice of models and images that is asked like a single model, to be evaluated and calibrated.

    Every member must answer: figures of fewer members would be those of another panel.
    """

    ensemble: Ensemble
    models: tuple[str, ...] = ()
    spectrogram: Spectrograms = "both"

    def predict(self, source: Source, /, *, kind: SpectrogramKind | None = None) -> Prediction:
        """What the panel says together, as one answer.

        Args:
            source: path, bytes or binary file object of any audio format.
            kind: one kind of image; None is the panel's choice.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            CheckpointError: one of the models cannot answer.
        """
        result, consensus = self._ask(source, self.spectrogram if kind is None else cast(Spectrograms, kind))
        first = next(member.prediction for member in result.members if member.prediction)
        return replace(
            first,
            probabilities=consensus.calibrated or consensus.probabilities,
            not_music=consensus.not_music,
            verdict=consensus.verdict,
            advice=consensus.advice,
            model=replace(first.model, name="ensemble", architecture="ensemble", weights_sha256=""),
        )

    def is_calibrated(self, source: Source) -> bool:
        """Whether `ensemble.json` is of exactly these models, images and weights; one clip is asked about.

        Raises:
            AudioError, CheckpointError: as `predict`.
        """
        return self._ask(source, self.spectrogram)[1].calibrated is not None

    def calibrate(self, clips: Sequence[tuple[Path, str]], *, measured_on: str) -> EnsembleSpec:
        """What the mean of these members means, from labelled clips that no model was trained on.

        Args:
            clips: files with their labels, or "not_music".
            measured_on: what the clips are, in words.

        Raises:
            AudioError, CheckpointError: as `predict`.
            RequestError: the clips are too few for any measure, one has a label that the models do not know, or none is
                music.
        """
        if len(clips) < _FEWEST_CLIPS:
            raise RequestError(
                f"{len(clips)} clips calibrate nothing.", hint=f"Give {_FEWEST_CLIPS} or more, of several genres."
            )
        rows: list[list[float]] = []
        truths: list[int] = []
        members: tuple[tuple[str, str, str], ...] = ()
        for path, genre in clips:
            result, consensus = self._ask(path, self.spectrogram)
            labels = list(consensus.probabilities)
            if genre not in (*labels, NOT_MUSIC):
                raise RequestError(
                    f"{genre!r} is not a label of these models.", hint=f"They know: {', '.join(labels)}."
                )
            members = _identities(result.members[index] for index in consensus.members)
            not_music = consensus.not_music or 0.0
            rows.append([*(share * (1 - not_music) for share in consensus.probabilities.values()), not_music])
            truths.append(labels.index(genre) if genre in labels else -1)
        if max(truths) < 0:
            raise RequestError(f"None of the {len(clips)} clips is music.", hint="Give some of several genres.")
        logits = np.log(np.maximum(np.array(rows), _SMALLEST))
        answers = Answers(logits=logits, labels=np.array(truths), n_labels=logits.shape[1] - 1)
        fit = fit_calibration(answers, measured_on=measured_on)
        for shortfall in fit.shortfalls:
            _log.warning("%s", shortfall)
        return EnsembleSpec(members=members, calibration=fit.calibration, metrics={"calibrated_on": {"n": len(rows)}})

    def _ask(self, source: Source, spectrogram: Spectrograms) -> tuple[EnsembleResult, Consensus]:
        result = self.ensemble.predict(source, models=self.models, spectrogram=spectrogram)
        for member in result.members:
            if member.error:
                raise member.error
        return result, cast(Consensus, result.consensus)


def _identities(members: Iterable[Member]) -> tuple[tuple[str, str, str], ...]:
    """Model, image and weights of each member that answered."""
    return tuple(
        (member.name, member.spectrogram, member.prediction.model.weights_sha256)
        for member in members
        if member.prediction
    )


class _Reporter:
    """Counts the models that have ended, and passes on what is told."""

    def __init__(self, report: Report | None, total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def tell(self, name: str, state: Literal["loading", "analysing", "done", "failed"]) -> None:
        with self._lock:
            self._done += state in ("done", "failed")
            if self._report:
                self._report(Progress(name, state, self._done, self._total))


def _pool(threads: int, *, on_gpu: bool) -> ThreadPoolExecutor:
    """Workers that have all of PyTorch's threads between them."""
    workers = _MAX_WORKERS if on_gpu else min(_MAX_WORKERS, threads)
    pool = ThreadPoolExecutor(
        workers, "ensemble", initializer=torch.set_num_threads, initargs=(max(1, threads // workers),)
    )
    # A thread's number also becomes that of threads yet to come: all start now, then the old number is put back.
    together = threading.Barrier(workers)
    list(pool.map(lambda _: together.wait(), range(workers)))
    torch.set_num_threads(threads)
    return pool


def _stream(device: torch.device) -> AbstractContextManager[Any]:
    cuda: Any = torch.cuda
    return cuda.stream(cuda.Stream(device)) if device.type == "cuda" else nullcontext()


def _unforeseen(name: str, error: Exception) -> CheckpointError:
    reason = CheckpointError(f"{name} could not answer: {error or type(error).__name__}.", hint="See the server's log.")
    reason.__cause__ = error
    return reason


def _measured(spec: ModelSpec) -> tuple[float, int] | None:
    """Accuracy on real test music and the number of clips, from the model's description."""
    figures = spec.metrics.get("real_test")
    if not isinstance(figures, Mapping) or not isinstance(figures.get("accuracy"), (int, float)):
        return None
    return float(figures["accuracy"]), int(figures.get("n", 0))


def _drawing_times(clips: Mapping[tuple[str, str], PreparedClip]) -> dict[str, float]:
    """Kind of image -> milliseconds, over all recipes of that kind."""
    different = {id(clip): (kind, clip.spectrogram_ms) for (_, kind), clip in clips.items()}
    times: dict[str, float] = {}
    for kind, spent_ms in different.values():
        times[kind] = round(times.get(kind, 0.0) + spent_ms, 2)
    return times
