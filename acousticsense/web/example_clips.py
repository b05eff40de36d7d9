"""The clips in `examples/`: short cuts of freely licensed music, with artist and licence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acousticsense.i18n.page import ui_text
from acousticsense.web.html import escape

__all__ = ["EXAMPLES_DIR", "ExampleClip", "examples_html", "read_examples"]

#: Beside the package: in a checkout and in the image alike.
EXAMPLES_DIR: Final = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True, kw_only=True)
class ExampleClip:
    """A clip that may be shared, and whom to thank for it."""

    path: Path
    title: str
    artist: str
    licence: str
    licence_url: str
    source: str


def read_examples(folder: Path = EXAMPLES_DIR) -> tuple[ExampleClip, ...]:
    """The clips that `folder`/examples.json lists; none where there is no such file."""
    index = folder / "examples.json"
    if not index.is_file():
        return ()
    entries = json.loads(index.read_text(encoding="utf-8"))
    return tuple(ExampleClip(path=folder / entry.pop("file"), **entry) for entry in entries)


def examples_html(clips: tuple[ExampleClip, ...], language: str) -> str:
    """A list of buttons; a click reports the clip's index."""
    rows = "".join(
        f'<li><button type="button" data-example="{index}" '
        f'aria-label="{escape(ui_text("examples.play", language, title=clip.title, artist=clip.artist))}">'
        f"{escape(clip.title)}</button><p>{escape(clip.artist)} · "
        f'<a href="{escape(clip.licence_url)}" target="_blank" rel="noopener license">{escape(clip.licence)}</a>'
        "</p></li>"
        for index, clip in enumerate(clips)
    )
    return f'<div class="as-examples"><h3>{escape(ui_text("examples.title", language))}</h3><ul>{rows}</ul></div>'
