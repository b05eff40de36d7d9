"""Genres for files that were sent: the plan, copies in a zip that are checked, and the record that takes them back."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from acousticsense.cli.main import main
from acousticsense.errors import DecoderCrashError, OverloadError
from acousticsense.files import sha256_of
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.batch import Batch
from acousticsense.library.copies import UNDO_NAME, genres_to_write, tagged
from acousticsense.library.tag_task import TagTask, carry_out
from acousticsense.library.tags import TagPlan, audio_sha256, plan_tag, read_genre, write_tag
from acousticsense.library.uploads import Upload
from tests.library.conftest import EXAMPLES
from tests.library.test_batch import analysed


@pytest.fixture
def sent(tmp_path: Path) -> list[Path]:
    """A song without a genre, one with another genre, and an archive with a third."""
    folder = tmp_path / "sent"
    folder.mkdir()
    for name in ("starfall.mp3", "sky-vibe.ogg"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    write_tag(plan_tag(str(folder / "sky-vibe.ogg"), "Polka", overwrite=True))
    with zipfile.ZipFile(folder / "专辑.zip", "w") as archive:
        archive.writestr("盘/../风笛.wav", (EXAMPLES / "scottish-bagpipes.wav").read_bytes())
        archive.writestr("bad.mp3", b"no audio")
    return [folder / name for name in ("starfall.mp3", "sky-vibe.ogg", "专辑.zip")]


@pytest.fixture
def batch(classifier: GenreClassifier, sent: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    # A name that leads upwards leads nowhere: it will stand in the zip.
    return analysed(classifier, [Upload(path=path, name=f"../{path.name}") for path in sent])


GENRES = {0: "Jazz", 1: "Rock", 2: "Folk"}
NAMES = ["starfall.mp3", "sky-vibe.ogg", "专辑.zip/盘/风笛.wav"]


def actions(plans: list[TagPlan]) -> list[tuple[str, str]]:
    return [(plan.path, plan.action) for plan in plans]


def write(batch: Batch, target: Path, *, overwrite: bool, room: Callable[[int], None] | None = None) -> list[TagPlan]:
    return [*tagged(batch, GENRES, overwrite=overwrite, tag=carry_out, target=target, room=room)]


def test_what_is_corrected_or_accepted_is_to_be_written(batch: Batch) -> None:
    accepted = genres_to_write(batch, 0.0)
    assert set(accepted) <= {0, 1, 2}
    assert genres_to_write(batch, None) == {}
    batch.correct(1, "Jazz")
    assert genres_to_write(batch, None) == {1: "Jazz"}
    assert genres_to_write(batch, 0.0) == {**accepted, 1: "Jazz"}


def test_a_plan_says_what_would_be_and_changes_nothing(batch: Batch, sent: list[Path], tmp_path: Path) -> None:
    before = [sha256_of(path) for path in sent]
    plans = [*tagged(batch, GENRES, overwrite=False, tag=carry_out)]
    assert actions(plans) == list(zip(NAMES, ["write", "keep", "write"], strict=True))
    assert (plans[1].old, plans[1].new) == ("Polka", "Rock")
    assert [sha256_of(path) for path in sent] == before
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_copies_have_the_genre_and_originals_stay_and_the_record_leads_back(
    batch: Batch, sent: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [sha256_of(path) for path in sent]
    target = tmp_path / "tagged.zip"
    grown: list[int] = []
    plans = write(batch, target, overwrite=True, room=grown.append)
    assert actions(plans) == [(name, "write") for name in NAMES]
    assert [sha256_of(path) for path in sent] == before
    assert [*(tmp_path / "tmp").iterdir()] == []
    out = tmp_path / "out"
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == [*NAMES, UNDO_NAME]
        archive.extractall(out)
    assert grown == [(out / name).stat().st_size for name in NAMES]
    assert [read_genre(out / name) for name in NAMES] == ["Jazz", "Rock", "Folk"]
    originals = [sent[0], sent[1], EXAMPLES / "scottish-bagpipes.wav"]
    assert [audio_sha256(out / name) for name in NAMES] == [audio_sha256(path) for path in originals]
    monkeypatch.chdir(out)
    assert main(["tag", "--undo", UNDO_NAME]) == 0
    assert [sha256_of(out / name) for name in NAMES] == [sha256_of(path) for path in originals]


def test_only_what_was_written_is_packed_and_what_cannot_be_says_why(
    batch: Batch, sent: list[Path], tmp_path: Path
) -> None:
    sent[0].unlink()
    target = tmp_path / "tagged.zip"
    plans = write(batch, target, overwrite=False)
    assert actions(plans) == list(zip(NAMES, ["refuse", "keep", "write"], strict=True))
    assert plans[0].reason == "The server no longer has this file. Send it again."
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == [NAMES[2], UNDO_NAME]


def test_a_file_that_crashes_its_process_costs_its_own_tag(batch: Batch, tmp_path: Path) -> None:
    def careless(task: TagTask) -> TagPlan:
        if task.name == NAMES[0]:
            raise DecoderCrashError("The decoder was killed by SIGSEGV on this file.")
        return carry_out(task)

    made = tagged(batch, GENRES, overwrite=True, tag=careless, target=tmp_path / "tagged.zip")
    assert [plan.action for plan in made] == ["refuse", "write", "write"]


@pytest.mark.parametrize("packs", [True, False])
def test_one_file_lies_unpacked_at_a_time(batch: Batch, tmp_path: Path, packs: bool) -> None:
    lying: list[int] = []

    def crash(_: TagTask) -> TagPlan:
        lying.append(sum(path.suffix in (".mp3", ".ogg", ".wav") for path in (tmp_path / "tmp").rglob("*")))
        raise DecoderCrashError("The decoder was killed by SIGSEGV on this file.")

    everything = dict.fromkeys(range(4), "Jazz")
    target = tmp_path / "tagged.zip" if packs else None
    assert len([*tagged(batch, everything, overwrite=True, tag=crash, target=target)]) == 4
    assert lying == ([1, 1, 1, 1] if packs else [0, 0, 1, 1])


def test_where_there_is_no_room_nothing_more_is_written(batch: Batch, tmp_path: Path) -> None:
    def full(_: int) -> None:
        raise OverloadError("There is no room.")

    with pytest.raises(OverloadError):
        write(batch, tmp_path / "tagged.zip", overwrite=True, room=full)
    assert [*(tmp_path / "tmp").iterdir()] == []
