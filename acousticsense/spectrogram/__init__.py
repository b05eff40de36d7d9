"""From a waveform to what a network sees.

    waveform (n_samples,)
      -> log_spectrogram    float32 (bins, frames), row 0 the lowest frequency
      -> to_image           uint8 (3, S, S), low frequencies at the bottom
      -> FrontEnd.to_input  float32, what the network is fed

`clip_images` does the first two for each window of a clip. The recipe, a `FrontEnd`, travels with the weights.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from acousticsense.spectrogram.front_end import (
    EFFICIENTAT_MEL,
    MUSICNN_MEL,
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    Style,
    WindowPolicy,
    upstream_front_end,
)

if TYPE_CHECKING:
    from acousticsense.spectrogram.image import to_image
    from acousticsense.spectrogram.spectrogram import frame_s, frequencies_hz, log_spectrogram
    from acousticsense.spectrogram.windows import SpectrogramImages, clip_images

__all__ = [
    "EFFICIENTAT_MEL",
    "MUSICNN_MEL",
    "NATIVE_CQT",
    "NATIVE_MEL",
    "NATIVE_WINDOWS",
    "UPSTREAM_WINDOWS",
    "FrontEnd",
    "SpectrogramImages",
    "SpectrogramKind",
    "Style",
    "WindowPolicy",
    "clip_images",
    "frame_s",
    "frequencies_hz",
    "log_spectrogram",
    "to_image",
    "upstream_front_end",
]

#: What computes needs PyTorch and librosa, which who only reads a recipe does not pay for: name -> module.
_COMPUTING: Final = {
    "SpectrogramImages": "windows",
    "clip_images": "windows",
    "frame_s": "spectrogram",
    "frequencies_hz": "spectrogram",
    "log_spectrogram": "spectrogram",
    "to_image": "image",
}


def __getattr__(name: str) -> Any:
    if name not in _COMPUTING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_COMPUTING[name]}"), name)
