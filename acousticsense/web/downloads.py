"""Files to keep, as links that need no request."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any


def downloads_of(*files: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Key of each link's words, which ends its file's name, and the file as an address.

    Args:
        files: key, media type and content of each.
    """
    return [
        (key, f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode()).decode()}")
        for key, kind, content in files
    ]


def dumped(payload: Mapping[str, Any]) -> str:
    """An answer as JSON that people can read."""
    return json.dumps(payload, ensure_ascii=False, indent=2)
