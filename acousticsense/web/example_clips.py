"""The clips in `examples/`: short cuts of freely licensed music, with artist and licence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from acousticsense.inference.equivalence_data import EXAMPLES


@dataclass(frozen=True, kw_only=True)
class ExampleClip:
    """A clip that may be shared, and whom to thank for it.

    Attributes:
        is_missed: whether the default model says something else.
    """

    path: Path
    title: str
    artist: str
    licence: str
    licence_url: str
    source: str
    genre: str
    is_missed: bool = False


def read_examples(folder: Path = EXAMPLES) -> tuple[ExampleClip, ...]:
    """The clips that `folder`/examples.json lists; none where there is no such file."""
    index = folder / "examples.json"
    if not index.is_file():
        return ()
    entries = json.loads(index.read_text(encoding="utf-8"))
    return tuple(ExampleClip(path=folder / entry.pop("file"), **entry) for entry in entries)
