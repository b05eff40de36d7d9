"""One model on one device: audio -> images -> probabilities -> `Prediction`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

from acousticsense.audio.limits import AudioLimits
from acousticsense.audio.source import Source
from acousticsense.inference.answer import Analysis, analysis_of
from acousticsense.inference.backends import Backend, Precision, SharedForward, TorchBackend, best_precision, to_device
from acousticsense.inference.backends.selection import check_installed, network_store, stored_backend
from acousticsense.inference.decoding import Decoder, Recipe, decode, limits_of
from acousticsense.inference.device import pick_device
from acousticsense.inference.posterior import Posterior, posterior_of, probabilities_of
from acousticsense.inference.prediction import ModelInfo, Prediction
from acousticsense.inference.preprocess import PreparedClip, prepare
from acousticsense.models.catalog import Catalog, resolve
from acousticsense.models.load import load_resolved
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.spectrogram.windows import SpectrogramImages, clip_images

#: Stands for "as many seconds as the model's window policy says".
MODEL_DEFAULT: Final = "model"
#: Stands for the whole track, as None does.
WHOLE_TRACK: Final = "all"
Duration = float | Literal["model", "all"] | None

#: Most images in one forward pass, by kind of device: bounds the memory that long clips take on a CPU, and is where
#: a GPU's gain from larger batches ends.
_MAX_BATCH: Final = {"cpu": 16, "cuda": 128}


@dataclass(frozen=True)
class _Engine:
    """What computes, and how threads share it: one object, so that the two are swapped at once."""

    backend: Backend
    logits: Callable[[Tensor], Tensor]


class GenreClassifier:
    """A network, its recipe and a device. Safe to share between threads: their images share forward passes.

    Args:
        network: maps float32 (n, *spec.front_end.input_shape(spec.windows)) to logits (n, spec.n_outputs).
        spec: the model's description.
        device: where images are made and analysed.
        limits: bounds on what is decoded.
        precision: in what PyTorch computes; None is the device's best.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        *,
        device: torch.device,
        limits: AudioLimits | None = None,
        precision: Precision | None = None,
        decoder: Decoder = decode,
    ) -> None:
        self.spec = spec
        self._decoder = decoder
        self.device = device
        self._limits = limits or AudioLimits()
        reference = TorchBackend(network, device, precision=precision or best_precision(device))
        self._network = reference.network
        self.use(reference)

    @classmethod
    def load(
        cls,
        reference: str | Path | None = None,
        *,
        device: str = "auto",
        settings: Settings | None = None,
        decoder: Decoder = decode,
    ) -> GenreClassifier:
        """Loads a model.

        Args:
            reference: a name in the models folder, a folder, a .pt/.pth/.safetensors file or a hub id
                ("hf:owner/repo/folder", "ms:..."); None is the default model.
            device: "auto" is the device of the settings, and by default the GPU when there is one.
            settings: folders and limits; by default from the environment.
            decoder: what decodes files.

        Raises:
            UnknownModelError: nothing of that name is installed.
            CheckpointError: the weights are unsafe, corrupt or do not fit.
            DownloadError: the hub did not deliver.
            SettingsError: no such device, or the backend is not installed.
        """
        settings = settings or Settings()
        check_installed(settings.backend)
        resolved = resolve(reference or settings.model or None, Catalog(settings.models), cache_dir=settings.cache_dir)
        network, spec = load_resolved(resolved)
        classifier = cls(
            network,
            spec,
            device=pick_device(settings.device if device == "auto" else device),
            limits=limits_of(settings),
            precision="fp32" if settings.backend == "pytorch" else None,
            decoder=decoder,
        )
        on_cpu = classifier.device.type == "cpu"
        if on_cpu and (faster := stored_backend(spec, network_store(settings), settings.backend)):
            classifier.use(faster)
        return classifier

    @property
    def network(self) -> nn.Module:
        """The PyTorch network, whatever computes: for gradients. Float32, on `device`; must not be changed."""
        return self._network

    def use(self, backend: Backend) -> None:
        """Lets `backend` compute from now on; answers that are under way are finished by the one they began with."""

        def forward(images: Tensor) -> Tensor:
            return backend.logits(self.spec.front_end.to_input(to_device(images, self.device)))

        self._engine = _Engine(backend, SharedForward(forward, max_batch=self._max_batch))

    @property
    def _max_batch(self) -> int:
        return _MAX_BATCH.get(self.device.type, _MAX_BATCH["cpu"])

    @property
    def info(self) -> ModelInfo:
        """Name, architecture, weights hash, image, and what computes now."""
        return self._info(self._engine)

    def _info(self, engine: _Engine) -> ModelInfo:
        return ModelInfo(
            name=self.spec.name,
            architecture=self.spec.architecture,
            weights_sha256=self.spec.weights_sha256,
            backend=engine.backend.name,
            spectrogram=self.spec.front_end.kind,
        )

    @property
    def size_bytes(self) -> int:
        """Memory that the weights take."""
        tensors = (*self._network.parameters(), *self._network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def for_spectrogram(self, kind: SpectrogramKind | None) -> GenreClassifier:
        """The same weights, looking at images of `kind` with the calibration that belongs to them (None: as it is).

        Both share the network and its forward passes.

        Raises:
            RequestError: the model does not know this kind of image.
        """
        view = copy.copy(self)
        view.spec = self.spec.for_spectrogram(kind)
        return view

    def warm_up(self) -> SpectrogramImages:
        """Predicts a second of silence, so that the first request pays for no lazy import and no first allocation."""
        silence = np.zeros(self.spec.front_end.sample_rate_hz, dtype=np.float32)
        images = clip_images(silence, self.spec.front_end, self.spec.windows, device=self.device)
        self.logits(images.inputs)
        return images

    def logits(self, images: Tensor) -> Tensor:
        """Raw outputs, float32 (n, n_outputs) on the CPU, for `SpectrogramImages.inputs`."""
        return self._engine.logits(images)

    def probabilities(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `posterior.probabilities_of`."""
        return probabilities_of(logits, self.spec)

    def posterior(self, logits: Tensor, *, duration_s: float | None = None) -> Posterior:
        """See `posterior.posterior_of`."""
        return posterior_of(logits, self.spec, duration_s=duration_s)

    def recipe(
        self,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
        anchor: Literal["start", "center"] = "start",
    ) -> Recipe:
        """How a file becomes images for this model; see `analyse` for the arguments.

        With the anchor "center", the excerpt is taken from the middle of the track.
        """
        if duration_s == MODEL_DEFAULT:
            duration_s = self.spec.windows.default_duration_s
        return Recipe(
            front_end=self.spec.front_end,
            windows=self.spec.windows,
            limits=self._limits,
            duration_s=None if duration_s == WHOLE_TRACK else duration_s,
            offset_s=offset_s,
            anchor=anchor,
        )

    def render(
        self,
        source: Source,
        kind: SpectrogramKind,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
    ) -> PreparedClip:
        """An excerpt as an image of any kind, for people to look at; see `analyse` for the arguments.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            RequestError: there is no such image for this model.
        """
        recipe = self.recipe(duration_s=duration_s, offset_s=offset_s)
        return self.prepare(source, replace(recipe, front_end=self.spec.display_front_end(kind)))

    def predict(
        self,
        source: Source,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
    ) -> Prediction:
        """Predicts an excerpt of a track; see `analyse` for the arguments and errors."""
        return self.analyse(source, duration_s=duration_s, offset_s=offset_s).prediction

    def analyse(
        self,
        source: Source,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
        progress: Callable[[float, float], None] | None = None,
    ) -> Analysis:
        """Predicts an excerpt of a track and keeps what led to the answer.

        Args:
            source: path, bytes or binary file object of any audio format.
            duration_s: seconds to predict; "model" is the model's own choice (10 s for ours), None the whole track.
            offset_s: where the excerpt begins.
            progress: see `answer`.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
        """
        recipe = self.recipe(duration_s=duration_s, offset_s=offset_s)
        return self.answer(self.prepare(source, recipe), progress)

    def prepare(self, source: Source, recipe: Recipe) -> PreparedClip:
        """An excerpt as this model sees it; see `preprocess.prepare`."""
        return prepare(source, recipe, device=self.device, decoder=self._decoder)

    def answer(self, clip: PreparedClip, progress: Callable[[float, float], None] | None = None) -> Analysis:
        """Predicts a clip that was prepared by this model's recipe.

        `progress` is told before each pass how many seconds are analysed, of how many; what it raises ends the work.
        """
        started = time.perf_counter()
        engine, images, duration_s = self._engine, clip.images.inputs, clip.audio.info.duration_s
        passes: list[Tensor] = []
        for first in range(0, len(images), self._max_batch):
            if progress is not None:
                progress(duration_s * first / len(images), duration_s)
            passes.append(engine.logits(images[first : first + self._max_batch]))
        posterior = self.posterior(torch.cat(passes), duration_s=duration_s)
        network_ms = 1000 * (time.perf_counter() - started)
        return analysis_of(clip, posterior, self.spec, self._info(engine), network_ms=network_ms)
