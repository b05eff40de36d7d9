"""In a class: the answer is hidden, genres are guessed, then it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


WORDS = {
    "en-US": ("Guess first", "What genre is it?", "Jazz", "Show the answer", "You guessed Jazz."),
    "zh-CN": ("先猜一猜", "这是什么流派？", "爵士", "揭晓答案", "你猜的是爵士。"),
}


@pytest.mark.parametrize("locale", WORDS)
def test_the_answer_waits_until_it_is_asked_for(visit: Visit, music_wav: Path, locale: str) -> None:
    switch, question, jazz, show, said = WORDS[locale]
    page = visit(locale=locale)
    page.get_by_label(re.compile(switch)).check()
    page.locator(".as-song input[type=file]").set_input_files(music_wav)
    expect(page.get_by_role("heading", name=question)).to_be_visible()
    expect(page.locator(".as-result .as-best")).to_be_hidden()
    expect(page.locator(".as-levels")).to_be_hidden()
    page.locator(".as-guess").get_by_role("button", name=jazz, exact=True).click()
    page.get_by_role("button", name=show).click()
    expect(page.locator(".as-guess")).to_have_text(said)
    expect(page.locator(".as-result .as-best")).to_be_visible()
    expect(page.locator(".as-levels")).to_be_visible()
    page.get_by_label(re.compile(switch)).uncheck()
    expect(page.locator(".as-result .as-best")).to_be_visible()
