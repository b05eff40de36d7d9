"""Files are written as a whole or not at all."""

from __future__ import annotations

import hashlib
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
