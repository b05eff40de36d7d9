"""Recordings that many tests read."""

from __future__ import annotations

import pytest

from tests.audio.files import Samples, bare_mp3, make_signal, sound_file


@pytest.fixture(scope="session")
def signal() -> Samples:
    return make_signal(30)


@pytest.fixture(scope="session")
def wav(signal: Samples) -> bytes:
    return sound_file(signal, kind="WAV", subtype="PCM_16")


@pytest.fixture(scope="session")
def mp3(signal: Samples) -> bytes:
    return sound_file(signal, kind="MP3")


@pytest.fixture(scope="session")
def flac(signal: Samples) -> bytes:
    return sound_file(signal, kind="FLAC")


@pytest.fixture(scope="session")
def long_mp3() -> bytes:
    """A mp3 of 240 s."""
    return bare_mp3(make_signal(20)) * 12
