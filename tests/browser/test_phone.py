"""The page on a phone: everything fits, can be pressed with a finger, and nothing is hidden in a menu."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from acousticsense.library.similar import SimilarSong
from acousticsense.web.similar_tab import similar_html
from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TABS = ("classify", "ensemble", "timeline", "compare", "library", "models")

#: What is lower than 44 px. A field inside a frame, a label's box and a button that fills its row by a pseudo-element
#: are as high as those; links within a sentence may be low; the icon inside Gradio's upload button is no target.
TOO_LOW = """() => [...document.querySelectorAll('button, a, input, select, summary')].filter((target) => {
    const own = target.getBoundingClientRect();
    const frame = target.closest('label, .wrap, .as-examples li, .icon-button')?.getBoundingClientRect();
    const height = Math.max(own.height, frame?.height || 0);
    const isLink = target.closest('p') && target.tagName === 'A';
    return own.width && height < 43.5 && !isLink && getComputedStyle(target).opacity !== '0';
}).map((target) => `${target.className}: ${target.getAttribute('aria-label') || target.textContent}`)"""


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_tab_fits_and_has_targets_for_fingers(visit: Visit, music_mp3: Path, locale: str) -> None:
    page = visit(locale=locale, **PHONE)
    drop(page, music_mp3)
    top_five(page)
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 700})
        for tab in TABS:
            button = page.locator(f"[role=tab][data-tab-id={tab}]")
            button.click()
            expect(button).to_have_attribute("aria-selected", "true")
            expect(button).to_be_in_viewport(ratio=0.9)
            assert page.evaluate("document.documentElement.scrollWidth") == width, tab
            assert page.evaluate(TOO_LOW) == [], tab


def test_similar_songs_are_listed_without_scrolling_sideways(visit: Visit) -> None:
    page = visit(**PHONE)
    path = "Music/An artist of a long name/An album (deluxe edition)/01_a_rather_long_name_of_a_song.mp3"
    songs = tuple(SimilarSong(path=path, similarity=0.9, genre=genre, confidence=None) for genre in ("Electronic", ""))
    page.locator(".as-result").evaluate("(card, html) => { card.outerHTML = html; }", similar_html("a", songs, 2, "en"))
    page.set_viewport_size({"width": 320, "height": 700})
    box = page.locator(".as-similar .as-scroll")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    for words in ("Electronic", "Not music"):
        place = box.get_by_text(words).bounding_box()
        assert place is not None
        assert place["x"] + place["width"] <= 320


def test_a_start_below_zero_becomes_zero(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    start = page.get_by_label("From second").first
    start.fill("-3")
    expect(start).to_have_value("0")
    drop(page, music_mp3)
    expect(page.locator(".as-file")).to_contain_text("0:00 to 0:10")


def test_an_upload_leaves_no_warning_in_the_console(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.locator("[role=tab][data-tab-id=library]").click()
    page.locator(".as-files input[type=file]").set_input_files(music_mp3)
    expect(page.locator(".as-files tr.file")).to_have_count(1)
    page.locator(".as-library-go").click()
    expect(page.locator(".as-library")).to_have_attribute("data-state", "ready", timeout=180_000)
    assert [words for words in told if "not implemented" in words] == []


def test_in_chinese_gradios_own_labels_are_chinese(visit: Visit, music_mp3: Path) -> None:
    page = visit(locale="zh-CN")
    drop(page, music_mp3)
    expect(page.locator(".as-song .play-pause-button")).to_be_visible()
    for tab, files in (("classify", ""), ("timeline", ""), ("compare", ".as-version-files"), ("library", ".as-files")):
        page.locator(f"[role=tab][data-tab-id={tab}]").click()
        if files:
            page.locator(f"{files} input[type=file]").set_input_files([music_mp3, music_mp3])
            expect(page.locator(f"{files} tr.file")).to_have_count(2)
        english = page.locator("[role=tabpanel] :is(button, input, a)[aria-label]:visible").evaluate_all(
            "all => all.map((each) => each.ariaLabel).filter((label) => !/\\p{Script=Han}/u.test(label))"
        )
        assert english == [], tab
