"""Markdown for reports and model cards."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; the first column is left-aligned, numbers are not."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def filled(text: str) -> str:
    """The text with paragraphs of prose wrapped; tables, headings, lists, images and commands are left alone."""
    return "\n\n".join(_filled(block) for block in text.strip().split("\n\n")) + "\n"


def _filled(block: str) -> str:
    return block if block.startswith(("|", "#", "-", "!", "`")) else textwrap.fill(block, 118, break_on_hyphens=False)
