"""The folder of music that the library's tests use, too."""

from __future__ import annotations

from tests.library.conftest import library

__all__ = ["library"]
