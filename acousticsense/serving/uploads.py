"""Files that a client uploaded before, and names again in a request."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from acousticsense.errors import RequestError


def uploaded_file(path: str, upload_dir: Path) -> Path:
    """The uploaded file at `path`, links followed. A request can name any path; only those in `upload_dir` are read.

    Its age counts from now: it is in use.

    Raises:
        RequestError: it lies elsewhere, or is gone; the two are not told apart.
    """
    try:
        resolved = Path(path).resolve(strict=True)
    except (OSError, ValueError):
        resolved = None
    if resolved is None or not resolved.is_file() or not resolved.is_relative_to(upload_dir.resolve()):
        raise RequestError("The path names no file uploaded to this server.", hint="Upload the file again.")
    with contextlib.suppress(OSError):
        os.utime(resolved)
    return resolved
