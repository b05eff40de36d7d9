"""Pictures for people: the readable spectrogram with axes, and the exact picture the network saw."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from PIL import Image

from acousticsense.config import FrontEnd
from acousticsense.spectrogram import Pictures, frame_s, frequencies_hz

__all__ = ["RANGE_DB", "input_png", "relative_decibels", "spectrogram_drawing", "spectrogram_png", "thin"]

#: Natural log of power to decibels.
_DB_PER_NEPER: Final = 10 / np.log(10)
#: Frequencies worth a tick, in Hz.
_TICKS_HZ: Final = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
#: Decibels below the loudest value that still get a colour of their own; more shows only codec noise.
RANGE_DB: Final = 90.0
#: Columns drawn at most: a long track has more frames than a screen has pixels.
_MAX_COLUMNS: Final = 2000


def spectrogram_png(pictures: Pictures, *, offset_s: float = 0.0) -> bytes:
    """The clip's spectrogram with axes in seconds and Hz and a colour bar in dB, as a PNG of 1600 x 640 pixels.

    Args:
        pictures: of one clip.
        offset_s: where the clip begins in its track; the time axis starts there.
    """
    return spectrogram_drawing(pictures, offset_s=offset_s)()


def spectrogram_drawing(pictures: Pictures, *, offset_s: float = 0.0) -> Callable[[], bytes]:
    """`spectrogram_png` for later: what is returned draws when it is called, and holds little memory until then."""
    decibels = thin(relative_decibels(pictures.spectrogram.cpu().numpy(), pictures.front_end)).astype(np.float16)
    duration_s = pictures.spectrogram.shape[-1] * frame_s(pictures.front_end)
    return partial(_draw, decibels, pictures.front_end, (offset_s, offset_s + duration_s))


def _draw(decibels: NDArray[np.float16], front_end: FrontEnd, extent_s: tuple[float, float]) -> bytes:
    bins = decibels.shape[0]
    figure = Figure(figsize=(16, 6.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(
        decibels.astype(np.float32),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-RANGE_DB,
        vmax=0,
        extent=(*extent_s, -0.5, bins - 0.5),
        interpolation="nearest",
    )
    axes.set_xlabel("Time (s)")
    if front_end.kind == "chroma":
        axes.set_yticks(range(12), labels=["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"])
        axes.set_ylabel("Pitch class")
    else:
        centres = frequencies_hz(front_end)
        ticks = [hz for hz in _TICKS_HZ if centres[0] <= hz <= centres[-1]]
        axes.set_yticks(np.interp(ticks, centres, np.arange(bins)), labels=[str(hz) for hz in ticks])
        axes.set_ylabel("Frequency (Hz)")
    bar = figure.colorbar(image, ax=axes, pad=0.01, format=FuncFormatter(lambda value, _: f"{value:+.0f} dB"))
    bar.outline.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def input_png(pictures: Pictures, index: int = 0) -> bytes:
    """The picture of window `index` exactly as the network gets it, S x S pixels, as a PNG."""
    pixels = pictures.pictures[index].permute(1, 2, 0).contiguous().cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode="RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def relative_decibels(values: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Decibels below the maximum of a spectrogram (bins, frames), whatever the recipe's own unit is."""
    if front_end.style == "figure":
        decibels = values
    else:
        # mel holds the log of power, cqt the log of magnitude: half as many decibels
        decibels = values * (_DB_PER_NEPER if front_end.kind == "mel" else 2 * _DB_PER_NEPER)
    return np.asarray(decibels - decibels.max(), dtype=np.float32)


def thin(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most `_MAX_COLUMNS` columns of (bins, frames), each the maximum of those it stands for: short events stay."""
    step = -(-values.shape[1] // _MAX_COLUMNS)
    if step == 1:
        return values
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % step)), mode="edge")
    return np.asarray(padded.reshape(values.shape[0], -1, step).max(axis=2))
