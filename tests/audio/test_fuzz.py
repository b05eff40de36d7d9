"""Some hundred wrong headers, always the same ones; `python -m benchmarks.fuzz_headers` tries as many as one likes."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_headers import run

CASES = 300
BLOCK = 50


@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
def test_no_crash_no_hang_and_no_other_sound_without_a_note(first: int) -> None:
    findings = {number: run(number, seed=19) for number in range(first, first + BLOCK)}
    assert {number: finding for number, finding in findings.items() if finding is not None} == {}


def test_a_second_track_without_a_rate() -> None:
    assert run(810, seed=1) is None
