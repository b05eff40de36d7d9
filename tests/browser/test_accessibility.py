"""axe-core on every tab, with and without an answer, in both languages and both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import click_tab

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]

TABS = {
    "en-US": ("Ensemble", "Timeline", "Compare", "Library", "Models"),
    "zh-CN": ("多模型对比", "时间轴", "版本对比", "曲库"),
}


def serious(page: Page) -> list[str]:
    """Each serious or critical finding, light and dark: rule, impact and where."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("body.dark")).to_have_count(int(scheme == "dark"))
        page.wait_for_function("document.getAnimations().every((each) => each.playState !== 'running')")
        found += Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:160]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("locale", TABS)
def test_axe_finds_nothing_serious(visit: Visit, music_wav: Path, locale: str) -> None:
    page = visit(locale=locale)
    assert serious(page) == []
    page.locator(".as-song input[type=file]").set_input_files(music_wav)
    expect(page.locator(".as-result .as-best")).to_be_visible()
    assert serious(page) == []
    for tab in TABS[locale]:
        click_tab(page, tab)
        assert serious(page) == [], tab
        for files in page.locator(".as-version-files input[type=file], .as-files input[type=file]").all():
            if files.locator("xpath=ancestor::*[@role='tabpanel'][1]").is_visible():
                files.set_input_files([music_wav, music_wav])
                expect(page.locator("tr.file:visible")).to_have_count(2)
                assert serious(page) == [], f"{tab} with files"
