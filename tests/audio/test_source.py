"""What audio is read from: paths, bytes, file objects."""

from __future__ import annotations

import errno
import io
import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from acousticsense.audio.decode import read_artist
from acousticsense.audio.limits import AudioLimits
from acousticsense.audio.source import Slice
from acousticsense.audio.stream import open_stream
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


class FailingFile(io.BytesIO):
    """A file on a disk that fails: once it was asked for something `n_good` times, or at once."""

    def __init__(self, content: bytes, failing: str, n_good: int) -> None:
        super().__init__(content)
        self.failing, self.n_good = failing, n_good

    def _count(self, name: str) -> None:
        if name == self.failing:
            self.n_good -= 1
            if self.n_good < 0:
                raise OSError(errno.EIO, "Input/output error")

    def read(self, size: int | None = -1, /) -> bytes:
        self._count("read")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._count("seek")
        return super().seek(offset, whence)


@pytest.mark.parametrize(("failing", "n_good"), [("read", 0), ("read", 1), ("read", 2), ("seek", 1), ("seek", 2)])
def test_a_file_object_may_fail_before_it_is_decoded(wav: bytes, failing: str, n_good: int) -> None:
    with pytest.raises(AudioDecodeError, match=r"The file cannot be read \(\[Errno 5\] Input/output error\)"):
        read(FailingFile(wav, failing, n_good))


@pytest.mark.parametrize("failing", ["read", "seek"])
@pytest.mark.parametrize("sound", ["wav", "mp3"])
def test_a_file_object_may_fail_at_any_time(failing: str, sound: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(sound)
    for n_good in range(40):
        with suppress(AudioDecodeError):
            read(FailingFile(content, failing, n_good), duration_s=0.5)
        file = FailingFile(content, failing, n_good)
        with suppress(AudioDecodeError), open_stream(file, sample_rate_hz=WANTED_HZ, duration_s=0.5) as stream:
            list(stream.blocks())


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has such files")
def test_a_file_whose_end_cannot_be_sought() -> None:
    with pytest.raises(AudioDecodeError, match="The file cannot be read"):
        read("/proc/self/mem")
    assert read_artist(Path("/proc/self/mem")) == ""


def test_a_file_over_the_limit(wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "big.wav").write_bytes(wav)
    for source in (wav, io.BytesIO(wav), tmp_path / "big.wav"):
        with pytest.raises(AudioTooLargeError, match="the limit is 1 MiB"):
            read(source, limits=AudioLimits(max_file_bytes=2**20))


SUFFIXES = (
    "png jpg jpeg bmp webp svg gif tiff ico pdf txt m3u m3u8 pls sln g722 g723_1 g726 sbc gsm raw pcm "
    "s16le adx dfpwm bin srt ass vtt sub ts mkv wav flac ogg aac ac3 dts mp4 webm caf w64 zip exe"
)


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_one_mp3_under_any_suffix(tmp_path: Path, mp3: bytes, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    path.write_bytes(mp3)
    with path.open("rb") as file:
        for source in (path, file):  # a file object has a name, too
            np.testing.assert_array_equal(read(source, duration_s=0.5).waveform, read(mp3, duration_s=0.5).waveform)


def test_a_path_that_is_no_utf_8(tmp_path: Path, mp3: bytes) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/Gen\xe8ve.mp3")
    Path(name).write_bytes(mp3)
    assert read(name, duration_s=0.5).info.duration_s == 0.5
    missing = os.fsdecode(os.fsencode(tmp_path) + b"/Z\xfcrich.mp3")
    with pytest.raises(AudioDecodeError, match=r"Z\\xfcrich") as caught:
        read(missing)
    caught.value.message.encode()  # can be printed


def test_a_slice_is_a_file_of_its_own() -> None:
    whole = io.BytesIO(bytes(range(100)))
    part = Slice(whole, 10, 20, patches={2: b"xy"})
    assert part.read(4) == bytes([10, 11]) + b"xy"
    assert part.seek(-2, os.SEEK_END) == 8
    assert (part.read(), part.read()) == (bytes([18, 19]), b"")
    assert not hasattr(part, "name")
