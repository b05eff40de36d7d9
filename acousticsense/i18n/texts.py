"""Reads the sentences in `data/`: JSON files that group them under headings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_DATA: Final = Path(__file__).parent / "data"


def read_sections(name: str) -> dict[str, dict[str, Any]]:
    """Heading -> its entries, of `data/{name}.json`."""
    sections: dict[str, dict[str, Any]] = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    return sections


def read_texts(name: str) -> dict[str, tuple[str, str]]:
    """Key -> the English and the Chinese sentence, of all headings of `data/{name}.json`."""
    entries = [entry for section in read_sections(name).values() for entry in section.items()]
    return {key: (pair["en"], pair["zh"]) for key, pair in entries}
