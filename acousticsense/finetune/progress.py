"""How far a run is, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

#: "features": of tracks; "parts": of which each was held out; "saving": the folder.
Stage = Literal["features", "parts", "saving"]

#: Called with the stage, how much of it is done, and how much there is.
Report = Callable[[Stage, int, int], None]


def silent(stage: Stage, done: int, total: int) -> None:
    """Tells nobody."""
