"""Models in memory: each is loaded once, and the least recently used is released first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory: its name, how many bytes it takes and how many milliseconds loading took."""

    name: str
    size_bytes: int
    load_ms: float


@dataclass
class _Entry(Generic[T]):
    """An entry that exists from the moment a load begins; `loaded` is set when it has ended well."""

    coming: Future[T]
    loaded: LoadedModel | None = None


class ModelCache(Generic[T]):
    """Loads by name, and releases the least recently used when there is too much. Safe to share between threads.

    What is released stays alive for whoever still holds it; what fails to load is not kept and is tried again.

    Args:
        load: makes the thing of a name; different names may be loaded at the same time.
        size_of: bytes that a thing takes.
        max_count: things kept at most.
        max_bytes: bytes kept at most; the newest stays even when it is larger by itself.
        pinned: names that always stay and do not count.
    """

    def __init__(
        self,
        load: Callable[[str], T],
        size_of: Callable[[T], int],
        *,
        max_count: int,
        max_bytes: int,
        pinned: Collection[str] = (),
    ) -> None:
        self._load = load
        self._size_of = size_of
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._pinned = frozenset(pinned)
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T:
        """The thing of that name, loaded when needed; whoever asks meanwhile waits for the same load.

        Raises whatever `load` raises.
        """
        with self._lock:
            entry = self._entries.get(name)
            is_new = entry is None
            if entry is None:
                entry = self._entries[name] = _Entry(Future())
            self._entries.move_to_end(name)
        if is_new:
            self._fill(name, entry)
        return entry.coming.result()

    def peek(self, name: str) -> T | None:
        """The thing if it is in memory; never waits for a load."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.loaded is None:
                return None
            self._entries.move_to_end(name)
        return entry.coming.result()

    def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory, the least recently used first."""
        with self._lock:
            return tuple(entry.loaded for entry in self._entries.values() if entry.loaded)

    def _fill(self, name: str, entry: _Entry[T]) -> None:
        started = time.perf_counter()
        try:
            thing = self._load(name)
            loaded = LoadedModel(name, self._size_of(thing), 1000 * (time.perf_counter() - started))
        except BaseException as error:
            with self._lock:
                del self._entries[name]
            entry.coming.set_exception(error)
            raise
        with self._lock:
            entry.loaded = loaded
            entry.coming.set_result(thing)
            self._release(keep=name)

    def _release(self, *, keep: str) -> None:
        counted = [entry.loaded for key, entry in self._entries.items() if entry.loaded and key not in self._pinned]
        left, total = len(counted), sum(model.size_bytes for model in counted)
        for model in counted:
            if left <= self._max_count and total <= self._max_bytes:
                return
            if model.name != keep:
                del self._entries[model.name]
                left -= 1
                total -= model.size_bytes
