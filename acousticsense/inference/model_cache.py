"""Things that are slow to load, kept in memory while they are used: each is loaded once, the stalest goes first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ModelCache", "Resident"]

T = TypeVar("T")


@dataclass(frozen=True)
class Resident:
    """One thing in memory: its name, how many bytes it takes and how many milliseconds loading took."""

    name: str
    size_bytes: int
    load_ms: float


@dataclass
class _Place(Generic[T]):
    """A place that is taken from the moment a load begins; `resident` is set when it has ended well."""

    coming: Future[T]
    resident: Resident | None = None


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
        self._places: OrderedDict[str, _Place[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T:
        """The thing of that name, loaded when needed; whoever asks meanwhile waits for the same load.

        Raises whatever `load` raises.
        """
        with self._lock:
            place = self._places.get(name)
            is_new = place is None
            if place is None:
                place = self._places[name] = _Place(Future())
            self._places.move_to_end(name)
        if is_new:
            self._fill(name, place)
        return place.coming.result()

    def peek(self, name: str) -> T | None:
        """The thing if it is in memory; never waits for a load."""
        with self._lock:
            place = self._places.get(name)
            if place is None or place.resident is None:
                return None
            self._places.move_to_end(name)
        return place.coming.result()

    def model_cache(self) -> tuple[Resident, ...]:
        """What is in memory, the least recently used first."""
        with self._lock:
            return tuple(place.resident for place in self._places.values() if place.resident)

    def _fill(self, name: str, place: _Place[T]) -> None:
        started = time.perf_counter()
        try:
            thing = self._load(name)
        except BaseException as error:
            with self._lock:
                del self._places[name]
            place.coming.set_exception(error)
            raise
        with self._lock:
            place.resident = Resident(name, self._size_of(thing), 1000 * (time.perf_counter() - started))
            place.coming.set_result(thing)
            self._release(keep=name)

    def _release(self, *, keep: str) -> None:
        counted = [place.resident for key, place in self._places.items() if place.resident and key not in self._pinned]
        total = sum(resident.size_bytes for resident in counted)
        for left, resident in zip(range(len(counted), 0, -1), counted, strict=True):
            if left <= self._max_count and total <= self._max_bytes:
                return
            if resident.name != keep:
                del self._places[resident.name]
                total -= resident.size_bytes
