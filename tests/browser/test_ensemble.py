"""The second tab as a visitor uses it: five models, both images, one of them broken, the table downloaded."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import click_tab, served
from tests.conftest import CNNS

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def own_models(cnn_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five CNNs and "tiny", in a folder of these tests' own."""
    folder = tmp_path_factory.mktemp("own") / "models"
    shutil.copytree(cnn_models, folder)
    return folder


@pytest.fixture(scope="module")
def ensemble_url(own_models: Path) -> Iterator[str]:
    with served(own_models) as url:
        yield url


@pytest.fixture
def open_tab(browser: Browser, ensemble_url: str) -> Iterator[Open]:
    """Opens the page at its second tab and waits until the models are loaded."""
    contexts = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-US", **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(ensemble_url)
        page.locator(".as-result").wait_for()
        click_tab(page, "多模型" if options.get("locale") == "zh-CN" else "Ensemble")
        page.locator(".as-memory").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def give(page: Page, song: Path) -> None:
    panel = page.get_by_role("tabpanel").filter(has=page.locator(".as-ensemble"))
    panel.locator("input[type=file]").set_input_files(song)


def without_tiny(page: Page) -> None:
    page.get_by_label("tiny", exact=True).uncheck()


@pytest.mark.parametrize(
    ("locale", "best", "other"),
    [
        ("en-US", "Best (MobileNetV3)", "MobileNetV3, CQT image"),
        ("zh-CN", "最准（MobileNetV3）", "MobileNetV3，CQT 频谱图"),
    ],
)
def test_models_go_by_plain_names_and_the_small_print_follows_the_choice(
    open_tab: Open, locale: str, best: str, other: str
) -> None:
    page = open_tab(locale=locale)
    expect(page.get_by_label(best, exact=True)).to_be_checked()
    click_tab(page, "识别流派" if locale == "zh-CN" else "Classify")
    facts = page.locator(".as-facts").first
    expect(facts).to_contain_text("tiny")
    page.locator(".as-model input").first.click()
    page.get_by_role("option", name=other).click()
    expect(facts).to_contain_text("14 of 60" if locale == "en-US" else "60 段测试录音答对 14 段")
    expect(facts).to_contain_text("mobilenetv3_large")


def test_a_song_two_images_ten_rows_and_the_table_to_keep(
    open_tab: Open, ensemble_url: str, music_mp3: Path, tmp_path: Path
) -> None:
    page = open_tab()
    without_tiny(page)
    give(page, music_mp3)
    rows = page.get_by_test_id("members").locator("tbody tr")
    expect(rows).to_have_count(10, timeout=180_000)
    expect(page.get_by_test_id("split")).to_contain_text("10 members")
    expect(page.locator(".as-memory")).to_contain_text("6 models in memory")
    expect(page.get_by_test_id("plot").locator("li")).to_have_count(8)
    best = page.get_by_test_id("plot").locator("li").first
    expect(best.locator(".as-value")).to_have_text(page.locator(".as-ensemble .as-share").inner_text())
    expect(page.get_by_test_id("plot").locator("li").first.locator("circle")).to_have_count(10)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "music-ensemble.csv"
    download.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    with music_mp3.open("rb") as file:
        fields = {"models": ",".join(sorted(CNNS))}  # the order of the page
        rest = requests.post(f"{ensemble_url}/api/ensemble", files={"data": file}, data=fields, timeout=120).json()
    assert len(table) == 11
    for row, member in zip(table, rest["models"], strict=False):
        assert (row["model"], row["spectrogram"]) == (member["name"], member["spectrogram"])
        for label, probability in member["probabilities"].items():
            assert float(row[label]) == pytest.approx(probability, abs=1e-5)
    best = rest["consensus"]["prediction"][0]
    expect(page.locator(".as-ensemble .as-best")).to_contain_text(f"{100 * best['confidence']:.1f}%")


def test_a_corrupted_member_says_why_and_the_others_answer(open_tab: Open, own_models: Path, music_mp3: Path) -> None:
    folder = own_models / "broken"
    shutil.copytree(own_models / "mobilenetv3_large", folder)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")
    try:
        with served(own_models) as url:
            page = open_tab()
            page.goto(url)
            click_tab(page, "Ensemble")
            page.get_by_label("mel", exact=True).check()
            without_tiny(page)
            page.get_by_label("MobileNetV3", exact=True).check()  # "broken" says that it has the same weights
            give(page, music_mp3)
            rows = page.get_by_test_id("members").locator("tbody tr")
            expect(rows).to_have_count(6)
            failed = page.locator("tr[data-state='failed']")
            expect(failed).to_have_count(1)
            expect(failed).to_contain_text("broken")
            expect(failed).to_contain_text("is not the recorded file")
            expect(page.locator("tr[data-state='averaged']")).to_have_count(5)
    finally:
        shutil.rmtree(folder)


def test_the_answer_is_still_there_after_a_look_at_another_tab(open_tab: Open, music_mp3: Path) -> None:
    page = open_tab()
    page.get_by_label("mel", exact=True).check()
    give(page, music_mp3)
    rows = page.get_by_test_id("members").locator("tbody tr")
    expect(rows).to_have_count(6)
    click_tab(page, "Classify")
    click_tab(page, "Ensemble")
    expect(rows).to_have_count(6)


def test_the_button_without_a_song_says_what_is_missing(open_tab: Open) -> None:
    page = open_tab()
    page.get_by_role("button", name="Ask them all").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no song yet.")


def test_a_phone_in_chinese_needs_no_sideways_scrolling(open_tab: Open, music_mp3: Path) -> None:
    page = open_tab(locale="zh-CN", viewport=PHONE, has_touch=True, is_mobile=True)
    page.get_by_label("mel", exact=True).check()
    give(page, music_mp3)
    expect(page.get_by_test_id("members").locator("tbody tr")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    words = page.locator(".as-ensemble").inner_text()
    assert "个结果" in words
    assert "members" not in words
