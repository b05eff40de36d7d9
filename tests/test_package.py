"""`import acousticsense` is the whole Python interface, and costs nothing until something is asked for."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import acousticsense
import inference


def test_every_public_name_is_there() -> None:
    for submodule in pkgutil.iter_modules(acousticsense.__path__):  # which Python then sets as names of the package
        if submodule.name != "__main__":
            import_module(f"acousticsense.{submodule.name}")
    names = acousticsense.__all__
    assert [name for name in names if isinstance(getattr(acousticsense, name, None), ModuleType | None)] == []
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = acousticsense.nothing


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "scipy", "pydantic", "timm", "librosa", "gradio", "fastapi", "matplotlib", "av"}
    code = f"import sys, acousticsense; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_script_and_the_package_have_the_same_two_functions() -> None:
    assert inference.load_model is acousticsense.load_model
    assert inference.predict_genre is acousticsense.predict_genre
