"""Prepared clips: what is kept of a recording, and the windows that are cut out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import soundfile
import torch

from acousticsense.audio.clip import read_clip
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, SpectrogramKind
from acousticsense.spectrogram.windows import clip_images
from acousticsense.training.clips import NOT_MUSIC_INDEX, Clip, load_clips, waveform_file
from acousticsense.training.corpus import prepare, prepare_side_by_side, window_starts
from acousticsense.training.dataset import cut
from acousticsense.training.images import CQT, MEL, first_inputs, window_image
from acousticsense.training.recordings import Recording
from acousticsense.training.sounds import made_sounds, sound_of
from tests.training.conftest import RATE_HZ, FakeTeachers, recording


@pytest.mark.parametrize("kind", ["mel", "cqt"])
@pytest.mark.parametrize("index", [0, 1], ids=["12 s", "2 s"])
def test_the_first_image_is_the_one_that_the_application_draws(
    kind: SpectrogramKind, index: int, clips: list[Clip], songs: list[tuple[Recording, Path]]
) -> None:
    front_end = MEL if kind == "mel" else CQT
    waveform = read_clip(songs[index][1], sample_rate_hz=front_end.sample_rate_hz, duration_s=10).waveform
    expected = front_end.to_input(clip_images(waveform, front_end, NATIVE_WINDOWS).inputs[:1])
    assert first_inputs([clips[index]], kind).equal(expected)


@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
def test_noise_is_drawn_as_the_application_draws_it_at_any_rate(rate_hz: int, tmp_path: Path) -> None:
    path, entry = tmp_path / "noise.wav", recording("noise", None)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 5 * rate_hz), rate_hz, subtype="FLOAT")
    prepare([(entry, path)], FakeTeachers, tmp_path)
    waveform = read_clip(path, sample_rate_hz=MEL.sample_rate_hz, duration_s=10).waveform
    expected = MEL.to_input(clip_images(waveform, MEL, NATIVE_WINDOWS).inputs[:1])
    assert (first_inputs(load_clips(tmp_path, [entry]), "mel") - expected).abs().mean() < 0.01


@pytest.mark.parametrize("kind", ["mel", "cqt"])
@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
def test_images_of_training_windows_look_the_same(kind: SpectrogramKind, rate_hz: int, tmp_path: Path) -> None:
    music = np.random.default_rng(0).normal(0, 0.1, 10 * rate_hz).astype(np.float32)
    music *= np.linspace(0.2, 1, len(music), dtype=np.float32)
    soundfile.write(tmp_path / "song.wav", music, rate_hz)
    entry = recording("song", "Jazz")
    prepare([(entry, tmp_path / "song.wav")], FakeTeachers, tmp_path)
    (clip,) = load_clips(tmp_path, [entry])
    windows = (cut(clip.waveform, clip.sample_rate_hz, np.random.default_rng(seed))[0] for seed in range(20))
    different = [
        float((window_image(window.for_image, kind) - first_inputs([clip], kind)[0]).abs().mean()) for window in windows
    ]
    assert min(different) < 0.02  # of a window that is neither moved nor played faster


def test_loudness_is_gone_from_images(tmp_path: Path, songs: list[tuple[Recording, Path]]) -> None:
    waveform, _ = soundfile.read(songs[2][1], dtype="float32")
    images = []
    for name, gain in (("loud", 1.0), ("quiet", 0.03)):
        soundfile.write(tmp_path / f"{name}.wav", gain * waveform, RATE_HZ, subtype="FLOAT")
        entry = recording(name, "Metal")
        prepare([(entry, tmp_path / f"{name}.wav")], FakeTeachers, tmp_path)
        images.append(first_inputs(load_clips(tmp_path, [entry]), "mel"))
    assert (images[0] - images[1]).abs().max() < 0.03


def test_sound_is_kept_at_its_own_rate(clips: list[Clip]) -> None:
    assert clips[1].sample_rate_hz == RATE_HZ
    assert len(clips[1].waveform) == 2 * RATE_HZ
    assert np.abs(clips[1].waveform).max() == 32767


def test_teachers_hear_windows_spread_over_the_recording() -> None:
    assert window_starts(2.0).tolist() == [0.0]
    assert window_starts(90.0).tolist()[::7] == [0.0, 80.0]


def test_what_cannot_be_read_or_is_silent_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    for name, sample in (("silent", 0.0), ("nan", np.nan), ("infinite", np.inf)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(RATE_HZ, sample), RATE_HZ, subtype="FLOAT")
    entries = [(recording(path.stem, None), path) for path in sorted(tmp_path.glob("*.wav"))]
    assert prepare(entries, FakeTeachers, tmp_path) == 0
    assert "broken" in caplog.text
    assert caplog.text.count("no sound that could be used") == 3


def test_processes_share_the_recordings(tmp_path: Path, songs: list[tuple[Recording, Path]]) -> None:
    entries = songs[:3]
    assert prepare_side_by_side(entries, FakeTeachers, tmp_path, processes=2) == 3
    assert len(load_clips(tmp_path, [entry for entry, _ in entries])) == 3


def test_sounds_that_are_not_music_are_made_alike_each_time(tmp_path: Path) -> None:
    noise = next(sound for sound in made_sounds() if sound.path == "train/4")
    assert np.array_equal(sound_of(noise).samples, sound_of(noise).samples)
    prepare([(noise, Path())], FakeTeachers, tmp_path)
    assert load_clips(tmp_path, [noise])[0].label == NOT_MUSIC_INDEX


def test_clips_that_are_not_prepared_are_not_loaded(tmp_path: Path) -> None:
    assert load_clips(tmp_path, [recording("nowhere", "Jazz")]) == []


def test_half_a_clip_is_prepared_again(tmp_path: Path, songs: list[tuple[Recording, Path]]) -> None:
    prepare(songs[:1], FakeTeachers, tmp_path)
    entry = songs[0][0]
    waveform_file(load_clips(tmp_path, [entry])[0].file).unlink()
    assert load_clips(tmp_path, [entry]) == []
    assert prepare(songs[:1], FakeTeachers, tmp_path) == 1
    assert len(load_clips(tmp_path, [entry])[0].waveform) == 12 * RATE_HZ


def test_a_clip_whose_preparation_is_stopped_counts_as_not_prepared(
    tmp_path: Path, songs: list[tuple[Recording, Path]]
) -> None:
    class Stopped(FakeTeachers):
        def __call__(self, *_: object) -> NoReturn:
            raise KeyboardInterrupt

    prepare(songs[:1], FakeTeachers, tmp_path)
    entry = songs[0][0]
    waveform_file(load_clips(tmp_path, [entry])[0].file).unlink()
    with pytest.raises(KeyboardInterrupt):
        prepare(songs[:1], Stopped, tmp_path)
    assert load_clips(tmp_path, [entry]) == []


def test_clips_keep_no_file_open(clips: list[Clip]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    parts = [clip.waveform[:10].copy() for clip in clips for _ in range(20)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert len(parts) == 20 * len(clips)


def test_images_of_both_kinds_have_one_size(clips: list[Clip]) -> None:
    assert first_inputs(clips, "cqt").shape == first_inputs(clips, "mel").shape == torch.Size([len(clips), 3, 224, 224])
    assert replace(MEL, kind="cqt", f_min_hz=CQT.f_min_hz) == CQT
