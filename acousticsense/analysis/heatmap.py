"""Where a model looked for a label, in the coordinates of a clip. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

HeatMethod = Literal["grad_cam", "attention"]
HeatBand = Literal["low", "middle", "high", "spread"]
HeatMoment = Literal["start", "middle", "end", "throughout", "places"]

#: Where low sounds end and high ones begin, in Hz.
_LOW_BELOW_HZ: Final = 250.0
_HIGH_FROM_HZ: Final = 2000.0
#: Least share of the heat that makes it "mostly" in one band, or in one third of the time.
_MOSTLY: Final = 0.6
#: Share of the time that is at least half as hot as the hottest moment, from which on it is "throughout".
_THROUGHOUT: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class HeatPlace:
    """A place in a clip's spectrogram, in seconds from the start of the clip and Hz; a map of one row has no Hz."""

    time_s: float
    frequency_hz: float | None


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """Where a model looked for one label, in the coordinates of its images.

    Rows run from high frequencies (0) to low ones, columns with time from the start of a window to its end. 1 is the
    place that speaks most for the label in all windows, 0 a place that does not speak for it or speaks against it.

    Attributes:
        probability: of that label, as in the prediction.
        method: how the network was explained, see `explain`.
        grids: float32 (n, rows, columns) in 0..1, one per explained window, as coarse as the network sees.
        maps: float32 (n, S, S) in 0..1, the same smoothly enlarged to the size of the images.
        start_s: start of each explained window in the clip, in seconds.
        window_s: seconds that a window is long.
        n_windows: windows in the clip; more than `n` when not all were explained.
        hottest: the hottest place; None when nothing speaks for the label.
    """

    label: str
    probability: float
    method: HeatMethod
    grids: NDArray[np.float32]
    maps: NDArray[np.float32]
    start_s: tuple[float, ...]
    window_s: float
    n_windows: int
    hottest: HeatPlace | None

    def over_clip(self, duration_s: float, *, max_columns: int) -> NDArray[np.float32]:
        """The maps side by side on the time axis of the clip: (S, columns); 0 where no window was explained.

        Args:
            duration_s: what the clip's spectrogram spans, in seconds.
            max_columns: the most columns, however long the clip.
        """
        size = self.maps.shape[-1]
        columns = max(1, min(max_columns, round(size * duration_s / self.window_s)))
        moments_s = (np.arange(columns) + 0.5) * duration_s / columns
        heat = np.zeros((size, columns), dtype=np.float32)
        for window, start_s in zip(self.maps, self.start_s, strict=True):
            inside = (moments_s >= start_s) & (moments_s < start_s + self.window_s)
            places = ((moments_s[inside] - start_s) / self.window_s * size).astype(int)
            heat[:, inside] = np.maximum(heat[:, inside], window[:, places])
        return heat

    def band(self, centres_hz: NDArray[np.floating]) -> HeatBand | None:
        """Whether most of the heat lies in low, middle or high sounds; None where a map of one row cannot tell.

        Args:
            centres_hz: (bins,) frequencies of the spectrogram's bins, the lowest first.
        """
        heat = self.grids.sum(axis=(0, 2))
        rows = len(heat)
        if rows == 1:
            return None
        heights = (rows - np.arange(rows) - 0.5) / rows * len(centres_hz) - 0.5
        hz = np.interp(heights, np.arange(len(centres_hz)), centres_hz)
        low, high = hz < _LOW_BELOW_HZ, hz >= _HIGH_FROM_HZ
        bands: dict[HeatBand, NDArray[np.bool_]] = {"low": low, "middle": ~low & ~high, "high": high}
        return next(
            (name for name, inside in bands.items() if heat[inside].sum() >= _MOSTLY * heat.sum() > 0), "spread"
        )

    def moment(self, duration_s: float) -> HeatMoment | None:
        """When most of the heat lies in a clip of `duration_s`; None where not all of its windows were explained."""
        if len(self.grids) != self.n_windows:
            return None
        heat = self.over_clip(duration_s, max_columns=300).sum(axis=0)
        thirds: tuple[HeatMoment, ...] = ("start", "middle", "end")
        for name, part in zip(thirds, np.array_split(heat, 3), strict=True):
            if part.sum() >= _MOSTLY * heat.sum() > 0:
                return name
        return "throughout" if np.mean(heat >= heat.max() / 2) >= _THROUGHOUT else "places"
