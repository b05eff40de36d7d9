"""What the base network makes of every track: computed once, kept in files, taken up where a run was stopped."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AudioError, CheckpointError
from acousticsense.files import atomic_write
from acousticsense.finetune.augment import vary
from acousticsense.finetune.progress import Report, silent
from acousticsense.finetune.tracks import Track
from acousticsense.i18n.messages import text
from acousticsense.inference.decoding import Recipe
from acousticsense.inference.preprocess import prepare
from acousticsense.models.networks import classifier_name
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import FrontEnd, WindowPolicy
from acousticsense.spectrogram.windows import clip_images

logger = logging.getLogger(__name__)

#: Windows of a track that are learned from; each but the first is also varied once.
WINDOWS: Final = 3

#: Images in one forward pass.
_BATCH: Final = 16

#: Part of the cache key: to be raised when windows or variations are drawn otherwise.
_VERSION: Final = 1


def last_linear(network: nn.Module, architecture: str) -> nn.Linear:
    """The layer that gives the logits.

    Raises:
        CheckpointError: it is no plain linear layer.
    """
    layer = network.get_submodule(classifier_name(architecture))
    if isinstance(layer, nn.Sequential):
        layer = layer[-1]
    if not isinstance(layer, nn.Linear):
        raise CheckpointError(f"{architecture} does not end in a linear layer, so it cannot be fine-tuned here.")
    return layer


class Trunk:
    """A network up to what reaches its last linear layer."""

    def __init__(self, network: nn.Module, spec: ModelSpec, front_end: FrontEnd, device: torch.device) -> None:
        self._network = network.eval().to(device)
        self._layer = last_linear(network, spec.architecture)
        self._front_end = front_end
        self._device = device

    @torch.inference_mode()
    def features(self, images: Tensor) -> NDArray[np.float32]:
        """Float32 (n, width) of `SpectrogramImages.inputs` (n, channels, rows, columns)."""
        seen: list[Tensor] = []
        hook = self._layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float().cpu()))
        try:
            for start in range(0, len(images), _BATCH):
                self._network(self._front_end.to_input(images[start : start + _BATCH].to(self._device)))
        finally:
            hook.remove()
        return torch.cat(seen).numpy()

    def logits(self, images: Tensor) -> NDArray[np.float32]:
        """Float32 (n, n_outputs) of `SpectrogramImages.inputs` (n, channels, rows, columns)."""
        features = torch.from_numpy(self.features(images)).to(self._device)
        with torch.inference_mode():
            logits: Tensor = self._layer(features)
        return logits.cpu().numpy()


@dataclass(frozen=True)
class TrackFeatures:
    """Feature vectors of one track.

    Attributes:
        analysed: float32 (n, width) of the windows that a user's request is analysed by.
        learned: float32 (m, width) of the windows and variations that are learned from; the analysed ones come first.
    """

    analysed: NDArray[np.float32]
    learned: NDArray[np.float32]


class FeatureStore:
    """Features (and, where wanted, images) of tracks, one file each, for one network, recipe and seed.

    Args:
        folder: where the files are kept; other networks and recipes have folders beside.
        windows: how clips are cut and how much is analysed.
        seed: of the variations.
    """

    def __init__(
        self,
        folder: Path,
        trunk: Trunk,
        spec: ModelSpec,
        *,
        front_end: FrontEnd,
        windows: WindowPolicy,
        limits: AudioLimits,
        seed: int,
    ) -> None:
        key = repr((_VERSION, WINDOWS, spec.weights_sha256, asdict(front_end), asdict(windows), seed))
        self.folder = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
        self._trunk = trunk
        self._front_end, self._windows, self._limits, self._seed = front_end, windows, limits, seed

    def fill(self, tracks: Sequence[Track], *, images: bool, report: Report = silent) -> dict[str, str]:
        """Computes what is not there yet; can be stopped at any moment and called again.

        Args:
            images: keep the images too.

        Returns:
            Files that cannot be used, with the reason.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = [track for track in tracks if not self._is_there(track, images=images)]
        failed: dict[str, str] = {}
        started = told = time.monotonic()
        for number, track in enumerate(missing, 1):
            report("features", number - 1, len(missing))
            try:
                self._compute(track, images=images)
            except AudioError as error:
                logger.warning("%s is left out: %s", track.path, error.message)
                failed[str(track.path)] = error.message
            now = time.monotonic()
            if now - told > 10 or number == len(missing):
                told = now
                left_s = (now - started) / number * (len(missing) - number)
                logger.info("features of %d of %d tracks computed, %s left", number, len(missing), _in_words(left_s))
        return failed

    def load(self, track: Track) -> TrackFeatures:
        """What was computed."""
        with np.load(self._path(track)) as stored:
            return TrackFeatures(stored["analysed"], stored["learned"])

    def images(self, track: Track) -> NDArray[np.uint8 | np.float32]:
        """Inputs (m, channels, rows, columns) behind `learned`, mapped from their file, after `fill(images=True)`."""
        stored: NDArray[np.uint8] = np.load(self._images_path(track), mmap_mode="r")
        n_channels = self._front_end.input_shape(self._windows)[0]
        return np.broadcast_to(stored, (len(stored), n_channels, *stored.shape[2:]))

    def drop_images(self, tracks: Sequence[Track]) -> None:
        """Removes the images of these tracks, which take much more room than features."""
        for track in tracks:
            self._images_path(track).unlink(missing_ok=True)

    def _path(self, track: Track) -> Path:
        return self.folder / f"{track.sha256}.npz"

    def _images_path(self, track: Track) -> Path:
        return self.folder / f"{track.sha256}.npy"

    def _is_there(self, track: Track, *, images: bool) -> bool:
        return self._path(track).exists() and (not images or self._images_path(track).exists())

    def _compute(self, track: Track, *, images: bool) -> None:
        analysed, learned = self._draw(track)
        features = self._trunk.features(torch.cat([analysed, learned]))
        if images:
            grey = bool((analysed == analysed[:, :1]).all())
            drawn = torch.cat([analysed, learned])[:, : 1 if grey else 3]
            with atomic_write(self._images_path(track)) as file:
                np.save(file, drawn.numpy())
        with atomic_write(self._path(track)) as file:
            np.savez(file, analysed=features[: len(analysed)], learned=features)

    def _draw(self, track: Track) -> tuple[Tensor, Tensor]:
        """Images that are analysed, and the further ones that are only learned from."""
        clip = prepare(track.path, self._recipe(self._windows.default_duration_s, 0.0))
        if errors := [note for note in clip.health.notes if note.severity == "error"]:
            raise AudioError(text(f"health.{errors[0].code}", value=errors[0].value))
        duration_s = clip.audio.info.track_duration_s or 0.0
        source = np.random.default_rng((self._seed, int(track.sha256[:12], 16)))
        drawn = [self._varied(clip.audio.waveform, source)]
        for offset_s in np.linspace(0, max(0.0, duration_s - self._windows.window_s), WINDOWS)[1:]:
            if offset_s < 1:
                continue
            try:
                other = prepare(track.path, self._recipe(self._windows.window_s, float(offset_s)))
            except AudioError:  # the track is shorter than its header says
                break
            drawn += [other.images.inputs[:1], self._varied(other.audio.waveform, source)]
        return clip.images.inputs, torch.cat(drawn)

    def _varied(self, waveform: NDArray[np.float32], source: np.random.Generator) -> Tensor:
        varied = vary(waveform, self._front_end.sample_rate_hz, source)
        return clip_images(varied, self._front_end, self._windows).inputs[:1]

    def _recipe(self, duration_s: float | None, offset_s: float) -> Recipe:
        return Recipe(
            front_end=self._front_end,
            windows=self._windows,
            limits=self._limits,
            duration_s=duration_s,
            offset_s=offset_s,
        )


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
