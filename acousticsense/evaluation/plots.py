"""Diagrams of an evaluation: confusion and reliability, for any labels in any script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

#: matplotlib's own font, and fonts that hold what it lacks (Chinese), as systems come with them.
_FONTS: Final = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Arial Unicode MS",
)

#: A label of more characters is cut in a diagram.
_LONGEST: Final = 24


def confusion_figure(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> Figure:
    """Counts by true (rows) and predicted (columns) label; rows without clips are left out.

    Args:
        confusion: (K, K) counts, [true][predicted]; a row's colours sum to 1.
    """
    counts = np.array(confusion)
    rows = np.flatnonzero(counts.sum(1))
    shares: NDArray[np.float64] = counts[rows] / counts[rows].sum(1, keepdims=True)
    figure, axes = _figure(max(4.5, 2.4 + 0.44 * len(labels)), 2.2 + 0.42 * len(rows))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names, fonts = drawable(labels)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", family=fonts)
    axes.set_yticks(range(len(rows)), [f"{names[row]} ({counts[row].sum()})" for row in rows], family=fonts)
    axes.set(xlabel="predicted", ylabel="true (clips)")
    for (row, column), share in np.ndenumerate(shares):
        if share:
            ink = "white" if share > 0.5 else "black"
            axes.text(column, row, str(counts[rows[row], column]), ha="center", va="center", color=ink, fontsize=8)
    return figure


def reliability_figure(points: Sequence[tuple[float, float, int]], *, error: float) -> Figure:
    """Confidence against accuracy; the size of a point is its share of the clips.

    Args:
        points: per bin the mean confidence, the share right and the number of clips.
        error: the calibration error, for the title.
    """
    n_clips = sum(count for _, _, count in points)
    figure, axes = _figure(4.5, 4.5)
    axes.plot((0, 1), (0, 1), color="grey", linewidth=1)
    confidence, accuracy, counts = zip(*points, strict=True)
    axes.scatter(confidence, accuracy, s=[20 + 400 * count / n_clips for count in counts])
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right", title=f"error {error:.3f}")
    return figure


def drawable(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Labels as they can be drawn here, and the font families to draw them with.

    A label in a script that no installed font has becomes its number, so that it still can be told from the others.
    """
    fonts = _installed_fonts()
    known = frozenset[int]().union(*(characters for _, characters in fonts))
    names = [
        (label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…").replace("$", r"\$")
        if known.issuperset(map(ord, label))
        else f"label {number}"
        for number, label in enumerate(labels, 1)
    ]
    return names, [family for family, _ in fonts]


@lru_cache(maxsize=1)
def _installed_fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """Those of `_FONTS` that are here, with the characters they have."""
    installed = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    return tuple(
        (family, frozenset(FT2Font(installed[family]).get_charmap())) for family in _FONTS if family in installed
    )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()
