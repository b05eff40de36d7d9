"""The models that a server holds in memory: loaded once, warmed up, the least recently used one released first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from acousticsense.analysis.ensemble import Ensemble
from acousticsense.errors import AcousticSenseError
from acousticsense.inference.accelerator import Accelerator
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import Decoder
from acousticsense.inference.device import pick_device
from acousticsense.inference.model_cache import ModelCache
from acousticsense.models.catalog import DEFAULT_MODEL, Catalog
from acousticsense.settings import Settings
from acousticsense.spectrogram.windows import clip_images

_log: Final = logging.getLogger(__name__)


class LoadedModels:
    """The installed models, by name, loaded when they are first asked for.

    Attributes:
        problem: why the default model does not answer yet; empty when it does.
    """

    def __init__(self, settings: Settings, decoder: Decoder) -> None:
        self._decoder = decoder
        self.catalog = Catalog(settings.models)
        self.problem = "The model is still loading."
        self._settings = settings
        self._default = settings.model or DEFAULT_MODEL
        self._cache = ModelCache(
            self._load,
            lambda classifier: classifier.size_bytes,
            max_count=settings.max_loaded_models,
            max_bytes=settings.max_models_mb * 2**20,
            pinned=(self._default,),
        )
        self._ensemble: Ensemble | None = None
        self._accelerator: Accelerator | None = None
        self._lock = threading.Lock()

    def warm_up(self, answer_once: Callable[[], object]) -> None:
        """Makes the default model ready, so that the first request is as quick as others.

        Args:
            answer_once: does all that an answer takes.
        """
        try:
            answer_once()
            self.problem = ""
            _log.info("default model is loaded and warm")
        except AcousticSenseError as error:
            self.problem = str(error)
            _log.error("the default model could not be loaded: %s", error)
        except Exception as error:
            self.problem = f"The default model could not be loaded: {error!r}"
            raise

    def warm_up_views(self) -> None:
        """Draws one cqt, once requests are answered: the first takes seconds, because librosa compiles it then."""
        if not self.problem:
            spec = self.classifier("").spec
            silence = np.zeros(spec.front_end.sample_rate_hz, np.float32)
            clip_images(silence, spec.display_front_end("cqt"), spec.windows)

    def accelerate(self) -> None:
        """Speeds the default model up in the background, and from now on each other that is loaded."""
        self._accelerator = Accelerator(self._settings)
        if default := self._cache.peek(self._default):
            self._accelerator.submit(self._default, default)

    def classifier(self, name: str) -> GenreClassifier:
        """The classifier of an installed model; "" is the default.

        Raises:
            UnknownModelError: no such model is installed. Requests can't name files or hubs.
            CheckpointError: its weights cannot be used.
        """
        name = name or self._default
        if name != self._default and self._cache.peek(name) is None:
            self.catalog.spec(name)  # raises for whatever is no name in the catalogue
        return self._cache.get(name)

    def ensemble(self) -> Ensemble:
        """The ensemble of these models.

        Raises:
            SettingsError: there is no such device.
        """
        with self._lock:
            if self._ensemble is None:
                device = pick_device(self._settings.device)
                self._ensemble = Ensemble(
                    self.catalog, self._cache, device=device, settings=self._settings, decoder=self._decoder
                )
            return self._ensemble

    def _load(self, name: str) -> GenreClassifier:
        classifier = GenreClassifier.load(name, settings=self._settings, decoder=self._decoder)
        if self._accelerator:
            self._accelerator.submit(name, classifier)
        return classifier
