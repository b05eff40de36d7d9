"""Images for people: the readable spectrogram with axes, and the exact image the network saw."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import librosa
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from PIL import Image

from acousticsense.analysis.heatmap import Heatmap
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.spectrogram import frame_s, frequencies_hz
from acousticsense.spectrogram.windows import SpectrogramImages

PITCH_CLASSES: Final = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
#: Natural log of power to decibels.
_DB_PER_NEPER: Final = 10 / math.log(10)
#: Frequencies worth a tick, in Hz.
_TICKS_HZ: Final = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
#: Decibels below the loudest value that still get a colour of their own; more shows only codec noise.
RANGE_DB: Final = 90.0
#: Columns drawn at most: a long track has more frames than a screen has pixels.
_MAX_COLUMNS: Final = 2000
#: Size of the drawing in pixels; it grows with the columns, so that each has a pixel of its own beside the axes.
_MIN_WIDTH: Final = 1600
_HEIGHT: Final = 640
_BESIDE_THE_PLOT: Final = 240
_DPI: Final = 100
#: Colours of a heat map from its first to its last degree; how far they cover what lies below grows with the heat.
_COLD_RGB: Final = (255, 45, 120)
_HOT_RGB: Final = (255, 232, 80)
#: How far the hottest place covers the spectrogram in a drawing.
_HEAT_COVER: Final = 0.8


@dataclass(frozen=True, kw_only=True)
class LevelGrid:
    """A spectrogram in levels of one byte, which is what people are shown and what is told under the pointer.

    Attributes:
        levels: uint8 (bins, columns), row 0 the lowest frequency; 255 is the loudest value, and each step down is
            `RANGE_DB` / 255 = 0.35 dB, so that a level is within 0.18 dB of its value; 0 is `RANGE_DB` below or less.
        frames_per_column: spectrogram frames that a column stands for, by their maximum: short events stay.
    """

    levels: NDArray[np.uint8]
    frames_per_column: int
    front_end: FrontEnd

    @property
    def column_s(self) -> float:
        """Seconds from one column to the next."""
        return self.frames_per_column * frame_s(self.front_end)

    @property
    def lead_s(self) -> float:
        """Seconds by which the first column begins before the clip: frames are centred on their moments."""
        return frame_s(self.front_end) / 2


def level_grid(images: SpectrogramImages, *, reference_db: float | None = None) -> LevelGrid:
    """The clip's spectrogram in levels; all 0 where nothing is louder than anything else: digital silence.

    Args:
        reference_db: what is called loudest, as `loudest_db` gives it; by default the clip's own maximum.
    """
    values, unit_db = images.spectrogram.cpu().numpy(), _unit_db(images.front_end)
    step = -(-values.shape[1] // _MAX_COLUMNS)
    if step > 1:
        padded = np.pad(values, ((0, 0), (0, -values.shape[1] % step)), mode="edge")
        values = padded.reshape(len(values), -1, step).max(axis=2)
    # In place, since this is done for every answer whether or not somebody looks.
    loudest = values.max() if reference_db is None else np.float32(reference_db / unit_db)
    levels = (values - loudest) * np.float32(255 * unit_db / RANGE_DB)
    if reference_db is not None or values.min() < loudest:
        levels += 255
    np.rint(np.clip(levels, 0, 255, out=levels), out=levels)
    return LevelGrid(levels=levels.astype(np.uint8), frames_per_column=step, front_end=images.front_end)


def loudest_db(images: SpectrogramImages) -> float:
    """The maximum of a clip's spectrogram in decibels, for `level_grid` of another clip drawn by the same recipe."""
    return float(images.spectrogram.max()) * _unit_db(images.front_end)


def _unit_db(front_end: FrontEnd) -> float:
    """Decibels in one unit of a recipe's spectrogram."""
    if front_end.style == "figure":
        return 1.0
    # mel holds the log of power, cqt the log of magnitude: half as many decibels
    return _DB_PER_NEPER if front_end.kind == "mel" else 2 * _DB_PER_NEPER


def row_notes(front_end: FrontEnd) -> tuple[str, ...]:
    """The name of each row, lowest first: notes of a cqt ("A4"), pitch classes of a chroma, none for mel."""
    if front_end.kind == "mel":
        return ()
    if front_end.kind == "chroma":
        return PITCH_CLASSES
    return tuple(str(note) for note in librosa.hz_to_note(frequencies_hz(front_end)))


def values_png(grid: LevelGrid) -> bytes:
    """The levels as a PNG in colour, low frequencies at the bottom, one pixel per level.

    The bytes of the image are the levels themselves, with the colours in a palette: who unpacks its rows (none of
    them is filtered) has the values. The page does that for the pointer.
    """
    image = Image.fromarray(grid.levels[::-1], mode="P")
    image.putpalette((255 * colormaps["magma"](np.arange(256))[:, :3]).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def spectrogram_drawing(images: SpectrogramImages, *, offset_s: float = 0.0) -> Callable[[], bytes]:
    """Draws the clip's spectrogram with axes in seconds and Hz and a colour bar in dB, as a PNG, when it is called.

    1600 x 640 pixels; wider for long clips, so that every column is drawn. Until then it holds little memory.

    Args:
        offset_s: where the clip begins in its track; the time axis starts there.
    """
    return partial(_draw, level_grid(images), offset_s)


def heatmap_drawing(images: SpectrogramImages, heatmap: Heatmap, *, offset_s: float = 0.0) -> Callable[[], bytes]:
    """As `spectrogram_drawing`, in grey and with a heat map laid over it in colour."""
    grid = level_grid(images)
    return partial(_draw, grid, offset_s, _heat_levels(grid, heatmap))


def heat_png(grid: LevelGrid, heatmap: Heatmap) -> bytes:
    """A heat map as a PNG to be laid over `values_png` of the same clip: clear where it is cold."""
    buffer = io.BytesIO()
    Image.fromarray(_heat_colours(_heat_levels(grid, heatmap))).save(buffer, format="PNG")
    return buffer.getvalue()


def _heat_levels(grid: LevelGrid, heatmap: Heatmap) -> NDArray[np.uint8]:
    """The heat over the whole clip, (rows, columns) with high frequencies first, in 0..255."""
    heat = heatmap.over_clip(grid.levels.shape[1] * grid.column_s, max_columns=_MAX_COLUMNS)
    return np.asarray((255 * heat).round(), dtype=np.uint8)


def _heat_colours(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (rows, columns, 4)."""
    heat = levels[..., None] / 255
    colours = (1 - heat) * np.array(_COLD_RGB) + heat * np.array(_HOT_RGB)
    return np.asarray(np.concatenate([colours, 255 * heat], axis=-1).round(), dtype=np.uint8)


def _draw(grid: LevelGrid, offset_s: float, heat: NDArray[np.uint8] | None = None) -> bytes:
    bins, columns = grid.levels.shape
    start_s = offset_s - grid.lead_s
    figure = Figure(
        figsize=(max(_MIN_WIDTH, columns + _BESIDE_THE_PLOT) / _DPI, _HEIGHT / _DPI), dpi=_DPI, layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    extent = (start_s, start_s + columns * grid.column_s, -0.5, bins - 0.5)
    image = axes.imshow(
        grid.levels * (RANGE_DB / 255) - RANGE_DB,
        origin="lower",
        aspect="auto",
        cmap="magma" if heat is None else "gray",
        vmin=-RANGE_DB,
        vmax=0,
        extent=extent,
        interpolation="nearest",
    )
    if heat is not None:
        axes.imshow(_heat_colours(heat), extent=extent, aspect="auto", alpha=_HEAT_COVER)
    axes.set_xlabel("Time (s)")
    if grid.front_end.kind == "chroma":
        axes.set_yticks(range(12), labels=PITCH_CLASSES)
        axes.set_ylabel("Pitch class")
    else:
        centres = frequencies_hz(grid.front_end)
        ticks = [hz for hz in _TICKS_HZ if centres[0] <= hz <= centres[-1]]
        axes.set_yticks(np.interp(ticks, centres, np.arange(bins)), labels=[str(hz) for hz in ticks])
        axes.set_ylabel("Frequency (Hz)")
    bar = figure.colorbar(image, ax=axes, pad=0.01, format=FuncFormatter(lambda value, _: f"{value:+.0f} dB"))
    bar.set_label("below the loudest")
    bar.outline.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def input_png(images: SpectrogramImages, index: int = 0) -> bytes:
    """The image of window `index` exactly as the network gets it, S x S pixels, as a PNG."""
    pixels = images.images[index].permute(1, 2, 0).contiguous().cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode="RGB").save(buffer, format="PNG")
    return buffer.getvalue()
