"""Some hundred wrong headers, and some thousand in CI; `python -m benchmarks.fuzz_headers` tries them all."""

from __future__ import annotations

import os

import pytest

from benchmarks.fuzz_headers import SHAPES, Field, Shape, finding, run

CASES = 6_000 if os.environ.get("CI") else 300
BLOCK = CASES // 6


@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
def test_no_crash_no_hang_and_no_other_sound_without_a_note(first: int) -> None:
    findings = {number: run(number, seed=19) for number in range(first, first + BLOCK)}
    assert {number: finding for number, finding in findings.items() if finding is not None} == {}


@pytest.mark.parametrize(
    ("kind", "field", "which", "shape"),
    [
        ("mkv", Field(357, 1, "big"), 1, SHAPES[0]),  # a second track, without a rate
        ("mkv", Field(384, 1, "big"), 5, SHAPES[0]),  # AAC of 960 samples a frame
        ("mkv", Field(383, 1, "big"), 5, SHAPES[5]),  # 30 channels, whose planes PyAV cannot count
        ("wav float", Field(22, 2), 4, SHAPES[1]),  # two channels in frames of one
        ("m4a alac", Field(310785, 2, "big"), 3, SHAPES[2]),  # the last packets lie outside of the file
        ("m4a alac", Field(242742, 4, "big"), 4, SHAPES[4]),  # 16,128 Hz instead of 16,000
        ("mp4", Field(48571, 4, "big"), 0, SHAPES[0]),  # packets of which FFmpeg makes 33 channels without samples
        ("mp4", Field(48491, 2, "big"), 0, SHAPES[0]),  # every sample at time 0
        ("webm", Field(337, 1, "big"), 3, SHAPES[0]),  # the header's first time stamp is not the first packet's
    ],
)
def test_what_a_longer_run_found(kind: str, field: Field, which: int, shape: Shape) -> None:
    assert finding(kind, field, which, shape) is None
