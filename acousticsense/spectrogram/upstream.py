"""The images of ccmusic-database/music_genre: decibels, drawn in magma as a matplotlib figure, through a JPEG.

No figure is made here: the pixels that matplotlib would have drawn are looked up.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

#: Powers below are taken for this one before decibels are made of them: the default of `librosa.power_to_db`.
_SMALLEST_POWER: Final = 1e-10

#: Pixels that matplotlib leaves of its default figure when saved with a tight box and without axes: 77.5 % of 640, and
#: of the 77 % of 480 (369.6) those that are whole. The mesh is spread over all 369.6.
_FIGURE_WIDTH: Final = 496
_FIGURE_HEIGHT: Final = 369
_MESH_HEIGHT_TENTHS: Final = 3696


def decibels(power: Tensor, top_db: float | None) -> Tensor:
    """dB below the maximum over each (bins, frames), as `librosa.power_to_db(power, ref=np.max)` has them."""
    level = 10.0 * torch.log10(power.clamp(min=_SMALLEST_POWER))
    below_maximum = level - level.amax((-2, -1), keepdim=True)
    return below_maximum if top_db is None else below_maximum.clamp(min=-top_db)


def figure_image(values: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """RGB (size, size, 3) of one window, as `specshow` and `savefig` would have drawn it and PIL have read it.

    Args:
        values: decibels (bins, frames), row 0 the lowest frequency.
        size: side of the image in pixels.
    """
    n_bins, n_frames = values.shape
    # A pixel shows the cell its centre lies in; in whole numbers, for centres on the line between two cells.
    rows = (2 * np.arange(_FIGURE_HEIGHT)[::-1] + 1) * n_bins * 5 // _MESH_HEIGHT_TENTHS
    columns = (2 * np.arange(_FIGURE_WIDTH) + 1) * n_frames // (2 * _FIGURE_WIDTH)
    drawn = Image.fromarray(_magma()[_levels(values)[rows[:, None], columns]])
    with io.BytesIO() as file:
        drawn.save(file, format="JPEG")
        with Image.open(file) as reopened:
            return np.asarray(reopened.resize((size, size), Image.Resampling.BILINEAR))


def _levels(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Index into a colormap of 256: from the minimum to the maximum, in equal steps."""
    above = values - values.min()
    span = above.max()
    return np.minimum(above / span * 256, 255).astype(np.intp) if span > 0 else np.zeros(values.shape, np.intp)


@lru_cache(maxsize=1)
def _magma() -> NDArray[np.uint8]:
    """RGB (256, 3) of the colormap that `specshow` chooses for values of one sign."""
    import matplotlib  # slow to import, and for upstream's images alone

    return np.round(matplotlib.colormaps["magma"](np.arange(256))[:, :3] * 255).astype(np.uint8)
