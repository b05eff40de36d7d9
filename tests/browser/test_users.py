"""Six users get their work done, from drop to result, in both languages; single features are tested beside this."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from acousticsense.i18n.page import ui_text
from acousticsense.inference.equivalence_data import EXAMPLES
from acousticsense.models.genres import display_name
from tests.browser.conftest import click_tab, served
from tests.browser.test_files import send
from tests.browser.test_page import PHONE, top_five

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("locale", ["en-US", "zh-CN"])]

Visit = Callable[..., Page]
STARFALL, SKY_VIBE = EXAMPLES / "starfall.mp3", EXAMPLES / "sky-vibe.ogg"


def said(key: str, locale: str) -> str:
    return ui_text(key, locale[:2])


def downloaded(page: Page, name: str) -> str:
    """The text behind a link."""
    with page.expect_download() as download:
        page.get_by_role("link", name=name, exact=True).click()
    return download.value.path().read_text(encoding="utf-8-sig")


def test_a_teacher_lets_the_class_guess_and_looks_the_genre_up(visit: Visit, locale: str) -> None:
    page = visit(locale=locale)
    page.get_by_label(said("guess.switch", locale)).check()
    send(page, ".as-header", STARFALL)
    page.locator(".as-guess button").first.click()
    page.get_by_role("button", name=said("guess.reveal", locale)).click()
    genre = top_five(page)[0][0]
    page.locator(".as-glossary summary").click()
    entry = page.locator(".as-glossary dt").filter(has_text=genre).first
    expect(entry).to_be_visible()
    page.get_by_label(said("guess.switch", locale)).uncheck()  # the next test is no class


def test_a_musician_compares_two_mixes(visit: Visit, locale: str) -> None:
    page = visit(locale=locale)
    click_tab(page, said("tab.compare", locale))
    page.locator(".as-version-files input[type=file]").wait_for(state="attached")
    send(page, ".as-header", STARFALL, SKY_VIBE)
    expect(page.locator(".as-version-files tr.file")).to_have_count(2)
    page.get_by_role("button", name=said("compare.go", locale), exact=True).click()
    card = page.locator(".as-compare[data-state=ready]")
    expect(card.get_by_role("heading", name=said("compare.title", locale))).to_be_visible()
    card.get_by_role("button", name=said("compare.play", locale)).click()
    expect(card.get_by_role("button", name=said("compare.pause", locale))).to_be_visible()


def test_a_library_operator_gets_a_table(visit: Visit, tmp_path: Path, locale: str) -> None:
    lyrics = tmp_path / "歌词.mp3"
    lyrics.write_text("words, not music")
    page = visit(locale=locale)
    send(page, ".as-header", STARFALL, SKY_VIBE, lyrics)
    expect(page.locator(".as-files tr.file")).to_have_count(3)
    page.get_by_role("button", name=said("library.go", locale)).click()
    expect(page.locator(".as-library")).to_have_attribute("data-state", "ready", timeout=180_000)
    expect(page.get_by_test_id("rows").locator("tbody tr")).to_have_count(3)
    rows = list(csv.DictReader(downloaded(page, said("ensemble.csv", locale)).splitlines()))
    assert [row["path"] for row in rows] == [STARFALL.name, SKY_VIBE.name, lyrics.name]
    assert [bool(row["genre"]) for row in rows] == [True, True, False]


def test_a_dj_takes_a_cue_sheet_home(visit: Visit, locale: str) -> None:
    page = visit(locale=locale)
    click_tab(page, said("tab.timeline", locale))
    page.locator(".as-timeline-audio input[type=file]").wait_for(state="attached")
    send(page, ".as-header", STARFALL)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    page.get_by_role("button", name=said("timeline.draw", locale)).click()
    expect(page.locator(".as-timeline")).to_have_attribute("data-state", "ready")
    sheet = downloaded(page, said("timeline.cue", locale))
    assert f'FILE "{STARFALL.name}"' in sheet
    assert sheet.count("TRACK") == page.locator(".as-segments tbody tr").count()


@pytest.fixture
def own_page(browser: Browser, tiny_models: Path, tmp_path: Path, locale: str) -> Iterator[tuple[Page, Path]]:
    """A page of a server with a folder of models of its own."""
    models = tmp_path / "models"
    shutil.copytree(tiny_models, models)
    with served(models) as url:
        page = browser.new_page(locale=locale)
        page.set_default_timeout(60_000)
        page.goto(url)
        page.locator(".as-result").wait_for()
        yield page, models
        page.close()


def test_a_researcher_sees_a_new_checkpoint_and_asks_it(own_page: tuple[Page, Path], locale: str) -> None:
    page, models = own_page
    shutil.copytree(models / "tiny", models / "mine")
    described = json.loads((models / "mine" / "model.json").read_text(encoding="utf-8"))
    (models / "mine" / "model.json").write_text(json.dumps({**described, "name": "mine"}), encoding="utf-8")
    page.reload()
    page.locator(".as-result").wait_for()
    page.locator("[role=tab][data-tab-id=models]").click()
    expect(page.locator("[data-model=mine]")).to_contain_text(said("models.untested", locale))
    click_tab(page, said("tab.classify", locale))
    page.locator(".as-classify .as-model input").click()
    page.get_by_role("option", name="mine").click()
    send(page, ".as-header", STARFALL)
    assert len(top_five(page)) == 5
    expect(page.locator(".as-identity")).to_contain_text("mine")


def test_a_phone_user_gets_an_answer_in_view(visit: Visit, locale: str) -> None:
    page = visit(locale=locale, viewport=PHONE, has_touch=True, is_mobile=True)
    page.locator(".as-song input[type=file]").set_input_files(STARFALL)
    best = page.locator(".as-result .as-best")
    expect(best).to_contain_text(display_name(str(best_label(page)), locale[:2]))
    page.wait_for_function("document.querySelector('.as-result').getBoundingClientRect().top < innerHeight / 2")
    with page.expect_download() as download:
        page.get_by_role("button", name=said("share.picture", locale)).tap()
    assert download.value.suggested_filename == "starfall-genre.png"


def best_label(page: Page) -> str:
    """The label of the answer that the page keeps."""
    page.locator(".as-result[data-answer]").wait_for()
    kept = json.loads(page.locator(".as-result").get_attribute("data-answer") or "")
    probabilities: dict[str, float] = kept["prediction"]["probabilities"]
    return max(probabilities, key=lambda label: probabilities[label])
