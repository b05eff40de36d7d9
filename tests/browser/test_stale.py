"""Answers to other settings than those that are shown are marked in Ensemble, Timeline and Compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
WORDS = {
    ("ensemble", "en-US"): "Settings changed: ask them again",
    ("timeline", "zh-CN"): "设置已更改，请重新生成",
    ("compare", "en-US"): "Files or settings changed: compare again",
}


def opened(page: Page, tab: str) -> Locator:
    """The contents of a tab."""
    page.locator(f"[role=tab][data-tab-id={tab}]").click()
    panel = page.locator(f"[role=tabpanel]:has(.as-{tab})")
    expect(panel).to_be_visible()
    return panel


def answered(panel: Locator, tab: str, song: Path) -> None:
    """Asks for an answer with the controls as they are."""
    if tab == "compare":
        for n_files in (1, 2):
            panel.locator("input[type=file]").set_input_files(song)
            expect(panel.locator("tr.file")).to_have_count(n_files)
    else:
        panel.locator(".as-audio input[type=file]").set_input_files(song)
        panel.locator("audio, .play-pause-button").first.wait_for(state="attached")
    if tab != "ensemble":  # which answers as soon as it has a song
        panel.locator(".as-go").click()
    # The first answer of several models waits for processes and models to start.
    expect(panel.locator(f".as-{tab}[data-asked]")).to_be_visible(timeout=120_000)


@pytest.mark.parametrize(("tab", "locale"), WORDS)
def test_an_answer_is_marked_while_its_settings_are_others(
    visit: Visit, music_mp3: Path, tab: str, locale: str
) -> None:
    panel = opened(visit(locale=locale), tab)
    answered(panel, tab, music_mp3)
    stale, seconds = panel.locator(".as-stale"), panel.locator("input[type=number]").first
    expect(stale).to_be_hidden()
    seconds.fill("9")
    expect(stale).to_be_visible()
    expect(stale).to_have_text(WORDS[tab, locale])
    seconds.fill("10")
    expect(stale).to_be_hidden()
    seconds.fill("9")
    panel.locator(".as-go").click()
    expect(stale).to_be_hidden()


def test_a_further_file_marks_a_comparison(visit: Visit, music_mp3: Path) -> None:
    panel = opened(visit(), "compare")
    answered(panel, "compare", music_mp3)
    panel.locator("input[type=file]").set_input_files(music_mp3)
    expect(panel.locator(".as-stale")).to_be_visible()
    panel.locator("tr.file button").last.click()
    expect(panel.locator(".as-stale")).to_be_hidden()
