"""What every request of a server shares: the loaded models, the queue in front of them and the images they leave."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Generic, TypeVar, get_args

import numpy as np

from acousticsense.analysis.compare import Comparison, compare
from acousticsense.analysis.ensemble import Ensemble
from acousticsense.analysis.explain import Explanation, check_label, explanation_of
from acousticsense.analysis.figures import heatmap_drawing, spectrogram_drawing
from acousticsense.analysis.members import Progress, Spectrograms
from acousticsense.analysis.results import EnsembleResult, Timeline
from acousticsense.analysis.timeline import make_timeline
from acousticsense.audio import Source
from acousticsense.errors import AcousticSenseError, OverloadError, RequestError, quoted
from acousticsense.inference.accelerator import Accelerator
from acousticsense.inference.answer import Analysis
from acousticsense.inference.answer_cache import AnswerCache, content_digest
from acousticsense.inference.classifier import MODEL_DEFAULT, Duration, GenreClassifier
from acousticsense.inference.device import pick_device
from acousticsense.inference.model_cache import ModelCache
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.library.batch import Batch, BatchLimits, Upload
from acousticsense.library.engine import EngineOptions
from acousticsense.models.catalog import DEFAULT_MODEL, Catalog, CatalogEntry
from acousticsense.settings import Settings
from acousticsense.spectrogram import SpectrogramImages, clip_images
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, SpectrogramKind

__all__ = [
    "BatchJob",
    "Counters",
    "EnsembleRequest",
    "Gate",
    "ImageStore",
    "Job",
    "PredictionService",
    "Request",
    "Shelf",
    "TimelineJob",
    "TimelineRequest",
]

_log: Final = logging.getLogger(__name__)

#: Finished timelines that can be fetched as files; the largest takes some MiB.
_KEPT_TIMELINES: Final = 32
#: Batches whose rows can be fetched, those under way among them; the largest takes some MiB.
_KEPT_BATCHES: Final = 32
#: Images of a batch that are analysed at a time, by kind of device: what a prediction may have to wait for.
_BATCH_IMAGES: Final = {"cpu": 2, "cuda": 32}
#: Seconds for which a timeline or a batch gives way to predictions before it does one more pass.
_PATIENCE_S: Final = 2.0

Answer = TypeVar("Answer")
Thing = TypeVar("Thing")

#: Models in one request to the ensemble, at most.
_MOST_MODELS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked of one clip, checked.

    Attributes:
        private: nothing of the answer is kept for others who send the same file.

    Raises:
        RequestError: a value out of its range.
    """

    model: str = ""
    spectrogram: SpectrogramKind | None = None
    duration_s: Duration = MODEL_DEFAULT
    offset_s: float = 0.0
    top_k: int = 5
    private: bool = False

    def __post_init__(self) -> None:
        if self.spectrogram not in (None, *get_args(SpectrogramKind)):
            choices = ", ".join(get_args(SpectrogramKind))
            raise RequestError(f"spectrogram is {quoted(self.spectrogram)}.", hint=f"Choose one of {choices}.")
        if isinstance(self.duration_s, (int, float)) and not 0.1 <= self.duration_s <= 86_400:
            raise RequestError(f"duration_s is {self.duration_s}.", hint="Ask for 0.1 to 86400 seconds.")
        if not 0 <= self.offset_s <= 1e7:
            raise RequestError(f"offset_s is {self.offset_s}.", hint="Give seconds from the start, 0 or more.")
        if not 1 <= self.top_k <= 1000:
            raise RequestError(f"top_k is {self.top_k}.", hint="Ask for 1 to 1000 labels.")


@dataclass(frozen=True, kw_only=True)
class EnsembleRequest:
    """What a user asked several models of one clip, checked.

    Raises:
        RequestError: a value out of its range.
    """

    models: tuple[str, ...] = ()
    spectrogram: Spectrograms = "both"
    duration_s: float | None = NATIVE_WINDOWS.default_duration_s
    offset_s: float = 0.0
    top_k: int = 3

    def __post_init__(self) -> None:
        Request(duration_s=self.duration_s, offset_s=self.offset_s, top_k=self.top_k)
        if len(self.models) > _MOST_MODELS:
            raise RequestError(f"{len(self.models)} models were asked.", hint=f"Ask {_MOST_MODELS} at most.")


@dataclass(frozen=True, kw_only=True)
class TimelineRequest:
    """What a user asked of one track; see `timeline.make_timeline`, which checks window and hop.

    Raises:
        RequestError: a value out of its range.
    """

    model: str = ""
    spectrogram: SpectrogramKind | None = None
    window_s: float | None = None
    hop_s: float | None = None
    duration_s: float | None = None
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        Request(spectrogram=self.spectrogram, duration_s=self.duration_s, offset_s=self.offset_s)


class Job(Generic[Answer]):
    """Work in the making that somebody watches and may give up.

    Attributes:
        started: False while others are before it.
    """

    def __init__(self) -> None:
        self.started = False
        self._cancelled = threading.Event()
        self._future: Future[Answer] = Future()

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return self._future.done()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has given it up."""
        return self._cancelled.is_set()

    def result(self) -> Answer:
        """Waits for the result.

        Raises:
            AcousticSenseError: whatever the work raises.
            CancelledError: it was cancelled.
        """
        return self._future.result()

    def cancel(self) -> None:
        """Ends the work after the batch in hand; a finished job stays as it is."""
        self._cancelled.set()
        self._future.cancel()

    def run_in(self, workers: ThreadPoolExecutor, work: Callable[[], Answer], leave: ExitStack) -> None:
        """Starts `work` when a worker is free, and leaves at its end, whatever the end."""
        self._future = workers.submit(self._begun, work)
        self._future.add_done_callback(lambda _: leave.close())

    def _begun(self, work: Callable[[], Answer]) -> Answer:
        self.started = True
        return work()

    def stop_if_cancelled(self) -> None:
        """Raises CancelledError when nobody waits for the result any more."""
        if self.cancelled:
            raise CancelledError


class TimelineJob(Job[Timeline]):
    """A timeline in the making.

    Attributes:
        done_s: seconds of the track that are analysed.
        expected_s: seconds to predict in all; None when the file does not say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done_s = 0.0
        self.expected_s: float | None = None


class BatchJob(Job[None]):
    """Many files in the making; whatever becomes of it, the rows so far are in `batch`."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch


class Gate:
    """Lets `concurrency` requests work and `queue_size` wait; one more is turned away at once."""

    def __init__(self, *, concurrency: int, queue_size: int) -> None:
        self._limit = concurrency + queue_size
        self._inside = 0
        self._changed = threading.Condition()
        self._workers = threading.Semaphore(concurrency)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """A place at work, after a wait in the queue.

        Raises:
            OverloadError: the queue is full.
        """
        with self.queue(), self._workers:
            yield

    @contextmanager
    def queue(self) -> Iterator[None]:
        """A place in the queue or at work, for those who are put to work elsewhere; raises like `enter`."""
        with self._changed:
            self.refuse_if_full()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> None:
        """Returns when nobody works or waits, at the latest after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._inside, timeout_s)

    def refuse_if_full(self) -> None:
        """Raises OverloadError when the next request would be turned away."""
        if self.full:
            raise OverloadError("The server is busy and its queue is full.", hint="Try again in a few seconds.")

    @property
    def full(self) -> bool:
        """Whether the next request would be turned away."""
        return self._inside >= self._limit


class Shelf(Generic[Thing]):
    """Things by unguessable id: at most `max_things`, the oldest goes first, each for `ttl_s` seconds."""

    def __init__(self, *, max_things: int, ttl_s: float) -> None:
        self._max_things = max_things
        self._ttl_s = ttl_s
        self._things: OrderedDict[str, tuple[float, Thing]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, thing: Thing) -> str:
        """Keeps something and returns its id (128 random bits)."""
        thing_id = secrets.token_urlsafe(16)
        with self._lock:
            self._things[thing_id] = (time.monotonic() + self._ttl_s, thing)
            while len(self._things) > self._max_things:
                self._things.popitem(last=False)
        return thing_id

    def renew(self, thing_id: str) -> None:
        """Keeps something that is still there as long as if it had been put there now."""
        with self._lock:
            if thing_id in self._things:
                _, thing = self._things.pop(thing_id)
                self._things[thing_id] = (time.monotonic() + self._ttl_s, thing)

    def get(self, thing_id: str) -> Thing | None:
        """What was kept, or None when there is no such thing or it has expired."""
        with self._lock:
            now = time.monotonic()
            while self._things and next(iter(self._things.values()))[0] < now:
                self._things.popitem(last=False)
            entry = self._things.get(thing_id)
        return entry[1] if entry else None


class ImageStore:
    """Images on a shelf, each drawn when first asked for."""

    def __init__(self, *, max_pictures: int, ttl_s: float) -> None:
        self._drawings: Shelf[Callable[[], bytes]] = Shelf(max_things=max_pictures, ttl_s=ttl_s)

    def put(self, draw: Callable[[], bytes]) -> str:
        """Keeps what draws a image and returns its id."""
        return self._drawings.put(cache(draw))

    def get(self, image_id: str) -> bytes | None:
        """The image, or None when there is none or it has expired."""
        draw = self._drawings.get(image_id)
        return draw() if draw else None


@dataclass
class Counters:
    """What `/metrics` reports."""

    answered: int = 0
    timelines: int = 0
    batch_files: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def batch(self, files: int) -> None:
        """So many files of one batch have a row."""
        with self.lock:
            self.batch_files += files

    def success(self, seconds: float) -> None:
        """One answer, after so many seconds."""
        with self.lock:
            self.answered += 1
            self.seconds += seconds

    def timeline(self) -> None:
        """One finished timeline."""
        with self.lock:
            self.timelines += 1

    def failure(self, code: str) -> None:
        """One refusal, by error code."""
        with self.lock:
            self.failed[code] = self.failed.get(code, 0) + 1


class PredictionService:
    """Loads models once, keeps the most recently used, and answers requests in turn."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog = Catalog(settings.models)
        self.counters = Counters()
        self.images = ImageStore(max_pictures=settings.max_pictures, ttl_s=settings.picture_ttl_s)
        self.timelines: Shelf[Timeline] = Shelf(max_things=_KEPT_TIMELINES, ttl_s=settings.picture_ttl_s)
        self._gate = Gate(concurrency=settings.concurrency, queue_size=settings.queue_size)
        self._timeline_gate = Gate(concurrency=settings.timeline_concurrency, queue_size=settings.timeline_queue_size)
        self._timeline_workers = ThreadPoolExecutor(settings.timeline_concurrency, thread_name_prefix="timeline")
        self.batches: Shelf[BatchJob] = Shelf(max_things=_KEPT_BATCHES, ttl_s=settings.picture_ttl_s)
        self._batch_gate = Gate(concurrency=settings.batch_concurrency, queue_size=settings.batch_queue_size)
        self._batch_workers = ThreadPoolExecutor(settings.batch_concurrency, thread_name_prefix="batch")
        self._batch_limits = BatchLimits(
            max_files=settings.max_batch_files,
            max_file_bytes=settings.max_upload_mb * 2**20,
            max_unpacked_bytes=settings.max_batch_mb * 2**20,
        )
        self._workers = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="predict")
        self._default = settings.model or DEFAULT_MODEL
        self._models = ModelCache(
            self._load,
            lambda classifier: classifier.size_bytes,
            max_count=settings.max_loaded_models,
            max_bytes=settings.max_models_mb * 2**20,
            pinned=(self._default,),
        )
        self._ensemble: Ensemble | None = None
        self._answers: AnswerCache[Analysis] = AnswerCache(settings.answer_cache_mb * 2**20)
        self._accelerator: Accelerator | None = None
        self._lock = threading.Lock()
        self._failure = ""
        self._warm = False

    def warm_up(self) -> None:
        """Loads the default model and answers once with it; a failure is kept for `ready`."""
        try:
            spectrogram_drawing(self._workers.submit(self._warmed).result())()
            self._warm = True
            _log.info("default model is loaded and warm")
        except AcousticSenseError as error:
            self._failure = str(error)
            _log.error("the default model could not be loaded: %s", error)
        except Exception as error:
            self._failure = f"The default model could not be loaded: {error!r}"
            raise

    def warm_up_views(self) -> None:
        """Draws one cqt, once requests are answered: the first takes seconds, because librosa compiles it then."""
        if self._warm:
            classifier = self.classifier("")
            silence = np.zeros(classifier.spec.front_end.sample_rate_hz, np.float32)
            clip_images(silence, classifier.spec.display_front_end("cqt"), classifier.spec.windows)

    def _warmed(self) -> SpectrogramImages:
        return self.classifier("").warm_up()

    def accelerate(self) -> None:
        """Speeds the default model up in the background, and from now on each other that is loaded."""
        self._accelerator = Accelerator(self.settings)
        if default := self._models.peek(self._default):
            self._accelerator.submit(self._default, default)

    def ready(self) -> str:
        """Empty when requests will be answered, else the reason why not."""
        if self._failure:
            return self._failure
        if not self._warm:
            return "The model is still loading."
        return "The queue is full." if self._gate.full else ""

    def classifier(self, name: str) -> GenreClassifier:
        """The classifier of an installed model, loaded when needed; "" is the default.

        Raises:
            UnknownModelError: no such model is installed. Requests can't name files or hubs.
            CheckpointError: its weights cannot be used.
        """
        name = name or self._default
        if name != self._default and self._models.peek(name) is None:
            self.catalog.spec(name)  # raises for whatever is no name in the catalogue
        return self._models.get(name)

    def _load(self, name: str) -> GenreClassifier:
        classifier = GenreClassifier.load(name, settings=self.settings)
        if self._accelerator:
            self._accelerator.submit(name, classifier)
        return classifier

    def ensemble(self) -> Ensemble:
        """The ensemble, whose models are the ones that this service holds in memory.

        Raises:
            SettingsError: there is no such device.
        """
        with self._lock:
            if self._ensemble is None:
                device = pick_device(self.settings.device)
                self._ensemble = Ensemble(self.catalog, self._models, device=device, settings=self.settings)
            return self._ensemble

    def refuse_if_full(self, *, timelines: bool = False) -> None:
        """Raises OverloadError before a body is read that could not be analysed anyway."""
        try:
            (self._timeline_gate if timelines else self._gate).refuse_if_full()
        except OverloadError as error:
            self.counters.failure(error.code)
            raise

    def models(self) -> tuple[CatalogEntry, ...]:
        """What is installed."""
        return self.catalog.list()

    def analyse(self, source: Source, request: Request) -> Analysis:
        """Answers one request, in turn.

        Raises:
            AcousticSenseError: whatever the classifier raises, or OverloadError when too many wait.
        """
        return self._answer(lambda: self._predict(source, request))

    def predict_together(
        self, source: Source, request: EnsembleRequest, report: Callable[[Progress], None] | None = None
    ) -> EnsembleResult:
        """Answers one request to several models, in turn.

        Raises:
            AcousticSenseError: whatever the ensemble raises, or OverloadError when too many wait.
        """
        return self._answer(
            lambda: self.ensemble().predict(
                source,
                models=request.models,
                spectrogram=request.spectrogram,
                duration_s=request.duration_s,
                offset_s=request.offset_s,
                report=report,
            )
        )

    def _answer(self, work: Callable[[], Answer]) -> Answer:
        """Does one request's work, in turn, and counts it."""
        started = time.perf_counter()
        answer = self._in_turn(work)
        self.counters.success(time.perf_counter() - started)
        return answer

    def _in_turn(self, work: Callable[[], Answer]) -> Answer:
        """Does work after a wait in the queue; a refusal is counted."""
        try:
            with self._gate.enter():
                # Always the same few threads: PyTorch and the allocator keep memory for every thread they ever saw.
                return self._workers.submit(work).result()
        except AcousticSenseError as error:
            self.counters.failure(error.code)
            raise

    def _predict(self, source: Source, request: Request) -> Analysis:
        """The answer, from memory when the same file was analysed under the same settings by the same model."""
        started = time.perf_counter()
        classifier = self.classifier(request.model).for_spectrogram(request.spectrogram)
        digest = content_digest(source) if self._answers.is_on and not request.private else None
        asked = (digest, request.duration_s, request.offset_s)
        if digest and (known := self._answers.get((*asked, classifier.info))):
            return known.repeated(total_ms=1000 * (time.perf_counter() - started))
        analysis = classifier.analyse(source, duration_s=request.duration_s, offset_s=request.offset_s)
        if digest:
            self._answers.put((*asked, analysis.prediction.model), analysis, analysis.n_bytes)
        return analysis

    def look(self, source: Source, request: Request, kind: SpectrogramKind) -> PreparedClip:
        """The excerpt that a request names as a image of any kind, in turn; raises like `analyse`."""
        return self._in_turn(lambda: self._look(source, request, kind))

    def compare(self, source_a: Source, source_b: Source, request: Request) -> Comparison:
        """What moved between two versions, in turn; raises like `analyse`."""
        return self._answer(lambda: self._compare(source_a, source_b, request))

    def _compare(self, source_a: Source, source_b: Source, request: Request) -> Comparison:
        classifier = self.classifier(request.model).for_spectrogram(request.spectrogram)
        return compare(classifier, source_a, source_b, duration_s=request.duration_s, offset_s=request.offset_s)

    def _look(self, source: Source, request: Request, kind: SpectrogramKind) -> PreparedClip:
        classifier = self.classifier(request.model)
        return classifier.look(source, kind, duration_s=request.duration_s, offset_s=request.offset_s)

    def explain(self, source: Source, request: Request, label: str) -> Explanation:
        """Where the model looked for a label ("": its best one) in the excerpt that a request names, in turn.

        Raises:
            AcousticSenseError: whatever `explain.explain` raises, or OverloadError when too many wait.
        """
        return self._answer(lambda: self._explain(source, request, label))

    def _explain(self, source: Source, request: Request, label: str) -> Explanation:
        classifier = self.classifier(request.model).for_spectrogram(request.spectrogram)
        check_label(classifier, label)
        return explanation_of(classifier, self._predict(source, request), label)

    def keep_heatmap(self, explanation: Explanation) -> str:
        """Keeps the heat map over the clip's spectrogram for a later request and returns its id."""
        analysis = explanation.analysis
        offset_s = analysis.prediction.clip.offset_s
        return self.images.put(heatmap_drawing(analysis.images, explanation.heatmap, offset_s=offset_s))

    def keep_image(self, clip: Analysis | PreparedClip) -> str:
        """Keeps the clip's spectrogram for a later request and returns its id."""
        return self.images.put(spectrogram_drawing(clip.images, offset_s=clip.audio.info.offset_s))

    def start_timeline(self, source: Source, request: TimelineRequest) -> TimelineJob:
        """Begins a timeline on a worker of its own kind; between its batches, predictions go first.

        Raises:
            OverloadError: too many wait already.
        """
        job = TimelineJob()
        self._begin(job, lambda: self._make_timeline(source, request, job), self._timeline_gate, self._timeline_workers)
        return job

    def start_batch(self, uploads: Sequence[Upload], request: Request) -> BatchJob:
        """Begins to predict many files, decoded in processes of their own; before each pass, predictions go first.

        Raises:
            RequestError: these are too many files.
            OverloadError: too many batches wait already.
        """
        job = BatchJob(Batch(uploads, self._batch_limits))
        self._begin(job, lambda: self._predict_batch(request, job), self._batch_gate, self._batch_workers)
        return job

    def _begin(self, job: Job[Answer], work: Callable[[], Answer], gate: Gate, workers: ThreadPoolExecutor) -> None:
        with ExitStack() as place:
            try:
                place.enter_context(gate.queue())
            except OverloadError as error:
                self.counters.failure(error.code)
                raise
            job.run_in(workers, work, place.pop_all())

    def _predict_batch(self, request: Request, job: BatchJob) -> None:
        def give_way() -> None:
            job.stop_if_cancelled()
            self._gate.wait_until_empty(_PATIENCE_S)

        try:
            classifier = self.classifier(request.model).for_spectrogram(request.spectrogram)
            job.batch.predict(
                classifier,
                classifier.recipe(duration_s=request.duration_s, offset_s=request.offset_s),
                EngineOptions(
                    workers=self.settings.batch_workers,
                    batch=_BATCH_IMAGES.get(classifier.device.type, _BATCH_IMAGES["cpu"]),
                ),
                give_way,
            )
        except AcousticSenseError as error:
            self.counters.failure(error.code)
            raise
        finally:
            self.counters.batch(job.batch.done)

    def _make_timeline(self, source: Source, request: TimelineRequest, job: TimelineJob) -> Timeline:
        def between_batches(done_s: float, expected_s: float | None) -> None:
            job.done_s, job.expected_s = done_s, expected_s
            job.stop_if_cancelled()
            self._gate.wait_until_empty(_PATIENCE_S)

        try:
            timeline = make_timeline(
                self.classifier(request.model).for_spectrogram(request.spectrogram),
                source,
                window_s=request.window_s,
                hop_s=request.hop_s,
                duration_s=request.duration_s,
                offset_s=request.offset_s,
                max_windows=self.settings.max_timeline_windows,
                progress=between_batches,
            )
        except AcousticSenseError as error:
            self.counters.failure(error.code)
            raise
        self.counters.timeline()
        return timeline
