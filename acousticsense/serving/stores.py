"""Results that can be fetched for a while, by ids that cannot be guessed."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

from cachetools import TTLCache

T = TypeVar("T")


class ResultStore(Generic[T]):
    """At most `max_items` results, each for `ttl_s` seconds; the one that was not asked for the longest goes first.

    Args:
        timer: seconds on a clock that never goes back.
    """

    def __init__(self, *, max_items: int, ttl_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._items: TTLCache[str, T] = TTLCache(max_items, ttl_s, timer)
        self._lock = threading.Lock()

    def put(self, item: T) -> str:
        """Keeps something and returns its id (128 random bits)."""
        item_id = secrets.token_urlsafe(16)
        with self._lock:
            self._items[item_id] = item
        return item_id

    def renew(self, item_id: str) -> None:
        """Keeps something that is still there as long as if it had been put there now."""
        with self._lock:
            if item_id in self._items:
                self._items[item_id] = self._items[item_id]

    def get(self, item_id: str) -> T | None:
        """What was kept, or None when there is nothing of that id or it has expired."""
        with self._lock:
            return self._items.get(item_id)


class ImageStore:
    """Images, each drawn when it is first asked for."""

    def __init__(self, *, max_items: int, ttl_s: float) -> None:
        self._drawings: ResultStore[Callable[[], bytes]] = ResultStore(max_items=max_items, ttl_s=ttl_s)

    def put(self, draw: Callable[[], bytes]) -> str:
        """Keeps what draws an image and returns its id."""
        return self._drawings.put(cache(draw))

    def get(self, image_id: str) -> bytes | None:
        """The image, or None when there is none or it has expired."""
        draw = self._drawings.get(image_id)
        return draw() if draw else None
