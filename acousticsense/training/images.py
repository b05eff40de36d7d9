"""Images of sound: of how a recording begins, as the application draws it, and of windows for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, NATIVE_WINDOWS, FrontEnd, SpectrogramKind
from acousticsense.spectrogram.image import to_image
from acousticsense.spectrogram.spectrogram import log_spectrogram
from acousticsense.spectrogram.windows import clip_images
from acousticsense.training.clips import Clip
from acousticsense.training.decode import Sound

Floats = NDArray[np.float32]

#: RMS level that every window is brought to, dB below full scale.
LEVEL_DBFS: Final = -20.0

#: The two images that our networks are trained on.
MEL: Final[FrontEnd] = replace(NATIVE_MEL, level_dbfs=LEVEL_DBFS)
CQT: Final[FrontEnd] = replace(NATIVE_CQT, level_dbfs=LEVEL_DBFS)
_FRONT_ENDS: Final[dict[SpectrogramKind, FrontEnd]] = {"mel": MEL, "cqt": CQT}


def first_images(sound: Sound) -> NDArray[np.uint8]:
    """The mel and the cqt image (2, S, S) of the first window, as the application draws them, grey."""
    start = sound.at(MEL.sample_rate_hz)[: round(NATIVE_WINDOWS.window_s * MEL.sample_rate_hz)]
    return np.stack(
        [clip_images(start, made_by, NATIVE_WINDOWS).inputs[0, 0].numpy() for made_by in _FRONT_ENDS.values()]
    )


def first_inputs(clips: Sequence[Clip], kind: SpectrogramKind) -> Tensor:
    """What a network is fed of the first windows of clips: float32 (n, 3, S, S)."""
    images = np.stack([clip.images[list(_FRONT_ENDS).index(kind)] for clip in clips])
    return _FRONT_ENDS[kind].to_input(torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1))


def window_image(
    window: Floats, kind: SpectrogramKind, augmentation: Callable[[Floats], Floats] | None = None
) -> Tensor:
    """What a network is fed of a window: float32 (3, S, S).

    Args:
        window: ten seconds (220,500,) at 22,050 Hz.
        kind: mel or cqt.
        augmentation: what is done to the log spectrogram (bins, frames) before it is drawn.
    """
    front_end = _FRONT_ENDS[kind]
    values = log_spectrogram(torch.from_numpy(window), front_end)
    if augmentation:
        values = torch.from_numpy(augmentation(values.numpy()))
    return front_end.to_input(to_image(values[None], front_end))[0]
