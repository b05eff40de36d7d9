"""docs/security.md names the test of each guard."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_line_names_tests_that_exist() -> None:
    lines = [line for line in (ROOT / "docs/security.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    guards = [line for line in lines if not line.startswith("| threat")]
    assert len(guards) > 10
    for line in guards:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", line)
        assert named, line
        missing = [name for file, name in named if f"def {name}(" not in (ROOT / "tests" / file).read_text("utf-8")]
        assert not missing, missing
