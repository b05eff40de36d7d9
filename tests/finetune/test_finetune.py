"""A model of one's own from a folder per genre: real audio in, a folder that every interface can use out."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from acousticsense.cli.main import main
from acousticsense.errors import CheckpointError, CorruptCheckpointError, RequestError, SettingsError
from acousticsense.evaluation.dataset import LabelledClip, read_items
from acousticsense.evaluation.evaluate import evaluate
from acousticsense.finetune import Finetuned, Options, finetune
from acousticsense.finetune.folds import assign_folds
from acousticsense.finetune.head import Examples, fit_head
from acousticsense.finetune.tracks import Material, gather
from acousticsense.finetune.trainer import Trainer, kept_array
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.catalog import Catalog
from acousticsense.models.importer import install
from acousticsense.models.load import load_resolved
from acousticsense.settings import Settings
from tests.conftest import RATE_HZ, play_chords


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (RATE_HZ * 11, 2)).astype(np.float32)


def _pulses(seed: int) -> np.ndarray:
    """Dull clicks, two to five a second."""
    source = np.random.default_rng(seed)
    piece = np.zeros((RATE_HZ * 11, 2), np.float32)
    for start in range(0, len(piece) - 2000, RATE_HZ // source.integers(2, 6)):
        piece[start : start + 2000] = 0.6 * np.hanning(2000)[:, None]
    return piece


SOUNDS: dict[str, Callable[[int], np.ndarray]] = {
    "京剧": lambda seed: play_chords(11, seed=seed),
    "Tick & Tock": _pulses,
    "not_music": _noise,
}


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four files of each of two genres in two artists' folders, four of noise, and one broken file."""
    root = tmp_path_factory.mktemp("own")
    for genre, play in SOUNDS.items():
        for number in range(4):
            folder = root / genre / f"artist {number % 2} of {genre}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{number}.ogg", play(number), RATE_HZ)
    (root / "京剧" / "broken.mp3").write_text("no audio")
    return root


@pytest.fixture(scope="session")
def own_settings(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    cache = tmp_path_factory.mktemp("cache")
    return Settings(models=tiny_models, model="tiny", device="cpu", cache_dir=cache)


@pytest.fixture(scope="session")
def own(own_folder: Path, own_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finetuned]:
    """The folder of a model trained on `own_folder`, and what was reported."""
    out = tmp_path_factory.mktemp("models") / "own"
    return out, finetune(
        own_folder, out, options=Options(command="acousticsense finetune own/\udce9"), settings=own_settings
    )


def test_the_model_knows_the_folders_names(own: tuple[Path, Finetuned]) -> None:
    out, result = own
    spec = Catalog(out.parent).spec("own")
    assert spec.labels == ("Tick & Tock", "京剧")
    assert spec.has_not_music
    assert spec.metrics["real_test"]["n"] == result.evaluation.n == 8
    assert Catalog(out.parent).verify()[0].error is None


def test_it_tells_them_apart_on_new_sounds(own: tuple[Path, Finetuned], tmp_path: Path, own_settings: Settings) -> None:
    out, _ = own
    classifier = GenreClassifier.load(out, settings=own_settings)
    for genre, play in SOUNDS.items():
        soundfile.write(tmp_path / "new.wav", play(99), RATE_HZ)
        prediction = classifier.predict(tmp_path / "new.wav")
        if genre == "not_music":
            assert prediction.not_music is not None
            assert prediction.not_music > 0.5
        else:
            assert prediction.top(1)[0].label == genre


def test_every_track_is_predicted_once_by_a_network_trained_without_it(
    own: tuple[Path, Finetuned], own_folder: Path
) -> None:
    _, result = own
    analysed = sorted(clip.path for clip in result.evaluation.clips)
    assert analysed == sorted(path for path in own_folder.glob("*/*/*.ogg") if "not_music" not in path.parts)
    assert result.evaluation.not_music is not None
    assert result.evaluation.not_music.n == 4


def test_out_of_fold_answers_come_the_way_that_users_take(
    own: tuple[Path, Finetuned], own_folder: Path, own_settings: Settings
) -> None:
    """The classifier on all tracks agrees with the out-of-fold ones on data this easy; a wrong window would not."""
    out, result = own
    again = evaluate(GenreClassifier.load(out, settings=own_settings), read_items(own_folder))
    assert (again.n, again.accuracy) == (8, 1.0)
    assert result.evaluation.accuracy >= 0.75
    assert list(again.unreadable) == list(result.skipped) == [str(own_folder / "京剧" / "broken.mp3")]


def test_the_card_tells_what_was_done(own: tuple[Path, Finetuned]) -> None:
    out, result = own
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "acousticsense finetune own/\\xe9" in card
    assert "| 京剧 | 4 | 2 |" in card
    assert "each analysed by a network that was trained without it" in card
    assert "broken.mp3" in card
    assert "to be filled in by whoever trained them" in card
    assert f"| {result.evaluation.n} | {result.evaluation.accuracy:.3f} |" in card
    assert "confident is never said" in card
    for name in ("confusion.png", "reliability.png", "report.json", "misclassified.csv"):
        assert (out / "evaluation" / name).stat().st_size > 0


def test_eight_clips_earn_no_confidence(own: tuple[Path, Finetuned]) -> None:
    _, result = own
    assert any(note.startswith("confident") for note in result.unmet_criteria)
    assert result.spec.calibration.confident_at > 1


def test_a_second_run_decodes_nothing_again_and_gives_the_same(
    own: tuple[Path, Finetuned],
    own_folder: Path,
    own_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, first = own
    monkeypatch.setattr("acousticsense.finetune.features.FeatureStore._compute", _fails_but_for("broken.mp3"))
    second = finetune(own_folder, tmp_path / "again", settings=own_settings)
    assert second.evaluation.clips == first.evaluation.clips


def _fails_but_for(name: str) -> Callable[..., None]:
    from acousticsense.errors import AudioDecodeError

    def compute(_store: object, track: object, **_: object) -> None:
        assert track.path.name == name, "decoded again"  # type: ignore[attr-defined]
        raise AudioDecodeError("broken")

    return compute


def test_a_run_that_was_stopped_leaves_no_model_and_goes_on(
    own_folder: Path, own_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from acousticsense.finetune.features import FeatureStore

    settings = own_settings.replace(cache_dir=tmp_path / "cache")
    compute, done = FeatureStore._compute, []

    def stop_at_the_third(store: FeatureStore, track: object, **options: bool) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        compute(store, track, **options)  # type: ignore[arg-type]
        done.append(track)

    monkeypatch.setattr(FeatureStore, "_compute", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        finetune(own_folder, tmp_path / "models" / "own", settings=settings)
    assert not (tmp_path / "models").exists()
    assert len(list(tmp_path.glob("cache/finetune/*/*.npz"))) == 2


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", None])
def test_answers_that_a_killed_run_left_damaged_are_computed_again(tmp_path: Path, left: bytes | None) -> None:
    path, answers = tmp_path / "answers.npy", np.eye(3, dtype=np.float32)
    if left is None:
        np.save(path, answers)
        left = path.read_bytes()[:-8]
    path.write_bytes(left)
    np.testing.assert_array_equal(kept_array(path, lambda: answers), answers)
    np.testing.assert_array_equal(kept_array(path, lambda: 9 * answers), answers)  # and are kept


def test_the_last_blocks_can_be_trained_too(own_folder: Path, own_settings: Settings, tmp_path: Path) -> None:
    options = Options(unfreeze=1, epochs=1, n_folds=2)
    result = finetune(own_folder, tmp_path / "models" / "deep", options=options, settings=own_settings)
    assert "the last 1 blocks" in (tmp_path / "models" / "deep" / "README.md").read_text(encoding="utf-8")
    base, _ = load_resolved(Catalog(own_settings.models).find("tiny"))
    trained, _ = load_resolved(Catalog(tmp_path / "models").find("deep"))
    changed = {
        name.split(".")[1]
        for (name, before), after in zip(base.named_parameters(), trained.parameters(), strict=True)
        if name.startswith("blocks.") and not torch.equal(before, after)
    }
    assert changed == {str(len(base.blocks) - 1)}
    assert result.evaluation.accuracy >= 0.5
    assert not list(own_settings.cache_dir.glob("finetune/*/????????????????????????????????*.npy"))


def test_a_run_removes_its_own_images_and_answers_only(
    own_folder: Path, own_settings: Settings, tmp_path: Path
) -> None:
    network, spec = load_resolved(Catalog(own_settings.models).find("tiny"))
    settings = own_settings.replace(cache_dir=tmp_path)
    material = gather([item for item in read_items(own_folder) if item.path.suffix == ".ogg"])
    deep = Trainer(network, spec, material, Options(unfreeze=1), settings)
    folder = deep.store.folder
    for name in (others := ("f" * 64 + ".npy", "answers-other-0-of-2.npy")):
        np.save(folder / name, 0)
    deep._answers_path(0).touch()
    Trainer(network, spec, material, Options(), settings).clean_up()
    assert len(list(folder.glob("*.npy"))) == len(material.tracks) + 3
    deep.clean_up()
    assert sorted(path.name for path in folder.glob("*.npy")) == sorted(others)


def test_a_fold_may_have_more_tracks_than_files_may_be_open(
    own_folder: Path, own_settings: Settings, tmp_path: Path
) -> None:
    network, spec = load_resolved(Catalog(own_settings.models).find("tiny"))
    material = gather([item for item in read_items(own_folder) if item.path.suffix == ".ogg"])
    trainer = Trainer(network, spec, material, Options(unfreeze=1), own_settings.replace(cache_dir=tmp_path))
    trainer._folds = np.zeros(len(material.tracks), int)
    once = trainer._logits(network, 0)
    trainer.material = Material(tracks=40 * material.tracks)
    trainer._features = 40 * trainer._features
    trainer._folds = np.zeros(len(trainer.material.tracks), int)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    room_for_20 = [number for number in range(len(used) + 20) if number not in used][19] + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (room_for_20, limits[1]))
    try:
        logits = trainer._logits(network, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    np.testing.assert_allclose(logits, np.tile(once, (40, 1)), atol=1e-5)


def test_the_command(
    own_folder: Path,
    own_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(own_settings.models))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "tiny")
    monkeypatch.setenv("ACOUSTICSENSE_CACHE_DIR", str(own_settings.cache_dir))
    command = ["finetune", str(own_folder), "--out", str(tmp_path / "mine")]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 8
    assert main(command) == 1
    assert "There is a model 'mine' already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert "is ready" in capsys.readouterr().out
    files = sorted(own_folder.rglob("*"))
    assert main(["finetune", str(own_folder), "--out", str(own_folder), "--force"]) == 1
    assert "is there already, and no model" in capsys.readouterr().err
    assert sorted(own_folder.rglob("*")) == files
    song = next(own_folder.glob("京剧/*/0.ogg"))
    assert main(["predict", "--model", str(tmp_path / "mine"), str(song)]) == 0
    assert "京剧" in capsys.readouterr().out


def clips(**counts: int) -> list[LabelledClip]:
    return [LabelledClip(Path(f"{genre}{n}.wav"), genre) for genre, count in counts.items() for n in range(count)]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (clips(Jazz=9), "Genres with usable files: 1;"),
        (clips(Jazz=9, not_music=9), "Genres with usable files: 1;"),
        (clips(Jazz=9, Polka=1, Rock=2), "Polka with one each"),
    ],
)
def test_too_little_is_told_before_anything_is_read(items: list[LabelledClip], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        gather(items)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(CheckpointError, match="mine cannot be written"):
        finetune(tmp_path / "nothing", tmp_path / "occupied" / "mine")


def test_files_that_turn_out_broken_count_as_missing(tmp_path: Path, own_settings: Settings) -> None:
    for name in ("A/1.wav", "A/2.wav", "B/1.wav", "B/2.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(
            tmp_path / name, np.random.default_rng(ord(name[0]) * 9 + int(name[2])).normal(0, 0.1, 22050), 22050
        )
    (tmp_path / "B" / "2.wav").write_text("no audio")
    with pytest.raises(SettingsError, match=r"Too few usable files \(1 files are left out\): B"):
        finetune(tmp_path, tmp_path / "out", settings=own_settings)


def test_a_copy_counts_once_and_a_file_in_two_genres_not_at_all(tmp_path: Path) -> None:
    items = []
    for name, content in {"A1": "x", "A2": "y", "A3": "y", "A4": "z", "B1": "u", "B2": "v", "B3": "z"}.items():
        (tmp_path / name).write_text(content)
        items.append(LabelledClip(tmp_path / name, name[0]))
    material = gather(items)
    assert [track.path.name for track in material.tracks] == ["A1", "A2", "B1", "B2"]
    assert {Path(path).name for path in material.skipped} == {"A3", "A4", "B3"}


def test_names_that_are_no_utf8_are_written_as_text(tmp_path: Path) -> None:
    names = ("Vari\udce9t\udce9/a", "Vari\udce9t\udce9/b", "Vari\udce9t\udce9/\udce0", "Pop/c", "Pop/d", "Pop/\udce8")
    for name, content in zip(names, "abacde", strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    material = gather([LabelledClip(tmp_path / name, name.split("/")[0]) for name in names])
    material = material.without({str(tmp_path / "Pop/\udce8"): "broken"})
    assert material.labels == ("Pop", "Vari\\xe9t\\xe9")
    assert len(material.tracks) == 4
    assert len(material.skipped) == 2
    "".join([*material.labels, *material.skipped, *material.skipped.values()]).encode()


def test_the_artist_of_a_tag_is_a_group(tmp_path: Path) -> None:
    items = []
    for number, artist in enumerate(("Ella", "ella", "Louis", "")):
        path = tmp_path / f"{number}.flac"
        with soundfile.SoundFile(path, "w", 22050, 1) as file:
            if artist:
                file.artist = artist
            file.write(np.full(100, number / 10))
        items.append(LabelledClip(path, "AB"[number % 2]))
    groups = [track.group for track in gather(items).tracks]
    assert groups[:3] == ["ella", "ella", "louis"]
    assert groups[3] not in ("", "ella", "louis")


def test_options_are_checked() -> None:
    with pytest.raises(RequestError, match="n_folds is 1"):
        Options(n_folds=1)


def test_no_group_lies_in_two_folds_and_every_fold_can_learn_every_genre() -> None:
    source = np.random.default_rng(0)
    genres = ["A"] * 40 + ["B"] * 20 + ["C"] * 6
    groups = [f"{genre}{source.integers(2 if genre == 'C' else 9)}" for genre in genres]
    folds, single = assign_folds(genres, groups, most=5, seed=0)
    assert single == ()
    for group in set(groups):
        assert len({fold for fold, other in zip(folds, groups, strict=True) if other == group}) == 1
    for fold in set(folds):
        assert {genre for genre, other in zip(genres, folds, strict=True) if other != fold} == {"A", "B", "C"}


def test_a_genre_of_one_artist_is_split_by_track_and_named() -> None:
    folds, single = assign_folds(["A", "A", "B", "B"], ["x", "x", "y", "z"], most=5, seed=0)
    assert single == ("A",)
    assert folds[0] != folds[1]


def test_the_head_is_solved_to_convergence_and_is_indifferent_to_scale() -> None:
    source = np.random.default_rng(0)
    targets = np.arange(90) % 3
    features = (source.normal(0, 1, (90, 5)) + 2 * np.eye(3, 5)[targets]).astype(np.float32)
    examples = Examples(features=features, targets=targets, weights=np.full(90, 1 / 90))
    head = fit_head(examples, 3)
    scaled = fit_head(replace(examples, features=features * 50 + 7), 3)
    assert np.mean(head.logits(features).argmax(1) == targets) > 0.85
    assert np.allclose(head.logits(features), scaled.logits(features * 50 + 7), atol=0.02)


def test_rare_genres_are_not_drowned() -> None:
    source = np.random.default_rng(0)
    targets = np.array([0] * 95 + [1] * 5)
    features = (source.normal(0, 1, (100, 2)) + 1.5 * targets[:, None]).astype(np.float32)
    shares = 0.5 / np.bincount(targets)[targets]
    even = fit_head(Examples(features=features, targets=targets, weights=shares), 2)
    assert np.mean(even.logits(features)[targets == 1].argmax(1) == 1) >= 0.8


def test_a_base_that_cannot_answer_is_refused_before_the_work(
    own_folder: Path, own_settings: Settings, tmp_path: Path
) -> None:
    network, spec = load_resolved(Catalog(own_settings.models).find("tiny"))
    tensors = dict(network.state_dict())
    tensors["norm.weight"] = torch.full_like(tensors["norm.weight"], 3e38)  # finite, and what it makes is not
    mute = Catalog(tmp_path / "models")
    install(mute, tensors, replace(spec, name="mute"))
    with pytest.raises(CorruptCheckpointError, match="not finite"):
        finetune(own_folder, tmp_path / "mine", base=str(mute.root / "mute"), settings=own_settings)
    assert not (tmp_path / "mine").exists()
