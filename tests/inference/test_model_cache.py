"""Models in memory: each loaded once, the stalest released, pinned ones kept, failures not."""

from __future__ import annotations

import threading

import pytest

from acousticsense.inference.model_cache import ModelCache

SIZES = {"small": 10, "large": 100, "huge": 1000}


class Loader:
    """Counts what it loads; "broken" fails."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, name: str) -> str:
        self.loaded.append(name)
        if name == "broken":
            raise ValueError("broken")
        return name.upper()


@pytest.fixture
def loader() -> Loader:
    return Loader()


def model_cache(loader: Loader, *, max_count: int = 10, max_bytes: int = 10_000) -> ModelCache[str]:
    return ModelCache(
        loader, lambda thing: SIZES.get(thing.lower(), 1), max_count=max_count, max_bytes=max_bytes, pinned=("default",)
    )


def names(kept: ModelCache[str]) -> list[str]:
    return [model.name for model in kept.loaded()]


def test_each_is_loaded_once(loader: Loader) -> None:
    kept = model_cache(loader)
    assert [kept.get("a"), kept.get("b"), kept.get("a")] == ["A", "B", "A"]
    assert loader.loaded == ["a", "b"]
    assert names(kept) == ["b", "a"]


def test_the_stalest_goes_first_over_the_count(loader: Loader) -> None:
    kept = model_cache(loader, max_count=2)
    for name in ("default", "a", "b", "a", "c"):
        kept.get(name)
    assert names(kept) == ["default", "a", "c"]
    assert kept.peek("b") is None


def test_one_that_was_used_while_another_came_goes_over_the_count_as_well() -> None:
    def load(name: str) -> str:
        if name == "new":
            kept.get("used")
        return name

    kept = ModelCache(load, len, max_count=1, max_bytes=10_000)
    kept.get("used")
    kept.get("new")
    assert names(kept) == ["new"]


def test_the_stalest_goes_first_over_the_bytes_but_the_newest_stays(loader: Loader) -> None:
    kept = model_cache(loader, max_bytes=110)
    for name in ("small", "large", "a"):
        kept.get(name)
    assert names(kept) == ["large", "a"]
    kept.get("huge")
    assert names(kept) == ["huge"]
    assert sum(model.size_bytes for model in kept.loaded()) == 1000


def test_who_asks_meanwhile_waits_for_the_same_load() -> None:
    begun, go_on = threading.Event(), threading.Event()
    loads: list[str] = []

    def load(name: str) -> str:
        loads.append(name)
        begun.set()
        assert go_on.wait(30)
        return name

    kept = ModelCache(load, len, max_count=9, max_bytes=9)
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(kept.get("a"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    assert kept.peek("a") is None
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (answers, loads) == (["a"] * 3, ["a"])


def test_a_failure_is_told_and_tried_again(loader: Loader) -> None:
    kept = model_cache(loader)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            kept.get("broken")
    assert loader.loaded == ["broken", "broken"]
    assert names(kept) == []


def test_a_model_whose_size_cannot_be_told_is_tried_again_and_nobody_waits_for_ever() -> None:
    sizes: list[Exception | int] = [OSError("no size"), 5]

    def size_of(_: str) -> int:
        size = sizes.pop(0)
        if isinstance(size, Exception):
            raise size
        return size

    kept = ModelCache(str.upper, size_of, max_count=9, max_bytes=9)
    with pytest.raises(OSError, match="no size"):
        kept.get("a")
    answers: list[str] = []
    later = threading.Thread(target=lambda: answers.append(kept.get("a")), daemon=True)
    later.start()
    later.join(30)
    assert answers == ["A"]
