"""Files from anywhere: dropped on any part of the page, pasted, several at once, and how much of an upload is done."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import click_tab
from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]

#: Does with files what a drag from the desktop or the clipboard does.
SEND = """([kinds, selector, files]) => {
    const transfer = new DataTransfer();
    for (const [name, encoded] of files) {
        const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, {type: "audio/mpeg"}));
    }
    const options = {bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer};
    for (const kind of kinds) document.querySelector(selector).dispatchEvent(
        kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options));
}"""


def send(page: Page, selector: str, *files: Path, kinds: tuple[str, ...] = ("dragover", "drop")) -> None:
    encoded = [[file.name, base64.b64encode(file.read_bytes()).decode("ascii")] for file in files]
    page.evaluate(SEND, [kinds, selector, encoded])


def test_a_song_may_be_dropped_anywhere_and_replaces_the_one_before(
    visit: Visit, music_mp3: Path, music_wav: Path
) -> None:
    page = visit()
    send(page, ".as-glossary", music_mp3, kinds=("dragover",))
    frame = "getComputedStyle(document.body, '::after').content"
    assert "Drop it anywhere" in page.evaluate(frame)
    send(page, ".as-glossary", music_mp3)
    assert page.evaluate(frame) == "none"
    expect(page.locator(".as-file b")).to_have_text(music_mp3.name)
    send(page, ".as-header", music_wav, kinds=("paste",))
    expect(page.locator(".as-file b")).to_have_text(music_wav.name)


def test_a_song_goes_into_the_tab_that_is_open(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    click_tab(page, "Timeline")
    page.locator(".as-timeline-audio input[type=file]").wait_for(state="attached")
    send(page, ".as-header", music_mp3)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    click_tab(page, "Models")  # has no place for one
    page.get_by_test_id("models").wait_for()
    send(page, ".as-header", music_mp3)
    expect(page.get_by_role("tab", name="Classify")).to_have_attribute("aria-selected", "true")
    assert len(top_five(page)) == 5


def test_several_files_go_to_the_library(visit: Visit, music_mp3: Path, music_wav: Path) -> None:
    page = visit()
    page.locator(".as-audio button[aria-dropeffect]").wait_for()
    send(page, ".as-audio button[aria-dropeffect]", music_mp3, music_wav)
    expect(page.get_by_role("tab", name="Library")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".as-files tr.file")).to_have_count(2)
    send(page, ".as-library", music_wav)
    expect(page.locator(".as-files tr.file")).to_have_count(3)


def test_several_files_are_versions_where_a_comparison_is_open(visit: Visit, music_mp3: Path, music_wav: Path) -> None:
    page = visit()
    click_tab(page, "Compare")
    page.locator(".as-version-files input[type=file]").wait_for(state="attached")
    send(page, ".as-header", music_mp3, music_wav)
    expect(page.locator(".as-version-files tr.file")).to_have_count(2)
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


def test_the_upload_says_how_much_of_it_is_done(visit: Visit, tmp_path: Path, music_wav: Path) -> None:
    page = visit()
    big = tmp_path / "big.wav"
    big.write_bytes(music_wav.read_bytes() + bytes(3_000_000))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.locator(".as-song input[type=file]").set_input_files(big)
    words = page.wait_for_function(
        """() => {
            const told = document.querySelector(".as-song .uploading");
            const words = told && getComputedStyle(told, "::after").content;
            return /[1-9]/.test(words) && words;
        }"""
    )
    assert re.fullmatch(r'" " "\d\d?%"|" \d\d?%"', words.json_value())
    assert len(top_five(page)) == 5
    assert page.evaluate("document.documentElement.style.getPropertyValue('--as-sent')") == ""


def test_a_refused_upload_is_told(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    page.route("**/gradio_api/upload*", lambda route: route.fulfill(status=503, json={"detail": "The disk is full."}))
    drop(page, music_mp3)
    expect(page.get_by_text("The disk is full.")).to_be_visible()
