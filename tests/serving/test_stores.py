"""Results are kept for a while, and only for those who were told their id."""

from __future__ import annotations

from acousticsense.serving.stores import ImageStore, ResultStore


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_one_that_was_not_asked_for_the_longest_goes_first() -> None:
    store: ResultStore[str] = ResultStore(max_items=2, ttl_s=60)
    first, second = store.put("1"), store.put("2")
    store.renew(first)
    third = store.put("3")
    assert [store.get(item) for item in (first, second, third)] == ["1", None, "3"]
    store.renew("guess")
    assert store.get("guess") is None


def test_results_expire_unless_they_are_renewed() -> None:
    clock = Clock()
    store: ResultStore[str] = ResultStore(max_items=2, ttl_s=60, timer=clock)
    old, renewed = store.put("old"), store.put("renewed")
    clock.now_s = 59
    store.renew(renewed)
    clock.now_s = 61
    assert (store.get(old), store.get(renewed)) == (None, "renewed")
    store.renew(old)
    assert store.get(old) is None


def test_ids_cannot_be_guessed() -> None:
    store: ResultStore[int] = ResultStore(max_items=1000, ttl_s=60)
    ids = {store.put(number) for number in range(1000)}
    assert len(ids) == 1000
    assert all(len(item_id) >= 22 for item_id in ids)  # 128 bits


def test_an_image_is_drawn_when_it_is_first_asked_for_and_only_then() -> None:
    drawn: list[bytes] = []

    def draw() -> bytes:
        drawn.append(b"png")
        return b"png"

    store = ImageStore(max_items=2, ttl_s=60)
    image_id = store.put(draw)
    assert drawn == []
    assert (store.get(image_id), store.get(image_id)) == (b"png", b"png")
    assert drawn == [b"png"]
    assert store.get("guess") is None
