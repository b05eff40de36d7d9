"""A model of one's own from corrections, as a visitor makes it: in the Library, and chosen without a restart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from acousticsense.i18n.page import UI_TEXTS
from tests.browser.conftest import click_tab, served
from tests.library.conftest import EXAMPLES

pytestmark = pytest.mark.browser

SONGS = ("starfall.mp3", "sky-vibe.ogg", "hacienda.ogg", "golden-fields.ogg")
#: Training is at the low priority: on a busy machine everything else goes first.
_PATIENCE_MS = 1_200_000


@pytest.fixture(scope="module")
def url(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that may make models, in a folder of these tests' own."""
    models = tmp_path_factory.mktemp("own") / "models"
    shutil.copytree(tiny_models / "tiny", models / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACOUSTICSENSE_FINETUNE_MAX_MODELS", "9")
        with served(models) as url:
            yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    page.locator(".as-result").wait_for()
    yield page
    context.close()


def test_corrections_become_a_model_that_can_be_chosen(page: Page, url: str) -> None:
    name = "我的模型"

    def words(key: str, **values: str) -> str:
        return UI_TEXTS[key][1].format(**values)

    click_tab(page, words("tab.library"))
    page.locator(".as-files input[type=file]").set_input_files([EXAMPLES / song for song in SONGS])
    expect(page.locator(".as-files tr.file")).to_have_count(len(SONGS))
    page.locator(".as-library-go").click()
    expect(page.locator(".as-library")).to_have_attribute("data-state", "ready", timeout=_PATIENCE_MS)
    panel = page.locator("[data-as-panel=finetune]")
    panel.locator("summary").click()
    panel.get_by_label(words("finetune.name")).fill(name)
    start = panel.get_by_role("button", name=words("finetune.start"))
    for number, label in enumerate(("Jazz", "Jazz", "Rock", "Rock")):
        expect(start).to_be_disabled()  # there are too few songs yet
        page.locator(".as-correct").nth(number).click()
        page.locator(".as-cell-genre select").select_option(label)
        expect(page.locator("td[data-corrected]")).to_have_count(number + 1)
    expect(panel).to_contain_text(words("finetune.counts", counts="爵士 2 · 摇滚 2"))

    start.click()
    expect(panel.get_by_role("progressbar")).to_be_visible()
    panel.get_by_role("button", name=words("library.stop")).click()
    expect(panel).to_contain_text(words("finetune.stopped"), timeout=_PATIENCE_MS)
    start.click()
    made = words("finetune.ready", name=name, counted="").partition(name)[0] + name
    expect(panel).to_contain_text(made, timeout=_PATIENCE_MS)
    start.click()
    expect(panel.get_by_role("alert")).to_contain_text(words("error.bad_request"))  # there is one of this name

    page.goto(f"{url}/?tab=models")
    expect(page.locator(f"[data-model='{name}']")).to_be_visible()
    click_tab(page, words("tab.classify"))
    classify = page.get_by_role("tabpanel").filter(has=page.locator(".as-result"))
    classify.locator(".as-model input").click()
    page.get_by_role("option", name=name).click()
    classify.locator("input[type=file]").set_input_files(EXAMPLES / SONGS[0])
    expect(page.locator(".as-result .as-best")).to_be_visible()
    expect(classify).to_contain_text(name)
