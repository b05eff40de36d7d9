"""Decoding in processes of their own: the same clips, and what a crash or a hang costs."""

from __future__ import annotations

import io
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import (
    AudioDecodeError,
    AudioTooLargeError,
    DecoderCrashError,
    DecoderTimeoutError,
    RequestError,
)
from acousticsense.inference.decoding import Recipe, decode, open_excerpt
from acousticsense.serving.decoder_process import memory_limit
from acousticsense.serving.decoders import DecoderProcesses
from acousticsense.serving.mailbox import MAILBOX_BYTES
from acousticsense.spectrogram.front_end import NATIVE_MEL, NATIVE_WINDOWS
from tests.conftest import needed_program

RECIPE = Recipe(front_end=NATIVE_MEL, windows=NATIVE_WINDOWS, limits=AudioLimits(), duration_s=3.0)


IDLE: queue.LifoQueue[Any] = queue.LifoQueue()


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderProcesses]:
    decoders = DecoderProcesses(timeout_s=60, idle=IDLE)
    yield decoders
    decoders.close()


def next_process() -> BaseProcess:
    """The one of these decoders that gets the next file."""
    process: BaseProcess = IDLE.queue[-1]._process
    return process


def test_a_clip_is_the_same_from_a_path_bytes_and_a_file(decoders: DecoderProcesses, music_mp3: Path) -> None:
    expected = decode(music_mp3, RECIPE)
    for source in (music_mp3, str(music_mp3), music_mp3.read_bytes(), io.BytesIO(music_mp3.read_bytes())):
        clip = decoders.decode(source, RECIPE)
        np.testing.assert_array_equal(clip.audio.waveform, expected.audio.waveform)
        np.testing.assert_array_equal(clip.audio.channels, expected.audio.channels)
        assert (clip.audio.info, clip.health) == (expected.audio.info, expected.health)


def test_decoding_needs_no_pytorch(music_mp3: Path) -> None:
    """It takes a second to import, and memory in the process that decoders are forked from."""
    code = f"""
import sys
from acousticsense.audio.limits import AudioLimits
from acousticsense.serving import decoder_process
from acousticsense.spectrogram.front_end import NATIVE_MEL, NATIVE_WINDOWS
recipe = decoder_process.Recipe(front_end=NATIVE_MEL, windows=NATIVE_WINDOWS, limits=AudioLimits(), duration_s=3.0)
clip = decoder_process.decode({str(music_mp3)!r}, recipe)
print(clip.audio.info.duration_s, *({{"torch", "timm"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.0"]


def test_a_song_that_is_larger_than_the_mailbox_is_decoded_as_well(decoders: DecoderProcesses) -> None:
    song = io.BytesIO()
    noise = np.random.default_rng(20).integers(-9000, 9000, (2 * MAILBOX_BYTES // 4, 2), dtype=np.int16)
    wavfile.write(song, 44100, noise)
    np.testing.assert_array_equal(
        decoders.decode(song.getvalue(), RECIPE).audio.channels, decode(song.getvalue(), RECIPE).audio.channels
    )


def test_what_is_wrong_with_a_file_is_said_as_without_processes(decoders: DecoderProcesses) -> None:
    with pytest.raises(AudioDecodeError) as here:
        decode(b"no sound" * 100, RECIPE)
    with pytest.raises(AudioDecodeError) as there:
        decoders.decode(b"no sound" * 100, RECIPE)
    assert (there.value.message, there.value.hint) == (here.value.message, here.value.hint)
    limits = AudioLimits(max_file_bytes=10)
    small = Recipe(front_end=NATIVE_MEL, windows=NATIVE_WINDOWS, limits=limits, duration_s=3.0)
    with pytest.raises(AudioTooLargeError):
        decoders.decode(io.BytesIO(b"no sound" * 100), small)


def test_a_process_that_dies_costs_one_answer(decoders: DecoderProcesses, music_mp3: Path) -> None:
    decoders.decode(music_mp3, RECIPE)
    process = next_process()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)  # so that it is certainly at work when it is killed
    is_over = threading.Event()

    def kill_when_at_work() -> None:
        while not is_over.wait(0.05):
            decoders.kill()

    killer = threading.Thread(target=kill_when_at_work)
    killer.start()
    try:
        with pytest.raises(DecoderCrashError, match="SIGKILL"):
            decoders.decode(music_mp3, RECIPE)
    finally:
        is_over.set()
        killer.join()
    assert decoders.decode(music_mp3, RECIPE).audio.info.duration_s == pytest.approx(3)


def test_one_that_died_while_idle_is_replaced_as_well(decoders: DecoderProcesses, music_mp3: Path) -> None:
    decoders.decode(music_mp3, RECIPE)
    process = next_process()
    process.kill()
    wait([process.sentinel], 10)
    assert decoders.decode(music_mp3, RECIPE).audio.info.duration_s == pytest.approx(3)


def test_a_process_that_hangs_is_replaced(music_mp3: Path) -> None:
    idle: queue.LifoQueue[Any] = queue.LifoQueue()
    decoders = DecoderProcesses(timeout_s=60, idle=idle)
    decoders.decode(music_mp3, RECIPE)
    impatient = DecoderProcesses(timeout_s=0.001, idle=idle)
    with pytest.raises(DecoderTimeoutError, match=r"0\.001 s"):
        impatient.decode(music_mp3, RECIPE)
    assert decoders.decode(music_mp3, RECIPE).audio.info.duration_s == pytest.approx(3)
    decoders.close()


def test_memory_is_bounded_while_a_clip_is_decoded() -> None:
    with pytest.raises(MemoryError), memory_limit(64 * 2**20):
        np.ones(2**28, np.uint8)
    assert np.ones(2**27, np.uint8).all()


def test_the_bound_on_memory_keeps_to_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**30, 2**30))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    with memory_limit(2**40):
        pass
    assert asked == [(2**30, 2**30), (2**30, 2**30)]


def test_a_stream_has_the_same_blocks_and_ends_with_the_same_notes(decoders: DecoderProcesses, music_mp3: Path) -> None:
    recipe = replace(RECIPE, duration_s=None, offset_s=1.0)
    with open_excerpt(music_mp3, recipe) as here, decoders.stream(music_mp3, recipe) as there:
        assert here.expected_s == there.expected_s
        for ours, theirs in zip(here.blocks(), there.blocks(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert (here.info, here.notes) == (there.info, there.notes)


def test_a_stream_that_nobody_reads_to_its_end_leaves_nothing_behind(
    decoders: DecoderProcesses, music_mp3: Path
) -> None:
    with decoders.stream(music_mp3, RECIPE) as stream:
        next(stream.blocks())
    assert decoders.decode(music_mp3, RECIPE).audio.info.duration_s == pytest.approx(3)


def test_a_reader_that_gives_up_with_an_error_leaves_nothing_behind(
    decoders: DecoderProcesses, music_mp3: Path, music_wav: Path
) -> None:
    expected = decode(music_wav, RECIPE)
    with pytest.raises(RequestError), decoders.stream(music_mp3, replace(RECIPE, duration_s=None)):
        raise RequestError("too many windows")
    np.testing.assert_array_equal(decoders.decode(music_wav, RECIPE).audio.waveform, expected.audio.waveform)


def test_a_file_that_cannot_be_streamed_says_why(decoders: DecoderProcesses) -> None:
    with pytest.raises(AudioDecodeError), decoders.stream(b"no sound" * 100, RECIPE):
        pass


def test_a_decoder_has_no_network(decoders: DecoderProcesses, music_mp3: Path) -> None:
    """Where the system lets no process leave the network, it decodes all the same."""
    leave = [needed_program(["unshare"], "util-linux"), "--net", *([] if os.geteuid() == 0 else ["--user"]), "true"]
    may_leave = subprocess.run(leave, check=False).returncode == 0
    assert decoders.decode(music_mp3, RECIPE).audio.info.duration_s == pytest.approx(3)
    ours, theirs = (
        Path(f"/proc/{pid}/net/dev").read_text(encoding="utf-8").count(":") for pid in ("self", next_process().pid)
    )
    assert theirs == (1 if may_leave else ours), "the loopback is left"
