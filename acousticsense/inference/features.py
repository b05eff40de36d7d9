"""What a network makes of a song before its last layer: one vector, by which songs are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.audio.source import Source
from acousticsense.errors import RequestError
from acousticsense.inference.backends import to_device
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import Recipe
from acousticsense.inference.posterior import Posterior

#: Seconds from the middle of a song that stand for it: beginnings and ends are often not what a song is like.
_SECONDS: Final = 30.0
#: Images in one forward pass.
_BATCH: Final = 16


@dataclass(frozen=True)
class SongFeatures:
    """One song.

    Attributes:
        vector: float32 (width,), of length 1: the mean over the song's windows.
        posterior: what the last layer makes of it.
    """

    vector: NDArray[np.float32]
    posterior: Posterior


def song_recipe(classifier: GenreClassifier) -> Recipe:
    """Which part of a song stands for it: 30 seconds from its middle, or all of a shorter one."""
    return classifier.recipe(duration_s=_SECONDS, anchor="center")


def song_features(classifier: GenreClassifier, source: Source) -> SongFeatures:
    """The features of a song.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: the model's network does not give its features.
    """
    return features_of(classifier, classifier.prepare(source, song_recipe(classifier)).images.inputs)


@torch.inference_mode()
def features_of(classifier: GenreClassifier, images: Tensor) -> SongFeatures:
    """The features of one song's images, see `SpectrogramImages.inputs`.

    Raises:
        RequestError: the model's network does not give its features.
    """
    network = cast(Any, classifier.network)
    if not hasattr(network, "forward_head"):
        raise RequestError(
            f"{classifier.spec.name} cannot compare songs: its network does not give its features.",
            hint="Take the default model.",
        )
    to_input = classifier.spec.front_end.to_input
    maps = [
        network.forward_features(to_input(to_device(part, classifier.device))) for part in torch.split(images, _BATCH)
    ]
    pooled = torch.cat([network.forward_head(part, pre_logits=True) for part in maps]).float().cpu()
    logits = torch.cat([network.forward_head(part) for part in maps]).float().cpu()
    mean = pooled.mean(0)
    vector: NDArray[np.float32] = (mean / mean.norm().clamp_min(1e-12)).numpy()
    return SongFeatures(vector, classifier.posterior(logits))
