"""The drawing in docs/architecture.md holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "acousticsense"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def drawing(name: str) -> list[list[str]]:
    """Lines of a drawing in docs/architecture.md, each as the names on it, lowest first."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = text.split(f"```{name}\n")[1].split("```")[0].splitlines()
    return [re.split(r"[\s|,:]+", line.split("#")[0].strip()) for line in lines if line.strip()]


def layers() -> dict[str, int]:
    """Package, or module beside the packages -> its layer; it may import those of lower layers only."""
    return {package: layer for layer, packages in enumerate(drawing("layers")) for package in packages}


def inside() -> dict[str, dict[str, int]]:
    """Package -> module -> its place in the package; a module may import modules left of it only."""
    return {line[0]: {module: place for place, module in enumerate(line[1:])} for line in drawing("modules")}


def module_of(file: Path) -> list[str]:
    """["audio", "health"] of acousticsense/audio/health.py; ["audio"] of its __init__.py."""
    parts = list(file.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {".".join(module_of(file)) for file in SOURCES}


def imported(file: Path) -> set[str]:
    """Modules of this package that a file imports, wherever in the file the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            inner = name.removeprefix("acousticsense.")
            if name.startswith("acousticsense."):
                found.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return found - {""}


def violations() -> list[str]:
    """Imports that go up or sideways."""
    packages, places = layers(), inside()
    wrong = []
    for file in SOURCES:
        own = module_of(file)
        for name in imported(file) if own else ():
            there = name.split(".")
            if there[0] != own[0]:
                if packages[there[0]] >= packages[own[0]]:
                    wrong.append(f"{'.'.join(own)} imports {name}, which is of the same layer or a higher one")
            elif len(own) > 1 and len(there) > 1 and there[1] != own[1]:
                place = places.get(own[0], {})
                if place and place[there[1]] >= place[own[1]]:
                    wrong.append(f"{'.'.join(own)} imports {name}, which stands after it")
    return wrong


def test_packages_and_modules_import_strictly_lower_ones() -> None:
    assert violations() == []


def test_what_starts_with_an_underscore_stays_inside_its_module() -> None:
    assert [
        f"{file.relative_to(ROOT)} imports {alias.name}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("acousticsense")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.endswith("__")
    ] == []


def test_the_drawing_names_every_package_and_module_and_none_that_is_gone() -> None:
    assert set(layers()) == {module_of(file)[0] for file in SOURCES if module_of(file)}
    for package, modules in inside().items():
        assert set(modules) == {name.split(".")[1] for name in MODULES if name.startswith(f"{package}.")}, package


def test_the_job_of_every_package_is_said() -> None:
    jobs = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("| package | job |")[1].split("\n\n")[0]
    )
    named = [name for line in jobs.splitlines() for name in re.findall(r"`(\w+)`", line.split(" | ")[0])]
    assert sorted(named) == sorted(set(layers()) - {"__main__"})


def test_importing_a_module_prints_and_starts_nothing() -> None:
    """No calls at module level that talk, thread or set global state."""
    assert [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in SOURCES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ] == []


def test_no_torch_in_the_lowest_layer() -> None:
    lowest = drawing("layers")[0]
    torch = re.compile(r"^\s*(import|from) torch", re.M)
    assert [f for f in SOURCES if module_of(f)[:1] and module_of(f)[0] in lowest and torch.search(f.read_text())] == []
