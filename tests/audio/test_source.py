"""What audio is read from: paths, bytes, file objects."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from acousticsense.audio import AudioLimits
from acousticsense.errors import (
    AudioDecodeError,
    AudioTooLargeError,
    RequestError,
)
from tests.audio.files import (
    WANTED_HZ,
    read,
)


def test_path_bytes_and_file_object_are_one(tmp_path: Path, mp3: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(mp3)
    with path.open("rb") as file:
        file.read(1000)  # a file object is read from its beginning, wherever it stands
        from_file = read(file).waveform
        assert not file.closed
    for source in (path, str(path), mp3):
        np.testing.assert_array_equal(read(source).waveform, from_file)


def test_a_pipe_can_be_read(mp3: bytes) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(mp3[:100_000])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        assert len(read(pipe, duration_s=2.0).waveform) == 2 * WANTED_HZ
    writer.join()


@pytest.mark.parametrize(
    "name", ["夜来香 “live” 'n\" 好.mp3", "song.raw", "song.m3u8", "no suffix", "-rf.flac", "song.au"]
)
def test_content_decides_and_never_the_name(tmp_path: Path, wav: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(wav)
    np.testing.assert_array_equal(read(tmp_path / name).waveform, read(wav).waveform)


def test_what_is_no_source() -> None:
    with pytest.raises(RequestError, match="given as int"):
        read(5)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(RequestError, match="gives text"):
        read(io.StringIO("text"))  # type: ignore[arg-type]  # the point of the test
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(RequestError, match="is closed"):
        read(closed)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # would block for ever when opened
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(AudioDecodeError, match="is not a file"):
            read(path)
    for missing in (tmp_path / "missing.wav", "a\0b", "http://127.0.0.1/song.mp3"):
        with pytest.raises(AudioDecodeError, match="There is no file"):
            read(missing)


def test_a_file_over_the_limit(wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "big.wav").write_bytes(wav)
    for source in (wav, io.BytesIO(wav), tmp_path / "big.wav"):
        with pytest.raises(AudioTooLargeError, match="the limit is 1 MiB"):
            read(source, limits=AudioLimits(max_file_bytes=2**20))
