"""Nothing jumps: the layout shift of the page on load and at its first answer, as the browser measures it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]

#: Beyond this, people notice.
MOST = 0.1
WATCH = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => { for (const shift of list.getEntries()) window.shifts += shift.value; })
        .observe({type: "layout-shift", buffered: true});
}"""
#: What was drawn last is counted two frames later.
READ = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(window.shifts))))"


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    ],
    ids=["desktop", "phone"],
)
def test_layout_shift_is_small_on_load_and_at_the_first_answer(
    visit: Visit, music_mp3: Path, options: dict[str, Any]
) -> None:
    page = visit(**options)
    expect(page.locator(".as-song .audio-container")).to_be_visible()
    page.evaluate(WATCH)
    on_load = page.evaluate(READ)
    assert on_load < MOST
    page.locator(".as-song input[type=file]").set_input_files(music_mp3)
    expect(page.locator(".as-spectrogram[data-state=ready]")).to_be_attached()
    expect(page.locator(".as-whole-song")).to_have_attribute("data-state", "ready")
    assert page.evaluate(READ) - on_load < MOST
