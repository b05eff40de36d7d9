"""Arrays from one process to another through memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from acousticsense.serving.mailbox import Mailbox


@pytest.fixture
def both_sides() -> tuple[Mailbox, Mailbox]:
    path = Mailbox.create()
    assert path is not None
    sides = Mailbox(path), Mailbox(path)
    path.unlink()
    return sides


def test_what_is_taken_is_what_was_put_and_stays_so(both_sides: tuple[Mailbox, Mailbox]) -> None:
    ours, theirs = both_sides
    sent: dict[str, Any] = {
        "words": ("a", 1),
        "rows": np.arange(1200.0).reshape(30, 40),
        "none": np.zeros((2, 0), np.float32),
    }
    parcel = theirs.put(sent)
    assert parcel is not None
    assert len(parcel.words) < 1000  # the arrays go another way
    got = ours.take(parcel)
    theirs.put(np.full(2000, 7.0))
    assert got["words"] == sent["words"]
    for name in ("rows", "none"):
        np.testing.assert_array_equal(got[name], sent[name])
        assert got[name].dtype == sent[name].dtype
    got["rows"] += 1  # it can be written to, as any array


def test_what_is_too_large_is_not_put(both_sides: tuple[Mailbox, Mailbox]) -> None:
    assert both_sides[0].put(np.zeros(2**21 + 1)) is None
