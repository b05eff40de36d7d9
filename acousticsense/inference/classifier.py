"""One model on one device: audio -> images -> probabilities -> `Prediction`."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

from acousticsense.audio import AudioClip, AudioLimits, Source
from acousticsense.errors import CorruptCheckpointError, SettingsError, quoted
from acousticsense.inference.backends import Backend, Precision, SharedForward, TorchBackend, best_precision, to_device
from acousticsense.inference.backends.selection import check_installed, network_store, stored_backend
from acousticsense.inference.confidence import advise, verdict_of
from acousticsense.inference.prediction import Advice, ModelInfo, Prediction, Timing, Verdict, WindowVote
from acousticsense.inference.preprocess import PreparedClip, Recipe, prepare
from acousticsense.models.catalog import Catalog, load_resolved, resolve
from acousticsense.models.spec import ModelSpec, tested_labels
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.spectrogram.images import SpectrogramImages, clip_images, normalise

__all__ = ["MODEL_DEFAULT", "Analysis", "Duration", "GenreClassifier", "Posterior", "limits_of", "pick_device"]

#: Stands for "as many seconds as the model's window policy says".
MODEL_DEFAULT: Final = "model"
Duration = float | Literal["model"] | None

#: Most images in one forward pass, by kind of device: bounds the memory that long clips take on a CPU, and is where
#: a GPU's gain from larger batches ends.
_MAX_BATCH: Final = {"cpu": 16, "cuda": 128}


@dataclass(frozen=True)
class Posterior:
    """What a network makes of one clip.

    Attributes:
        probabilities: label -> calibrated probability, the mean over windows, in label order; they sum to 1.
        not_music: probability that this is not music at all; None when the model cannot tell.
        verdict: how far to trust the best label.
        window_probabilities: float32 (n_windows, n_labels).
        vote: the label by majority vote, where the model's window policy asks for one.
    """

    probabilities: Mapping[str, float]
    not_music: float | None
    verdict: Verdict
    window_probabilities: Tensor
    vote: WindowVote | None


@dataclass(frozen=True)
class Analysis:
    """A prediction with everything that led to it.

    Attributes:
        prediction: the answer.
        audio: the excerpt that was decoded.
        images: what the network saw.
        window_probabilities: float32 (n_windows, n_labels).
    """

    prediction: Prediction
    audio: AudioClip
    images: SpectrogramImages
    window_probabilities: Tensor

    @property
    def n_bytes(self) -> int:
        """Memory that its arrays take, about."""
        arrays = (self.audio.waveform, self.audio.channels, self.images.images, self.images.spectrogram)
        return sum(array.nbytes for array in arrays)

    def repeated(self, *, total_ms: float) -> Analysis:
        """The same answer, given again in `total_ms` without decoding or computing anything."""
        timing = Timing(decode=0.0, spectrogram=0.0, network=0.0, total=round(total_ms, 2))
        return replace(self, prediction=replace(self.prediction, timing_ms=timing))


@dataclass(frozen=True)
class _Engine:
    """What computes, and how threads share it: one object, so that the two are swapped at once."""

    backend: Backend
    logits: Callable[[Tensor], Tensor]


class GenreClassifier:
    """A network, its recipe and a device. Safe to share between threads: their images share forward passes.

    Args:
        network: maps float32 (n, 3, S, S) to logits (n, spec.n_outputs).
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
    ) -> None:
        self.spec = spec
        self.device = device
        self._limits = limits or AudioLimits()
        reference = TorchBackend(network, device, precision=precision or best_precision(device))
        self._network = reference.network
        self.use(reference)

    @classmethod
    def load(
        cls, reference: str | Path | None = None, *, device: str = "auto", settings: Settings | None = None
    ) -> GenreClassifier:
        """Loads a model.

        Args:
            reference: a name in the models folder, a folder, a .pt/.pth/.safetensors file or a hub id
                ("hf:owner/repo/folder", "ms:..."); None is the default model.
            device: "auto" is the device of the settings, and by default the GPU when there is one.
            settings: folders and limits; by default from the environment.

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
            return backend.logits(normalise(to_device(images, self.device), self.spec.front_end))

        self._engine = _Engine(backend, SharedForward(forward, max_batch=_MAX_BATCH.get(self.device.type, 16)))

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
        self.logits(images.images)
        return images

    def logits(self, images: Tensor) -> Tensor:
        """Raw outputs, float32 (n, n_outputs) on the CPU, for uint8 images (n, 3, S, S)."""
        return self._engine.logits(images)

    def probabilities(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Calibrated genre probabilities (n, n_labels) and P(not music) (n,), None when the model has no such output.

        The genres are a softmax over the labels alone, divided by the temperature (Guo et al. 2017, "On Calibration
        of Modern Neural Networks"); not-music is a softmax over all outputs.

        Raises:
            CorruptCheckpointError: the network answered with numbers that are not finite.
        """
        if not bool(torch.isfinite(logits).all()):
            raise CorruptCheckpointError(
                f"{self.spec.name} answers with numbers that are not finite.", hint="Its weights are damaged."
            )
        genres = torch.softmax(logits[:, : len(self.spec.labels)] / self.spec.calibration.temperature, dim=1)
        return genres, torch.softmax(logits, dim=1)[:, -1] if self.spec.has_not_music else None

    def posterior(self, logits: Tensor) -> Posterior:
        """The answer for one clip from the raw outputs (n_windows, n_outputs) of its images."""
        per_window, not_music_per_window = self.probabilities(logits)
        mean = per_window.double().mean(dim=0)
        values = dict(zip(self.spec.labels, (mean / mean.sum()).tolist(), strict=True))
        not_music = None if not_music_per_window is None else float(not_music_per_window.mean())
        verdict = verdict_of(values, not_music, self.spec.calibration)
        return Posterior(values, not_music, verdict, per_window, self._vote(per_window))

    def recipe(
        self,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
        anchor: Literal["start", "center"] = "start",
    ) -> Recipe:
        """How a file becomes images for this model; see `analyse` for the arguments."""
        return Recipe(
            front_end=self.spec.front_end,
            windows=self.spec.windows,
            limits=self._limits,
            duration_s=self.spec.windows.default_duration_s if duration_s == MODEL_DEFAULT else duration_s,
            offset_s=offset_s,
            anchor=anchor,
        )

    def look(
        self,
        source: Source,
        kind: SpectrogramKind,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
    ) -> PreparedClip:
        """A excerpt as a image of any kind, for people to look at; see `analyse` for the arguments.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            RequestError: there is no such image for this model.
        """
        recipe = self.recipe(duration_s=duration_s, offset_s=offset_s)
        return prepare(source, replace(recipe, front_end=self.spec.display_front_end(kind)), device=self.device)

    def predict(
        self,
        source: Source,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
        anchor: Literal["start", "center"] = "start",
        kind: SpectrogramKind | None = None,
    ) -> Prediction:
        """Predicts a excerpt of a track; see `analyse` for the arguments and errors."""
        return self.analyse(source, duration_s=duration_s, offset_s=offset_s, anchor=anchor, kind=kind).prediction

    def analyse(
        self,
        source: Source,
        *,
        duration_s: Duration = MODEL_DEFAULT,
        offset_s: float = 0.0,
        anchor: Literal["start", "center"] = "start",
        kind: SpectrogramKind | None = None,
    ) -> Analysis:
        """Predicts a excerpt of a track and keeps what led to the answer.

        Args:
            source: path, bytes or binary file object of any audio format.
            duration_s: seconds to predict; "model" is the model's own choice (10 s for ours), None the whole track.
            offset_s: where the excerpt begins.
            anchor: "center" takes the excerpt from the middle of the track.
            kind: which image, for models that know several.

        Raises:
            AudioError: not audio, over a limit, or nothing in it.
            RequestError: the model does not know this kind of image.
        """
        if kind is not None and kind != self.spec.front_end.kind:
            return self.for_spectrogram(kind).analyse(source, duration_s=duration_s, offset_s=offset_s, anchor=anchor)
        recipe = self.recipe(duration_s=duration_s, offset_s=offset_s, anchor=anchor)
        return self.answer(prepare(source, recipe, device=self.device))

    def answer(self, clip: PreparedClip) -> Analysis:
        """Predicts a clip that was prepared by this model's recipe."""
        started = time.perf_counter()
        engine = self._engine
        posterior = self.posterior(engine.logits(clip.images.images))
        network_ms = 1000 * (time.perf_counter() - started)
        prediction = Prediction(
            probabilities=posterior.probabilities,
            not_music=posterior.not_music,
            verdict=posterior.verdict,
            advice=(
                *advise(
                    posterior.verdict,
                    posterior.probabilities,
                    clip.health,
                    self.spec.calibration,
                    clip=clip.audio.info,
                    other_kinds=self.spec.kinds[1:],
                    tested=tested_labels(self.spec.metrics),
                ),
                *_told(posterior.vote),
            ),
            health=clip.health,
            clip=clip.audio.info,
            model=self._info(engine),
            timing_ms=Timing(
                decode=round(clip.decode_ms, 2),
                spectrogram=round(clip.spectrogram_ms, 2),
                network=round(network_ms, 2),
                total=round(clip.decode_ms + clip.spectrogram_ms + network_ms, 2),
            ),
            vote=posterior.vote,
        )
        return Analysis(prediction, clip.audio, clip.images, posterior.window_probabilities)

    def _vote(self, per_window: Tensor) -> WindowVote | None:
        """The label that most windows put first, where the window policy asks for it."""
        if self.spec.windows.vote != "majority":
            return None
        best, count = Counter(per_window.argmax(dim=1).tolist()).most_common(1)[0]
        return WindowVote(self.spec.labels[best], count, len(per_window))


def _told(vote: WindowVote | None) -> tuple[Advice, ...]:
    """A vote in words; a single window has nothing to vote about."""
    if vote is None or vote.of == 1:
        return ()
    return (Advice("vote", {"best": vote.label, "windows": vote.windows, "of": vote.of}),)


def limits_of(settings: Settings) -> AudioLimits:
    """The decoding limits that the settings ask for."""
    return AudioLimits(
        max_file_bytes=settings.max_upload_mb * 2**20,
        max_clip_s=settings.max_clip_s,
        max_stream_s=settings.max_timeline_s,
        max_pcm_bytes=settings.max_pcm_mb * 2**20,
    )


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name.

    Raises:
        SettingsError: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"device {quoted(name)} cannot be used here.", hint='Choose "auto" or "cpu".') from error
    return device
