"""Answers that were given before, in memory: by what is in the file and by everything that decides the answer."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from cachetools import LRUCache

from acousticsense.audio.source import Source

Answer = TypeVar("Answer")

_CHUNK_BYTES: Final = 1 << 20


class AnswerCache(Generic[Answer]):
    """The most recently used answers, as many as fit. Safe to share between threads.

    Args:
        max_bytes: of all answers together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self._answers: LRUCache[Hashable, tuple[Answer, int]] = LRUCache(max_bytes, getsizeof=lambda kept: kept[1])
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether anything is ever kept."""
        return self._answers.maxsize > 0

    def get(self, key: Hashable) -> Answer | None:
        """The answer under that key; it is then the most recently used one."""
        with self._lock:
            kept = self._answers.get(key)
        return None if kept is None else kept[0]

    def put(self, key: Hashable, answer: Answer, n_bytes: int) -> None:
        """Keeps an answer that takes `n_bytes`, unless it alone is too large; the longest unused ones make room."""
        with self._lock:
            if n_bytes <= self._answers.maxsize:
                self._answers[key] = answer, n_bytes


def content_digest(source: Source) -> str | None:
    """SHA-256 of all bytes of a file, its own bytes, or a file object that can be read again; None for any other.

    A file that cannot be read has none either: whoever decodes it will say why.
    """
    digest = hashlib.sha256()
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            return hashlib.sha256(source).hexdigest()
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if not path.is_file():
                return None
            with path.open("rb") as file:
                _read_into(digest, file)
        else:
            source.seek(0)
            _read_into(digest, source)
            source.seek(0)
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return digest.hexdigest()


def _read_into(digest: Any, file: Any) -> None:
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
