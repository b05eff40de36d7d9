"""The drawing in docs/architecture.md holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "acousticsense"


def drawn_layers() -> dict[str, int]:
    """Module name -> layer, from the drawing."""
    drawing = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```layers\n")[1].split("```")[0]
    layers: dict[str, int] = {}
    for line in drawing.splitlines():
        match = re.match(r"L(\d+) ((?:\w+, )*\w+)", line)
        assert match, line
        layers.update(dict.fromkeys(match[2].split(", "), int(match[1])))
    return layers


def module_of(file: Path) -> str:
    """The drawn box a file belongs to: its module, or the subpackage it lies in."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(file: Path) -> set[str]:
    """Boxes that a file imports, wherever in the file the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("acousticsense.")}
    return found - {"__version__"}


SOURCES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_strictly_lower_layers(file: Path) -> None:
    layers = drawn_layers()
    own = module_of(file)
    assert own in layers, f"{own} is not in the drawing"
    for name in imported_modules(file) - {own}:
        assert layers[name] < layers[own], f"{own} (L{layers[own]}) imports {name} (L{layers[name]})"


def test_the_drawing_names_no_module_that_is_gone() -> None:
    assert set(drawn_layers()) == {module_of(file) for file in SOURCES}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_importing_a_module_prints_and_starts_nothing(file: Path) -> None:
    """No calls at module level that talk, thread or set global state."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            pytest.fail(f"{file.name}:{node.lineno} does work at import")


def test_no_torch_below_the_stages() -> None:
    layers = drawn_layers()
    for file in SOURCES:
        if layers[module_of(file)] <= 1:
            assert not re.search(r"^\s*(import|from) torch", file.read_text(encoding="utf-8"), re.M), file
