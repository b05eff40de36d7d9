"""Soft labels and the images that are drawn with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from acousticsense.models.genres import GENRES
from acousticsense.training.augment import augment
from acousticsense.training.clips import N_OUTPUTS, Clip
from acousticsense.training.dataset import TrainingImages, clip_odds
from acousticsense.training.labels import labels_table
from acousticsense.training.recipe import recipe_of
from acousticsense.training.targets import Targets, in_folds, known_label, make_targets
from acousticsense.training.teachers.zero_shot import ClassLists
from tests.training.conftest import of_split, recording

JAZZ, METAL, HIP_HOP, RAP = (GENRES.index(genre) for genre in ("Jazz", "Metal", "Hip-Hop", "Rap"))


@pytest.fixture(scope="module")
def targets(clips: list[Clip], class_lists: ClassLists) -> tuple[Targets, Targets]:
    return make_targets(of_split(clips, "train"), of_split(clips, "val"), class_lists)


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


def test_folds_hold_artists_out_and_every_clip_once(clips: list[Clip], class_lists: ClassLists) -> None:
    train = [
        replace(clip, recording=replace(clip.recording, artist=f"{clip.recording.artist} {number}"))
        for clip in of_split(clips, "train")
        for number in range(3)
    ]
    folds = list(in_folds(train, class_lists))
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
    recipe = recipe_of({"architecture": "resnet18", "title": "t", "steps": 1, "batch_size": 3, "cqt": 0.5})
    train = of_split(clips, "train")
    every = iter(TrainingImages(train, targets[0], recipe))
    next(every)
    second = next(every)
    again = next(iter(TrainingImages(train, targets[0], recipe, first=1)))
    assert all(a.equal(b) for a, b in zip(second, again, strict=True))
    assert second.images.shape == (3, 3, 224, 224)
    assert second.targets.sum(1).numpy() == pytest.approx(1, abs=1e-5)


def test_augmented_windows_have_the_same_shape_and_finite_values() -> None:
    values = np.random.default_rng(0).normal(-5, 2, (128, 431)).astype(np.float32)
    for seed in range(20):
        view = augment(values, np.random.default_rng(seed))
        assert view.shape == values.shape
        assert np.isfinite(view).all()
