"""Older place of names that `acousticsense.spectrogram` has."""

from __future__ import annotations

from torch import Tensor

from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.image import to_image
from acousticsense.spectrogram.spectrogram import frame_s, frequencies_hz, log_spectrogram
from acousticsense.spectrogram.windows import SpectrogramImages, clip_images

__all__ = [
    "SpectrogramImages",
    "clip_images",
    "frame_s",
    "frequencies_hz",
    "log_spectrogram",
    "normalise",
    "to_image",
]


def normalise(images: Tensor, front_end: FrontEnd) -> Tensor:
    """`FrontEnd.to_input`."""
    return front_end.to_input(images)
