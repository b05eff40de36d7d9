"""The CPU stage: a path -> what the network will see, or why it cannot. Runs in any process and never raises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.inference.decoding import Recipe
from acousticsense.inference.preprocess import prepare
from acousticsense.library import storage
from acousticsense.library.rows import RowError


@dataclass(frozen=True, kw_only=True)
class DecodedFile:
    """A file that is ready for the network.

    Attributes:
        path: the file, or the object's URL.
        images: what the network sees, see `SpectrogramImages.inputs`.
        images_sha256: their hash, in hex.
    """

    path: str
    images: NDArray[np.uint8 | np.float32]
    images_sha256: str
    health: HealthReport
    clip: ClipInfo


@dataclass(frozen=True, kw_only=True)
class FailedFile:
    """A file that will have no answer, and why."""

    path: str
    error: RowError


Outcome = DecodedFile | FailedFile


def decode_file(path: str, recipe: Recipe) -> Outcome:
    """Decodes a file, checks its health and draws its images; whatever goes wrong becomes a `FailedFile`."""
    try:
        with storage.opened(path) as source:
            clip = prepare(source, recipe)
    except Exception as error:  # noqa: BLE001 - one file must not end the work on thousands
        return FailedFile(path=path, error=RowError.of(error))
    images = np.ascontiguousarray(clip.images.inputs.cpu().numpy())
    return DecodedFile(
        path=path,
        images=images,
        images_sha256=hashlib.sha256(images.data).hexdigest(),
        health=clip.health,
        clip=clip.audio.info,
    )
