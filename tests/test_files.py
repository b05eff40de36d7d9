"""Files are written as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from acousticsense.files import atomic_write, replace_folder, sha256_of


def test_a_file_is_there_as_a_whole_with_ordinary_permissions(tmp_path: Path) -> None:
    path, ordinary = tmp_path / "x.bin", tmp_path / "ordinary"
    ordinary.touch()
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("target", ["there.csv", "not yet.csv"])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, target: str) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "there.csv").write_bytes(b"old")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "lists" / target)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "lists" / target).read_bytes() == b"new"
    assert {path.name for path in (tmp_path / "lists").iterdir()} == {"there.csv", target}


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """As a device is: `--csv /dev/null` put a file in its place."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for name in (pipe, link):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        with atomic_write(name) as file:
            file.write(b"rows")
        assert os.read(reader, 10) == b"rows"
        os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert link.is_symlink()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux has a way to such files")
def test_a_file_without_a_name_is_written_to(tmp_path: Path) -> None:
    """As /dev/stdout is where a program collects the output in a file that it has removed already."""
    with (tmp_path / "x").open("w+b") as nameless:
        (tmp_path / "x").unlink()
        with atomic_write(Path(f"/proc/self/fd/{nameless.fileno()}")) as file:
            file.write(b"rows")
        assert nameless.read() == b"rows"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_could_not_be_replaced_stays(tmp_path: Path) -> None:
    old, draft = tmp_path / "old", tmp_path / "draft"
    old.mkdir()
    (old / "x").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        replace_folder(draft, old)  # cleaned away by somebody
    draft.mkdir()
    assert [path.name for path in old.iterdir()] == ["x"]
    replace_folder(draft, old)
    assert list(tmp_path.iterdir()) == [old]
    assert list(old.iterdir()) == []


def test_a_hash_is_that_of_the_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "x").write_bytes(content)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
