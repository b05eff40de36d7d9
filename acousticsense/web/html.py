"""Small helpers that every part of the page is written with. All text that reaches the page goes through `escape`."""

from __future__ import annotations

import base64
from html import escape

__all__ = ["clock", "data_uri", "escape", "number", "percent"]


def percent(probability: float) -> str:
    """A probability in 0..1 as people read it: "71.3%"; what would round to nothing is "<0.1%"."""
    return "<0.1%" if 0 < probability < 0.0005 else f"{100 * probability:.1f}%"


def clock(seconds: float) -> str:
    """A moment in a track: "0:08", "0:08.5", "3:05", "1:02:03"; tenths only within the first minute."""
    tenths = round(10 * seconds) if seconds < 60 else 10 * round(seconds)
    whole, tenth = divmod(tenths, 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    shown = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{shown}.{tenth}" if tenth else shown


def number(value: float) -> str:
    """A figure with thin groups of thousands and no needless decimals: "44 100", "0.5", "-13.8", "1e-06"."""
    if value and abs(value) < 0.01:
        return f"{value:g}"
    rounded = round(value, 2)
    shown = f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.2f}".rstrip("0")
    return shown.replace(",", "\u202f").replace("-", "\u2212")


def data_uri(png: bytes) -> str:
    """A PNG as an address that needs no request."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
