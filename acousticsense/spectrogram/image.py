"""From a logarithmic spectrogram to an image."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.upstream import figure_image

#: Log values that differ by less are rounding noise of the resize: the image is flat.
_FLAT_SPAN: Final = 1e-4


def to_image(log_spec: Tensor, front_end: FrontEnd) -> Tensor:
    """The image of each spectrogram, low frequencies at the bottom, its own minimum to maximum spread over all levels.

    Grey: the values are resized (bilinear, antialiased), then spread over 0..255; a constant spectrogram becomes all 0.
    Figure style: upstream's colours.

    Args:
        log_spec: (..., bins, frames) as from `log_spectrogram`; in figure style, the frames of one window of it.
        front_end: the recipe.

    Returns:
        uint8 (..., 3, S, S) on the same device; three equal channels where it is grey.
    """
    size = front_end.image_size
    flat = log_spec.reshape(-1, *log_spec.shape[-2:])
    if front_end.style == "figure":
        drawn = np.stack([figure_image(values, size) for values in flat.detach().cpu().numpy()])
        images = torch.from_numpy(drawn).movedim(-1, 1).contiguous().to(log_spec.device)
    else:
        images = _grey(flat, size)[:, None].expand(-1, 3, -1, -1)
    return images.reshape(*log_spec.shape[:-2], 3, size, size)


def _grey(log_spec: Tensor, size: int) -> Tensor:
    """uint8 (n, size, size) of log values (n, bins, frames)."""
    upright = log_spec.flip(-2)[:, None]
    resized = functional.interpolate(upright, size=(size, size), mode="bilinear", antialias=True)[:, 0]
    above = resized - resized.amin((-2, -1), keepdim=True)
    span = above.amax((-2, -1), keepdim=True)
    scale = torch.where(span > _FLAT_SPAN, 255.0 / span, 0.0)
    return (above * scale).round().to(torch.uint8)
