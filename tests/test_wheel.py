"""The wheel: everything that runs is in it, and it says where models come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install` of the wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("acousticsense", "pyproject.toml", "README.md", "LICENSE", "inference.py", "app_gradio.py"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site-packages")
    return folder / "site-packages"


def acousticsense(site_packages: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of the wheel, away from the repository."""
    return subprocess.run(
        [sys.executable, "-m", "acousticsense", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(site_packages), **environment},
        cwd=site_packages,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_file_of_the_package_is_in_it(unpacked: Path) -> None:
    wanted = {
        file.relative_to(ROOT)
        for file in (ROOT / "acousticsense").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted - {file.relative_to(unpacked) for file in unpacked.rglob("*")} == set()


def test_it_answers(unpacked: Path, tiny_models: Path, music_mp3: Path) -> None:
    done = acousticsense(
        unpacked, "predict", music_mp3, ACOUSTICSENSE_MODELS=str(tiny_models), ACOUSTICSENSE_MODEL="tiny"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{music_mp3}: ")


@pytest.mark.parametrize("command", ["predict", "models"])
def test_without_models_one_sentence_says_how_to_get_them(unpacked: Path, music_mp3: Path, command: str) -> None:
    done = acousticsense(
        unpacked, command, *([music_mp3] if command == "predict" else []), ACOUSTICSENSE_MODELS="/none"
    )
    assert done.returncode == 1
    assert "ACOUSTICSENSE_MODELS" in done.stderr
    assert len(done.stderr.splitlines()) == 1
