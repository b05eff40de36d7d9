"""Prepared clips: what is kept of a recording, and the windows that are cut out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from acousticsense.spectrogram import NATIVE_WINDOWS, SpectrogramKind, clip_images
from acousticsense.training.clips import NOT_MUSIC_INDEX, WINDOW_FRAMES, Clip, load_clips
from acousticsense.training.corpus import prepare, prepare_side_by_side, window_starts
from acousticsense.training.dataset import window_image
from acousticsense.training.front_ends import CQT, MEL
from acousticsense.training.recordings import Recording
from acousticsense.training.sounds import made_sounds, sound_of
from tests.training.conftest import RATE_HZ, FakeTeachers, recording


@pytest.mark.parametrize("kind", ["mel", "cqt"])
@pytest.mark.parametrize("index", [0, 1], ids=["12 s", "2 s"])
def test_a_window_looks_as_the_application_draws_it(
    kind: SpectrogramKind, index: int, clips: list[Clip], songs: list[tuple[Recording, Path]]
) -> None:
    waveform, _ = soundfile.read(songs[index][1], dtype="float32")
    front_end = MEL if kind == "mel" else CQT
    expected = front_end.to_input(clip_images(waveform, front_end, NATIVE_WINDOWS).inputs[:1])[0]
    assert (window_image(clips[index], kind, 0) - expected).abs().mean() < 0.02


def test_loudness_is_gone_from_windows(tmp_path: Path, songs: list[tuple[Recording, Path]]) -> None:
    waveform, _ = soundfile.read(songs[2][1], dtype="float32")
    images = []
    for name, gain in (("loud", 1.0), ("quiet", 0.03)):
        soundfile.write(tmp_path / f"{name}.wav", gain * waveform, RATE_HZ, subtype="FLOAT")
        entry = recording(name, "Metal")
        prepare([(entry, tmp_path / f"{name}.wav")], FakeTeachers(), tmp_path)
        images.append(window_image(load_clips(tmp_path, [entry])[0], "mel", 100))
    assert (images[0] - images[1]).abs().max() < 0.03


def test_short_recordings_are_repeated_to_fill_a_window(clips: list[Clip]) -> None:
    assert clips[1].duration_s == pytest.approx(2.0)
    assert clips[1].n_frames == WINDOW_FRAMES


def test_teachers_hear_windows_spread_over_the_recording() -> None:
    assert window_starts(2.0).tolist() == [0.0]
    assert window_starts(90.0).tolist()[::7] == [0.0, 80.0]


def test_what_cannot_be_read_or_is_silent_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    entries = [(recording(name, None), tmp_path / f"{name}.wav") for name in ("broken", "silent")]
    assert prepare(entries, FakeTeachers(), tmp_path) == 0
    assert "broken" in caplog.text
    assert "next to nothing" in caplog.text


def test_processes_share_the_recordings(tmp_path: Path, songs: list[tuple[Recording, Path]]) -> None:
    entries = songs[:3]
    assert prepare_side_by_side(entries, FakeTeachers, tmp_path, processes=2) == 3
    assert len(load_clips(tmp_path, [entry for entry, _ in entries])) == 3


def test_sounds_that_are_not_music_are_made_alike_each_time(tmp_path: Path) -> None:
    noise = next(sound for sound in made_sounds() if sound.path == "train/4")
    assert np.array_equal(sound_of(noise).samples, sound_of(noise).samples)
    prepare([(noise, Path())], FakeTeachers(), tmp_path)
    assert load_clips(tmp_path, [noise])[0].label == NOT_MUSIC_INDEX


def test_clips_that_are_not_prepared_are_not_loaded(tmp_path: Path) -> None:
    assert load_clips(tmp_path, [recording("nowhere", "Jazz")]) == []


def test_images_of_both_kinds_have_one_size(clips: list[Clip]) -> None:
    assert window_image(clips[0], "cqt", 0).shape == window_image(clips[0], "mel", 0).shape == torch.Size([3, 224, 224])
    assert replace(MEL, kind="cqt", f_min_hz=CQT.f_min_hz) == CQT
