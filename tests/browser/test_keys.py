"""Keyboard shortcuts: what they do, where they are listed, and that they keep quiet while somebody types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


def test_keys_open_tabs_classify_play_and_choose(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    page.on("filechooser", lambda _: None)  # or the browser opens its own before this is known
    page.locator(".as-song input[type=file]").wait_for(state="attached")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("o")
    chooser.value.set_files(music_mp3)
    top_five(page)
    page.get_by_label("From second").fill("2")
    page.get_by_label("From second").blur()
    page.keyboard.press("c")
    expect(page.locator(".as-file")).to_contain_text("0:02 to 0:12")
    page.keyboard.press("p")
    expect(page.locator(".as-song").get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(
    ("locale", "title", "tabs"),
    [("en-US", "Keyboard shortcuts", "from left to right"), ("zh-CN", "键盘快捷键", "从左到右")],
)
def test_a_list_names_them_and_switches_them_off(visit: Visit, locale: str, title: str, tabs: str) -> None:
    page = visit(locale=locale, timezone_id="Europe/Rome")  # a profile of this test's own: it keeps what is chosen
    page.keyboard.press("?")
    shortcuts = page.get_by_role("dialog", name=title)
    expect(shortcuts).to_contain_text(tabs)
    page.keyboard.press("3")  # nothing is opened behind the list
    expect(page.locator("[role=tab][data-tab-id=classify]")).to_have_attribute("aria-selected", "true")
    shortcuts.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(shortcuts).to_be_hidden()
    page.keyboard.press("3")
    page.reload()
    page.locator(".as-song input[type=file]").wait_for(state="attached")
    page.keyboard.press("3")
    page.locator("[data-as-keys]").click()
    expect(shortcuts.get_by_role("checkbox")).not_to_be_checked()
    expect(page.locator("[role=tab][data-tab-id=classify]")).to_have_attribute("aria-selected", "true")


def test_nothing_happens_while_somebody_types(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    top_five(page)
    page.get_by_label("From second").click()
    page.keyboard.type("3?t")
    page.get_by_label("number input for Seconds to analyse").click()
    page.keyboard.type("3tc?")
    page.get_by_label("number input for Seconds to analyse").blur()
    page.keyboard.press("Control+c")
    expect(page.locator("[role=tab][data-tab-id=classify]")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("body")).not_to_have_class("dark")
    expect(page.locator(".as-file")).to_contain_text("0:00 to 0:10")
