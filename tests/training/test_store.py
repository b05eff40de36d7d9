"""What is known of stored tracks: that of the list of recordings as it is today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acousticsense.training.bank import load_items
from acousticsense.training.batches import Batches
from acousticsense.training.ingest import ingest
from acousticsense.training.probe import fit_probe
from acousticsense.training.sources import Kind, Recording
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.validate import measured_items
from tests.training.conftest import FakePanel, tone


def _store(folder: Path, listed: tuple[Recording, ...], *tracks: Track) -> TrackStore:
    store = TrackStore(folder, listed)
    for seed, track in enumerate(tracks):
        ingest(tone(200.0 * (seed + 1), seed), track, store, FakePanel(), most_windows=1)
    return store


def _track(key: str, kind: Kind, origin: str = "") -> Track:
    return Track(key=key, kind=kind, genre=None, split="train", group="old", origin=origin)


@pytest.fixture
def recording(tiny_recordings: tuple[Recording, ...]) -> Recording:
    return tiny_recordings[0]


@pytest.mark.parametrize("generator", ["", "a network"])
def test_a_label_that_is_given_later_holds_for_the_recording_and_what_was_altered_of_it(
    generator: str, recording: Recording, tmp_path: Path
) -> None:
    listed = replace(recording, generator=generator, genre="R&B")
    store = _store(
        tmp_path,
        (listed,),
        _track(listed.key, listed.kind),
        _track("altered--1", "altered", origin=listed.key),
        _track("altered--2", "altered", origin=f"another over {listed.key}"),
        _track("gone", listed.kind),
    )
    known = {track.key: (track.genre, track.is_measurable) for track in store.tracks()}
    measurable = not generator
    assert known == {
        listed.key: ("R&B", measurable),
        "altered--1": ("R&B", measurable),
        "altered--2": (None, False),
    }


def test_what_networks_made_is_learned_from_and_not_measured(recording: Recording, tmp_path: Path) -> None:
    made = replace(recording, path="made", generator="a network")
    real = replace(recording, path="played")
    rendered = replace(_track("rendered", "rendered"), genre="Jazz")
    store = _store(tmp_path, (made, real), _track(made.key, "generated"), _track(real.key, "real"), rendered)
    items = load_items(store, "train")
    assert [item.track.kind for item in measured_items(items)] == ["real"]
    batches = Batches(items, fit_probe(items, c=1.0), size=4, mixup=0.0)
    kinds = np.array([item.track.kind for item in items])[batches._windows.item]
    shares = {kind: float(batches.odds[kinds == kind].sum()) for kind in ("generated", "real")}
    assert shares["generated"] / shares["real"] == pytest.approx(0.06 / 0.33)
