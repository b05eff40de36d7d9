"""The tab "Models" as a visitor uses it: what is installed, its figures, its speed, and a model that comes later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import click_tab, served

pytestmark = pytest.mark.browser

FIGURES = {
    "n": 40,
    "accuracy": 0.75,
    "accuracy_interval": [0.6, 0.86],
    "top3": 0.9,
    "recall": {"Jazz": 1.0, "Blues": 0.5},
    "clips": {"Jazz": 20, "Blues": 20},
}


@pytest.fixture(scope="module")
def own_models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model "tiny" with test figures, in a folder of these tests' own."""
    folder = tmp_path_factory.mktemp("own") / "models"
    shutil.copytree(tiny_models, folder)
    add(folder / "tiny", {"metrics": {"real_test": FIGURES}})
    return folder


def add(folder: Path, changes: dict[str, object]) -> None:
    """Changes the description of a model."""
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**described, **changes}), encoding="utf-8")


@pytest.fixture(scope="module")
def url(own_models: Path) -> Iterator[str]:
    with served(own_models) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(60_000)
    page = context.new_page()
    open_tab(page, url)
    yield page
    context.close()


def open_tab(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".as-result").wait_for()
    click_tab(page, "Models")
    page.get_by_test_id("models").wait_for()


def test_figures_and_what_a_model_reads_come_from_its_own_file(page: Page) -> None:
    tiny = page.locator("[data-model=tiny]")
    expect(tiny).to_contain_text("right about 30 of 40 test recordings")
    tiny.locator("summary").click()
    expect(tiny).to_contain_text("30 of 40 right (95% interval 60.0% to 86.0%); among the best three: 90.0%")
    expect(tiny).to_contain_text("Jazz 100.0% (20)")
    expect(tiny).to_contain_text("MEL of 10 s at 22\u202f050 Hz; pixels minus 0.5, 0.5, 0.5, divided by 0.5, 0.5, 0.5")
    page.get_by_role("button", name="Measure their speed").click()
    expect(tiny.locator(".as-model-line")).to_contain_text(" ms")


def test_a_model_that_comes_later_is_listed_and_answers_without_a_restart(
    page: Page, own_models: Path, url: str, music_wav: Path
) -> None:
    expect(page.locator("[data-model]")).to_have_count(1)
    shutil.copytree(own_models / "tiny", own_models / "newcomer")
    add(own_models / "newcomer", {"name": "newcomer", "metrics": {}})
    (own_models / "broken").mkdir()
    open_tab(page, url)
    expect(page.locator("[data-model=newcomer]")).to_contain_text("not tested")
    expect(page.locator("[data-model=broken]")).to_contain_text("This model cannot be used.")
    click_tab(page, "Classify")
    classify = page.get_by_role("tabpanel").filter(has=page.locator(".as-result"))
    classify.locator(".as-model input").click()
    page.get_by_role("option", name="newcomer").click()
    classify.locator("input[type=file]").set_input_files(music_wav)
    expect(page.locator(".as-result .as-best")).to_be_visible()
    expect(classify).to_contain_text("newcomer")
