"""Soft labels and the images that are drawn with them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.training.augment import augment
from acousticsense.training.clips import N_OUTPUTS, Clip
from acousticsense.training.dataset import Batch, TrainingImages, clip_odds, cut
from acousticsense.training.recipe import Recipe
from acousticsense.training.targets import Targets, in_folds, known_label, labels_table, make_targets
from tests.training.conftest import RATE_HZ, of_split, recording

JAZZ, METAL, HIP_HOP, RAP = (GENRES.index(genre) for genre in ("Jazz", "Metal", "Hip-Hop", "Rap"))


@pytest.fixture(scope="module")
def targets(clips: list[Clip], teachers: Path) -> tuple[Targets, Targets]:
    return make_targets(of_split(clips, "train"), of_split(clips, "val"), teachers)


def test_soft_labels_are_probabilities_of_every_window(targets: tuple[Targets, Targets], clips: list[Clip]) -> None:
    for soft, clip in zip(targets[0].soft, of_split(clips, "train"), strict=True):
        assert soft.shape == (len(clip.starts_s), N_OUTPUTS)
        assert soft.sum(1) == pytest.approx(1, abs=1e-5)


def test_known_labels_count_and_unlabelled_music_gets_the_probes_posterior(
    targets: tuple[Targets, Targets],
) -> None:
    jazz, _, metal, _, unknown = targets[0].soft
    assert jazz.argmax(1).tolist() == [JAZZ]
    assert set(metal.argmax(1)) == {METAL}
    assert unknown.argmax(1).tolist() == [METAL]  # it sounds high


def test_artists_that_taught_the_probe_nothing_are_named(targets: tuple[Targets, Targets]) -> None:
    assert [posterior.mean(0).argmax() for posterior in targets[1].unlabelled] == [JAZZ, METAL]


def test_folds_hold_artists_out_and_every_clip_once(clips: list[Clip], teachers: Path) -> None:
    train = [
        replace(clip, recording=replace(clip.recording, artist=f"{clip.recording.artist} {number}"))
        for clip in of_split(clips, "train")
        for number in range(3)
    ]
    folds = list(in_folds(train, teachers))
    assert sorted(clip.recording.artist for _, _, held_out in folds for clip in held_out) == sorted(
        clip.recording.artist for clip in train
    )
    for rest, targets, held_out in folds:
        assert len(rest) + len(held_out) == len(train)
        assert not {clip.recording.artist for clip in rest} & {clip.recording.artist for clip in held_out}
        assert len(targets.soft) == len(rest)


def test_how_right_soft_labels_are_is_told(targets: tuple[Targets, Targets], clips: list[Clip]) -> None:
    text = labels_table([("validation", of_split(clips, "val"), targets[1])])
    assert "| validation | 2 | 1.000 |" in text


def test_rapped_hip_hop_is_hip_hop_first_and_rap_second() -> None:
    rapped = known_label(recording("a", "Hip-Hop", known_by="GTZAN"))
    assert rapped[HIP_HOP] > rapped[RAP] > 0.3
    assert known_label(recording("a", "Hip-Hop", known_by="album"))[HIP_HOP] == 1
    assert not known_label(recording("a", None)).any()


def test_classes_are_drawn_nearly_alike(targets: tuple[Targets, Targets], clips: list[Clip]) -> None:
    odds = clip_odds(of_split(clips, "train"), targets[0])
    assert odds.sum() == pytest.approx(1)
    assert odds[0] > odds[4]  # a sure label before none


def test_batches_are_the_same_for_the_same_seed_and_go_on_where_a_run_stopped(
    targets: tuple[Targets, Targets], clips: list[Clip]
) -> None:
    recipe = Recipe(architecture="resnet18", title="t", steps=1, batch_size=3, cqt=0.5)
    train = of_split(clips, "train")
    tagger = build_network("efficientat_mn04", N_OUTPUTS).eval()
    every = iter(TrainingImages(train, targets[0], tagger, recipe))
    next(every)
    second = next(every)
    again = next(iter(TrainingImages(train, targets[0], tagger, recipe, first=1)))
    assert all(a.equal(b) for a, b in zip(second, again, strict=True))
    assert second.images.shape == (3, 3, 224, 224)
    assert second.targets.sum(1).numpy() == pytest.approx(1, abs=1e-5)


def test_several_processes_make_the_same_batches_in_the_same_order(
    targets: tuple[Targets, Targets], clips: list[Clip]
) -> None:
    recipe = Recipe(architecture="resnet18", title="t", steps=1, batch_size=2)
    tagger = build_network("efficientat_mn04", N_OUTPUTS).eval()
    images = TrainingImages(of_split(clips, "train"), targets[0], tagger, recipe)
    alone, together = (
        list(itertools.islice(DataLoader(images, batch_size=None, num_workers=count), 3)) for count in (1, 2)
    )
    for one, other in zip(alone, together, strict=True):
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))


class FakeTagger(nn.Module):
    """A tagger that keeps what it was given and what it found, and always answers the same."""

    def __init__(self) -> None:
        super().__init__()
        self.log_mels: list[Tensor] = []
        self.features = torch.empty(0)

    def forward_features(self, log_mels: Tensor) -> Tensor:
        self.log_mels += list(log_mels[:, 0])
        return log_mels

    def forward_head(self, log_mels: Tensor, *, pre_logits: bool) -> Tensor:
        assert pre_logits
        self.features = log_mels.mean((1, 3)).repeat(1, 3)
        return self.features

    def classifier(self, features: Tensor) -> Tensor:
        return torch.full((len(features), N_OUTPUTS), -100.0).index_fill(1, torch.tensor(RAP), 100.0)


def with_sound(clip: Clip, waveform: NDArray[np.floating], path: Path) -> Clip:
    np.save(path, (waveform * 32767).astype(np.int16))
    return replace(clip, file=path.with_suffix(".npz"), sample_rate_hz=RATE_HZ)


#: Mel images of one recording each, as they are.
PLAIN = Recipe(architecture="resnet18", title="t", steps=1, batch_size=12, cqt=0.0, augmented=0.0, mixed=0.0)


def drawn(clips: list[Clip], soft: list[NDArray[np.float32]], recipe: Recipe) -> tuple[FakeTagger, Batch]:
    """The first batch, with a tagger that remembers."""
    tagger = FakeTagger()
    return tagger, next(iter(TrainingImages(clips, Targets(soft, soft), tagger, recipe)))


def test_the_tagger_is_given_the_sound_of_each_image(clips: list[Clip], tmp_path: Path) -> None:
    """Of a tone that rises for 60 s, image and tagger see the same part."""
    time_s = np.arange(60 * RATE_HZ) / RATE_HZ
    rising = with_sound(clips[2], np.sin(2 * np.pi * (200 + 40 * time_s) * time_s), tmp_path / "rising.npy")
    soft = np.eye(N_OUTPUTS, dtype=np.float32)[[JAZZ] * len(rising.starts_s)]
    tagger, batch = drawn([rising], [soft], PLAIN)
    assert batch.targets[:, RAP].numpy() == pytest.approx(0.5, abs=0.01)  # half of each target is its answer
    assert batch.targets[:, JAZZ].numpy() == pytest.approx(0.5, abs=0.01)  # and half the soft label
    heights = [-float(image[0].mean(1).argmax()) for image in batch.images]
    bands = [float(log_mel.mean(1).argmax()) for log_mel in tagger.log_mels]
    assert len(set(bands)) > 6
    assert np.corrcoef(heights, bands)[0, 1] > 0.95


def test_two_recordings_at_once_have_both_labels_by_their_power(clips: list[Clip], tmp_path: Path) -> None:
    time_s = np.arange(12 * RATE_HZ) / RATE_HZ
    pair = [
        with_sound(clip, np.sin(2 * np.pi * frequency_hz * time_s), tmp_path / f"{frequency_hz}.npy")
        for clip, frequency_hz in ((clips[0], 300), (clips[3], 6000))
    ]
    soft = [np.eye(N_OUTPUTS, dtype=np.float32)[[genre]] for genre in (JAZZ, METAL)]
    tagger, batch = drawn(pair, soft, replace(PLAIN, mixed=1.0))
    louder = [float(log_mel[:50].max() - log_mel[50:].max()) for log_mel in tagger.log_mels]  # the low tone, by so much
    assert (batch.targets[:, JAZZ] + batch.targets[:, METAL]).numpy() == pytest.approx(0.5, abs=1e-4)
    assert np.corrcoef(louder, (batch.targets[:, JAZZ] - batch.targets[:, METAL]).numpy())[0, 1] > 0.8
    assert 2 < sum(0.01 < share < 0.49 for share in batch.targets[:, JAZZ].tolist()) < 12


@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
@pytest.mark.parametrize("duration_s", [0.5, 2.0, 9.5, 10.0, 10.6, 90.0])
def test_windows_are_cut_from_recordings_of_any_length_and_rate(duration_s: float, rate_hz: int) -> None:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    growing = time_s / duration_s * np.sin(2 * np.pi * 3000 * time_s)
    waveform = (15_000 * (np.sin(2 * np.pi * 300 * time_s) + growing)).astype(np.int16)
    for seed in range(20):
        window, middle_s = cut(waveform, rate_hz, np.random.default_rng(seed))
        assert (len(window.for_image), len(window.for_tagger)) == (220_500, 320_000)
        assert np.isfinite(window.for_image).all()
        assert 0 < middle_s < duration_s
        if duration_s > 20:  # how loud the growing tone is beside the other tells where it was cut
            for samples in window:
                power = np.square(np.abs(np.fft.rfft(samples)))
                border = 10_000  # the bin of 1 kHz: bins are a tenth of a hertz wide
                found_s = duration_s * np.sqrt(power[border:].sum() / power[:border].sum())
                assert found_s == pytest.approx(middle_s, abs=1.5)


def test_windows_have_the_level_of_the_image_at_both_rates() -> None:
    time_s = np.arange(20 * 48_000) / 48_000
    audible = np.sin(2 * np.pi * 1000 * time_s)
    above = np.sin(2 * np.pi * 14_000 * time_s)  # which an image does not show, and the tagger is given
    window, _ = cut((15_000 * (audible + above)).astype(np.int16), 48_000, np.random.default_rng(0))
    for_image, for_tagger = (20 * np.log10(np.sqrt(np.mean(np.square(samples)))) for samples in window)
    assert for_image == pytest.approx(-20, abs=0.1)
    assert for_tagger == pytest.approx(-17, abs=0.2)


def test_features_are_the_taggers_standardised(clips: list[Clip], targets: tuple[Targets, Targets]) -> None:
    tagger, batch = drawn(of_split(clips, "train"), targets[0].soft, replace(PLAIN, mixed=0.5))
    for found, given in zip(tagger.features.numpy().T, batch.features.numpy().T, strict=True):
        is_inside = np.abs(given) < 3.99
        if is_inside.sum() > 2:
            slope, offset = np.polyfit(found[is_inside], given[is_inside], 1)
            np.testing.assert_allclose(slope * found[is_inside] + offset, given[is_inside], atol=1e-3)
    assert (np.abs(batch.features.numpy()) < 3.99).mean() > 0.05


@pytest.mark.parametrize("recipe", [replace(PLAIN, cqt=1.0), replace(PLAIN, augmented=1.0)], ids=["cqt", "augmented"])
def test_shares_of_other_images_change_images_alone(
    recipe: Recipe, clips: list[Clip], targets: tuple[Targets, Targets]
) -> None:
    train = of_split(clips, "train")
    plain, other = (drawn(train, targets[0].soft, each)[1] for each in (PLAIN, recipe))
    assert plain.targets.equal(other.targets)
    assert plain.features.equal(other.features)
    assert not any(one.allclose(two, atol=0.05) for one, two in zip(plain.images, other.images, strict=True))


def test_augmented_windows_have_the_same_shape_and_finite_values() -> None:
    values = np.random.default_rng(0).normal(-5, 2, (128, 431)).astype(np.float32)
    for seed in range(20):
        view = augment(values, np.random.default_rng(seed))
        assert view.shape == values.shape
        assert np.isfinite(view).all()
