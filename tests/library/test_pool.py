"""Decoder processes of a library: what becomes of them when they are closed, killed or cannot start."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import closing
from multiprocessing.connection import wait

import pytest

from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import LibraryError
from acousticsense.inference.decoding import Recipe
from acousticsense.library import pool as pool_module
from acousticsense.library.decode import DecodedFile
from acousticsense.library.pool import DecoderPool
from acousticsense.spectrogram.front_end import NATIVE_MEL, NATIVE_WINDOWS
from tests.library.conftest import EXAMPLES
from tests.library.decoders import misbehaving

RECIPE = Recipe(front_end=NATIVE_MEL, windows=NATIVE_WINDOWS, limits=AudioLimits(), duration_s=3.0)
SONG = str(EXAMPLES / "sky-vibe.ogg")


def children() -> set[multiprocessing.process.BaseProcess]:
    return set(multiprocessing.active_children())


def test_a_pool_that_is_closed_leaves_no_process_behind_and_waits_for_none() -> None:
    others = children()
    with closing(DecoderPool(RECIPE, workers=2, decode=misbehaving)) as pool:
        pool.submit("hang.ogg")
        pool.submit(SONG)
        assert isinstance(pool.take(1)[0], DecodedFile)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert children() <= others


def test_a_process_that_was_killed_while_idle_costs_no_file() -> None:
    others = children()
    with closing(DecoderPool(RECIPE, workers=1)) as pool:
        for _ in range(2):
            pool.submit(SONG)
            assert isinstance(pool.take(1)[0], DecodedFile)
            (process,) = children() - others
            process.kill()
            wait([process.sentinel], 10)


def test_processes_that_do_not_start_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_START_S", 0.0)
    others = children()
    with closing(DecoderPool(RECIPE, workers=2)) as pool:
        pool.submit(SONG)
        for _ in range(2):  # whoever asks again is told again
            with pytest.raises(LibraryError, match="do not start: they take longer than 0 s"):
                pool.take(1)
    assert children() <= others
