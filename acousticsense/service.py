"""What every request of a server shares: the loaded models, the queue in front of them and the pictures they leave."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeVar, get_args

from acousticsense.audio import Source
from acousticsense.catalog import DEFAULT_MODEL, Catalog, CatalogEntry
from acousticsense.classifier import MODEL_DEFAULT, Analysis, Duration, GenreClassifier, pick_device
from acousticsense.config import NATIVE_WINDOWS, SpectrogramKind
from acousticsense.ensemble import Ensemble, Progress, Spectrograms
from acousticsense.errors import AcousticSenseError, OverloadError, RequestError
from acousticsense.figures import spectrogram_drawing
from acousticsense.residents import Residents
from acousticsense.results import EnsembleResult
from acousticsense.settings import Settings
from acousticsense.spectrogram import Pictures

__all__ = ["Counters", "EnsembleRequest", "Gate", "PictureStore", "PredictionService", "Request"]

_log: Final = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: Models in one request to the ensemble, at most.
_MOST_MODELS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked of one clip, checked.

    Raises:
        RequestError: a value out of its range.
    """

    model: str = ""
    spectrogram: SpectrogramKind | None = None
    duration_s: Duration = MODEL_DEFAULT
    offset_s: float = 0.0
    top_k: int = 5

    def __post_init__(self) -> None:
        if self.spectrogram not in (None, *get_args(SpectrogramKind)):
            choices = ", ".join(get_args(SpectrogramKind))
            raise RequestError(f"spectrogram is {self.spectrogram!r}.", hint=f"Choose one of {choices}.")
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


class Gate:
    """Lets `concurrency` requests work and `queue_size` wait; one more is turned away at once."""

    def __init__(self, *, concurrency: int, queue_size: int) -> None:
        self._limit = concurrency + queue_size
        self._inside = 0
        self._lock = threading.Lock()
        self._workers = threading.Semaphore(concurrency)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """A place at work, after a wait in the queue.

        Raises:
            OverloadError: the queue is full.
        """
        with self._lock:
            self.refuse_if_full()
            self._inside += 1
        try:
            with self._workers:
                yield
        finally:
            with self._lock:
                self._inside -= 1

    def refuse_if_full(self) -> None:
        """Raises OverloadError when the next request would be turned away."""
        if self.full:
            raise OverloadError("The server is busy and its queue is full.", hint="Try again in a few seconds.")

    @property
    def full(self) -> bool:
        """Whether the next request would be turned away."""
        return self._inside >= self._limit


class PictureStore:
    """Pictures by unguessable id: at most `max_pictures`, each for `ttl_s` seconds, drawn when first asked for."""

    def __init__(self, *, max_pictures: int, ttl_s: float) -> None:
        self._max_pictures = max_pictures
        self._ttl_s = ttl_s
        self._drawings: OrderedDict[str, tuple[float, Callable[[], bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, draw: Callable[[], bytes]) -> str:
        """Keeps what draws a picture and returns its id (128 random bits)."""
        picture_id = secrets.token_urlsafe(16)
        with self._lock:
            self._drawings[picture_id] = (time.monotonic() + self._ttl_s, cache(draw))
            while len(self._drawings) > self._max_pictures:
                self._drawings.popitem(last=False)
        return picture_id

    def get(self, picture_id: str) -> bytes | None:
        """The picture, or None when there is none or it has expired."""
        with self._lock:
            now = time.monotonic()
            while self._drawings and next(iter(self._drawings.values()))[0] < now:
                self._drawings.popitem(last=False)
            entry = self._drawings.get(picture_id)
        return entry[1]() if entry else None


@dataclass
class Counters:
    """What `/metrics` reports."""

    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def success(self, seconds: float) -> None:
        """One answer, after so many seconds."""
        with self.lock:
            self.answered += 1
            self.seconds += seconds

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
        self.pictures = PictureStore(max_pictures=settings.max_pictures, ttl_s=settings.picture_ttl_s)
        self._gate = Gate(concurrency=settings.concurrency, queue_size=settings.queue_size)
        self._workers = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="predict")
        self._default = settings.model or DEFAULT_MODEL
        self._models = Residents(
            lambda name: GenreClassifier.load(name, settings=settings),
            lambda classifier: classifier.size_bytes,
            max_count=settings.max_loaded_models,
            max_bytes=settings.max_models_mb * 2**20,
            pinned=(self._default,),
        )
        self._ensemble: Ensemble | None = None
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

    def _warmed(self) -> Pictures:
        return self.classifier("").warm_up()

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

    def refuse_if_full(self) -> None:
        """Raises OverloadError before a body is read that could not be judged anyway."""
        try:
            self._gate.refuse_if_full()
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
        return self._answer(lambda: self._judge(source, request))

    def judge_together(
        self, source: Source, request: EnsembleRequest, report: Callable[[Progress], None] | None = None
    ) -> EnsembleResult:
        """Answers one request to several models, in turn.

        Raises:
            AcousticSenseError: whatever the ensemble raises, or OverloadError when too many wait.
        """
        return self._answer(
            lambda: self.ensemble().judge(
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
        try:
            with self._gate.enter():
                # Always the same few threads: PyTorch and the allocator keep memory for every thread they ever saw.
                answer = self._workers.submit(work).result()
        except AcousticSenseError as error:
            self.counters.failure(error.code)
            raise
        self.counters.success(time.perf_counter() - started)
        return answer

    def _judge(self, source: Source, request: Request) -> Analysis:
        classifier = self.classifier(request.model).seeing(request.spectrogram)
        return classifier.analyse(source, duration_s=request.duration_s, offset_s=request.offset_s)

    def keep_picture(self, analysis: Analysis) -> str:
        """Keeps the clip's spectrogram for a later request and returns its id."""
        return self.pictures.put(spectrogram_drawing(analysis.pictures, offset_s=analysis.prediction.clip.offset_s))
