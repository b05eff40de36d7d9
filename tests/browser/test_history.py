"""What was classified stays in the browser, and the tab in the address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def open_fresh(browser: Browser, page_url: str) -> Iterator[Open]:
    """Opens the page in a profile without a history."""
    contexts = []

    def open_page(query: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-US", **options})
        contexts.append(context)
        context.set_default_timeout(90_000)
        page = context.new_page()
        page.goto(f"{page_url}/{query}", wait_until="commit")
        page.locator(".as-result").wait_for(state="attached")
        page.locator(".as-song input[type=file]").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_answers_are_kept_shown_again_and_removed(open_fresh: Open, music_mp3: Path, music_wav: Path) -> None:
    page = open_fresh()
    history = page.get_by_test_id("history").locator("li")
    expect(page.get_by_text("What you classify is listed here.")).to_be_visible()
    drop(page, music_mp3, name="first.mp3")
    expect(history).to_have_count(1)
    best, percent = top_five(page)[0]
    expect(history.first).to_contain_text(f"{best} {percent}%")
    page.locator(".as-song").get_by_role("button", name="Clear").click()
    drop(page, music_wav, name="second.wav")
    expect(history).to_have_count(2)
    expect(page.locator(".as-file b")).to_have_text("second.wav")

    # Back to the first, without its sound.
    history.filter(has_text="first.mp3").locator(".as-recall").click()
    expect(page.locator(".as-file")).to_contain_text("from the history")
    assert top_five(page)[0] == (best, percent)
    image = page.locator("[data-as-image]")
    expect(image).to_have_attribute("src", re.compile("^data:image/jpeg"))
    expect(history).to_have_count(2)

    # A reload loses nothing, and a change of language is one.
    page.reload()
    expect(page.locator(".as-file b")).to_have_text("first.mp3")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_test_id("top")).not_to_contain_text(best)
    expect(page.locator(".as-file b")).to_have_text("first.mp3")
    expect(history).to_have_count(2)
    expect(page.locator(".as-history")).to_contain_text("历史记录")

    history.filter(has_text="first.mp3").locator(".as-forget").click()
    expect(history).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="全部删除").click()
    expect(history).to_have_count(0)
    page.reload()
    expect(page.get_by_text("识别过的歌曲会列在这里。")).to_be_visible()


def test_answers_to_other_settings_are_marked(open_fresh: Open, music_mp3: Path) -> None:
    page = open_fresh()
    drop(page, music_mp3)
    top_five(page)
    stale, entry = page.locator(".as-stale"), page.get_by_test_id("history").locator("li")
    expect(entry).to_have_count(1)
    expect(stale).to_be_hidden()
    page.get_by_label("number input for Seconds to analyse").first.fill("3")
    expect(stale).to_be_visible()
    expect(entry).to_contain_text("other settings")
    page.get_by_label("number input for Seconds to analyse").first.fill("10")
    expect(stale).to_be_hidden()
    expect(entry).not_to_contain_text("other settings")


def test_what_was_tampered_with_is_refused(open_fresh: Open, music_mp3: Path) -> None:
    page = open_fresh()
    drop(page, music_mp3)
    expect(page.get_by_test_id("history").locator("li")).to_have_count(1)
    page.evaluate("""() => {
        const [entry] = JSON.parse(localStorage.getItem("as-history"));
        entry.answer = entry.answer.replace('"verdict":', '"verdict_":');
        localStorage.setItem("as-history", JSON.stringify([entry]));
    }""")
    page.reload()
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("This answer cannot be shown any more.")


def test_the_tab_is_in_the_address_and_back_returns_to_the_one_before(open_fresh: Open) -> None:
    page = open_fresh("?tab=library")
    selected = page.locator("[role=tab][aria-selected=true]")
    expect(selected).to_have_text("Library")
    page.get_by_role("tab", name="Compare").click()
    expect(page).to_have_url(re.compile(r"\?tab=compare$"))
    page.get_by_role("tab", name="Classify").click()
    expect(page).to_have_url(re.compile(r"/$"))
    page.go_back()
    expect(selected).to_have_text("Compare")
    page.go_back()
    expect(selected).to_have_text("Library")
    page.go_forward()
    expect(selected).to_have_text("Compare")
    page.reload()
    expect(selected).to_have_text("Compare")
