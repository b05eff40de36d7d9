"""An answer is passed on: copied as a line, saved as an image, printed; in English and in Chinese."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.mark.parametrize(
    ("locale", "button", "said"),
    [("en-US", "Copy", "song.mp3 (0:00 to 0:10 of 0:12): "), ("zh-CN", "复制", "前五名：")],
)
def test_an_answer_is_copied_as_one_line(visit: Visit, music_mp3: Path, locale: str, button: str, said: str) -> None:
    page = visit(locale=locale, permissions=CLIPBOARD)
    drop(page, music_mp3, name="song.mp3")
    top_five(page)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("button", name="Copied" if locale == "en-US" else "已复制")).to_be_visible()
    line = page.evaluate("navigator.clipboard.readText()")
    genres = page.get_by_test_id("top").locator(".as-label").all_inner_texts()
    assert said in line
    assert "\n" not in line
    assert all(genre in line for genre in genres)
    assert page.locator(".as-verdict").inner_text() in line
    expect(page.get_by_role("button", name=button, exact=True)).to_be_visible()


def test_an_answer_is_saved_as_an_image_with_its_spectrogram(visit: Visit, music_mp3: Path, tmp_path: Path) -> None:
    page = visit()
    drop(page, music_mp3, name="two words.mp3")
    top_five(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Image").click()
    assert download.value.suggested_filename == "two words-genre.png"
    saved = tmp_path / "image.png"
    download.value.save_as(saved)
    with Image.open(saved) as image:
        assert image.size == (1200, 800)
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    paper, spectrogram = pixels[10, 10], pixels[520:700, 80:1100]
    assert paper.tolist() == [255, 255, 255]
    assert spectrogram.std() > 20
    assert (pixels[:490] != paper).any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_shows_the_answer_alone_in_black_on_white(visit: Visit, music_mp3: Path, scheme: Any) -> None:
    page = visit(color_scheme=scheme)
    page.evaluate("window.print = () => { window.printed = true; }")
    drop(page, music_mp3)
    top_five(page)
    page.get_by_role("button", name="Print").click()
    assert page.evaluate("window.printed")
    page.emulate_media(media="print", color_scheme=scheme)
    for shown in (".as-best", ".as-verdict", ".as-top", ".as-bars", ".as-spectrogram .as-view"):
        expect(page.locator(shown).first).to_be_visible()
    for hidden in (
        ".as-header nav",
        ".as-song",
        ".as-go",
        ".as-share-tools",
        ".as-heatmap",
        ".as-glossary",
        "[role=tablist]",
    ):
        expect(page.locator(hidden).first).to_be_hidden()
    colours = "element => [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor]"
    for words in (".as-best", ".as-top .as-label"):
        assert page.locator(words).first.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
