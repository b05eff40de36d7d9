"""What `templates/plot.html` needs to show a spectrogram to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from acousticsense.analysis.figures import RANGE_DB, LevelGrid, input_png, row_notes, values_png
from acousticsense.audio.types import ClipInfo
from acousticsense.spectrogram.spectrogram import frequencies_hz
from acousticsense.spectrogram.windows import SpectrogramImages
from acousticsense.web.html import stem


@dataclass(frozen=True)
class Plot:
    """The image as a PNG, what it shows in words, and its axes as attributes for `spectrogram.js`."""

    png: bytes
    alt: str
    data: Mapping[str, str]


@dataclass(frozen=True)
class InputImage:
    """A window as the network gets it: PNG, name to save it under, side in pixels."""

    png: bytes
    file: str
    size: int


def plot_of(grid: LevelGrid, clip: ClipInfo, *, alt: str, player: str) -> Plot:
    """The plot of `grid`, which shows `clip`; `player` is the CSS selector of the audio player of its track."""
    data = {
        "start-s": f"{clip.offset_s - grid.lead_s:.6f}",
        "columns": str(grid.levels.shape[1]),
        "column-s": f"{grid.column_s:.8f}",
        "end-s": f"{clip.offset_s + clip.duration_s:.3f}",
        "track-s": "" if clip.track_duration_s is None else f"{clip.track_duration_s:.3f}",
        "range-db": f"{RANGE_DB:g}",
        "hz": " ".join(f"{hz:.1f}" for hz in frequencies_hz(grid.front_end)),
        "notes": " ".join(row_notes(grid.front_end)),
        "kind": grid.front_end.kind,
        "player": player,
    }
    return Plot(values_png(grid), alt, data)


def input_image(images: SpectrogramImages, index: int, name: str) -> InputImage:
    """Window `index` of the song called `name`."""
    file = f"{stem(name)}-{images.front_end.kind}-input-{index + 1}.png"
    return InputImage(input_png(images, index), file, images.front_end.image_size)
