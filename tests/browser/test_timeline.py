"""The tab "Timeline" as a visitor uses it, in a real browser against the real server."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from acousticsense.analysis.timeline import make_timeline
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings
from acousticsense.web.example_clips import read_examples
from tests.browser.conftest import click_tab

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
PHONE = {"width": 390, "height": 844}
#: A clip of real music, 12 s.
CLIP = next(clip.path for clip in read_examples() if clip.path.suffix == ".mp3")
#: One for which the model of the tests predicts two genres, the first for 4 s.
CHANGING = next(clip.path for clip in read_examples() if clip.path.stem == "enigma-rag")


def open_tab(page: Page, name: str = "Timeline") -> Page:
    click_tab(page, name)
    page.locator(".as-timeline[data-state=empty]").wait_for()
    return page


def draw(page: Page, path: Path, *, window_s: int = 4, hop_s: int = 2) -> Locator:
    """Chooses a file and settings and presses the button; the card that appears."""
    page.locator(".as-timeline-audio input[type=file]").set_input_files(path)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    page.get_by_label("number input for Window (seconds)").fill(str(window_s))
    page.get_by_label("number input for A window every (seconds)").fill(str(hop_s))
    page.get_by_role("button", name="Draw the timeline").click()
    return page.locator(".as-timeline")


def ready(card: Locator) -> Locator:
    expect(card).to_have_attribute("data-state", "ready")
    return card


def now_playing_s(page: Page) -> float:
    seconds: float = page.evaluate("document.querySelector('.as-timeline-audio audio').currentTime")
    return seconds


def test_the_tab_says_what_rest_says(visit: Visit, page_url: str) -> None:
    page = open_tab(visit())
    card = ready(draw(page, CLIP))
    with CLIP.open("rb") as file:
        answer = requests.post(
            f"{page_url}/api/timeline", files={"data": file}, data={"window_s": "4", "hop_s": "2"}, timeout=60
        ).json()
    rows = page.get_by_test_id("segments").locator("tbody tr")
    expect(rows).to_have_count(len(answer["segments"]))
    for row, segment in zip(rows.all(), answer["segments"], strict=True):
        cells = row.locator("td").all_inner_texts()
        assert cells[2] == segment["genre"]
        assert float(cells[3].strip("%")) == pytest.approx(100 * segment["confidence"], abs=0.051)
    with page.expect_download() as download:
        card.get_by_role("link", name="JSON").click()
    assert download.value.suggested_filename == f"{CLIP.stem}-timeline.json"
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    for window, expected in zip(saved["windows"], answer["windows"], strict=True):
        assert window["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
    with page.expect_download() as download:
        card.get_by_role("link", name="Table (CSV)").click()
    assert len(list(csv.reader(download.value.path().open(encoding="utf-8-sig")))) == 1 + len(answer["windows"])
    with page.expect_download() as download:
        card.get_by_role("link", name="Audacity labels").click()
    assert len(download.value.path().read_text(encoding="utf-8").splitlines()) == len(answer["segments"])


def test_a_click_on_a_place_or_a_segment_plays_from_there(visit: Visit) -> None:
    page = open_tab(visit())
    ready(draw(page, CLIP))
    river = page.locator("[data-as-river]")
    box = river.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.wait_for_function("!document.querySelector('.as-timeline-audio audio').paused")
    assert 5.9 < now_playing_s(page) < 9
    expect(page.locator(".as-river-head")).to_be_visible()
    page.get_by_role("button", name="Play from 0:00").click()
    page.wait_for_function("document.querySelector('.as-timeline-audio audio').currentTime < 3")


def test_the_keyboard_moves_and_plays(visit: Visit) -> None:
    page = open_tab(visit())
    ready(draw(page, CLIP))
    river = page.get_by_role("slider", name="Place in the track")
    river.focus()
    page.keyboard.press("ArrowRight")
    expect(river).to_have_attribute("aria-valuenow", "2")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.as-timeline-audio audio').paused")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.as-timeline-audio audio').paused")


def test_the_pointer_reads_the_probabilities(visit: Visit, tiny_models: Path) -> None:
    page = open_tab(visit())
    ready(draw(page, CLIP, window_s=4, hop_s=4))
    box = page.locator("[data-as-river]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 50)
    reading = page.get_by_test_id("reading")
    classifier = GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))
    best = make_timeline(classifier, CLIP, window_s=4.0).windows[1].best
    assert best is not None
    expect(reading).to_contain_text("0:06")
    expect(reading).to_contain_text(f"{best.label} {100 * best.confidence:.1f}%")
    page.mouse.move(5, 5)
    expect(reading).to_be_hidden()


@pytest.fixture
def long_mp3(tmp_path: Path) -> Path:
    """Half an hour: the clip again and again."""
    path = tmp_path / "long.mp3"
    path.write_bytes(CLIP.read_bytes() * 150)
    return path


def test_half_an_hour_shows_progress_and_can_be_stopped_and_the_page_stays_quick(visit: Visit, long_mp3: Path) -> None:
    page = open_tab(visit())
    card = draw(page, long_mp3, window_s=2, hop_s=1)
    expect(card).to_have_attribute("data-state", "running")
    expect(card).to_contain_text("analysed")
    click_tab(page, "Classify")
    expect(page.get_by_role("button", name="Classify", exact=True)).to_be_visible()
    click_tab(page, "Timeline")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(card.get_by_role("heading")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    page.locator(".as-timeline-audio").get_by_role("button", name="Clear").click()
    ready(draw(page, CLIP))


@pytest.mark.parametrize(("locale", "tab"), [("en-US", "Timeline"), ("zh-CN", "时间轴")])
def test_segments_shorter_than_the_control_says_join_their_neighbours(
    visit: Visit, page_url: str, locale: str, tab: str
) -> None:
    page = open_tab(visit(locale=locale), tab)
    for label, seconds in (("Window|窗口（秒）", 4), ("A window every|窗口间隔", 4), ("Shortest segment|最短分段", 5)):
        page.locator(".as-columns").get_by_label(re.compile(label)).first.fill(str(seconds))
    page.locator(".as-timeline-audio input[type=file]").set_input_files(CHANGING)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    page.locator(".as-draw").click()
    ready(page.locator(".as-timeline"))
    expect(page.get_by_test_id("segments").locator("tbody tr")).to_have_count(1)
    fields = {"window_s": "4", "hop_s": "4"}
    for more, n_segments in (({}, 2), ({"min_segment_s": "5"}, 1)):
        with CHANGING.open("rb") as file:
            answer = requests.post(f"{page_url}/api/timeline", files={"data": file}, data=fields | more, timeout=60)
        assert len(answer.json()["segments"]) == n_segments


def ticks(page: Page) -> list[str]:
    return page.locator(".as-timeline .as-river-x span").all_inner_texts()


def test_dragging_zooms_and_a_button_shows_the_whole_again(visit: Visit) -> None:
    page = open_tab(visit())
    ready(draw(page, CLIP))
    whole = ticks(page)
    out = page.get_by_role("button", name="Zoom out")
    expect(out).to_be_hidden()
    box = page.locator("[data-as-river]").bounding_box()
    assert box is not None
    x, y = (lambda share: box["x"] + share * box["width"]), box["y"] + 60
    page.mouse.move(x(0.78), y)
    page.mouse.down()
    page.mouse.move(x(0.5), y)
    expect(page.locator(".as-river-drag")).to_be_visible()
    page.mouse.move(x(0.28), y)
    page.mouse.up()
    expect(out).to_be_visible()
    for gone in (".as-river-drag", ".as-river-readout"):
        expect(page.locator(gone)).to_be_hidden()
    assert ticks(page) == ["0:04", "0:05", "0:06", "0:07", "0:08", "0:09"]
    assert page.evaluate("document.querySelector('.as-timeline-audio audio').paused")
    page.mouse.move(x(0.05), y)
    expect(page.get_by_test_id("reading")).to_contain_text("0:04")
    page.mouse.click(x(0.5), y)
    page.wait_for_function("!document.querySelector('.as-timeline-audio audio').paused")
    assert 5.5 < now_playing_s(page) < 8
    out.click()
    expect(out).to_be_hidden()
    expect(page.locator("[data-as-river]")).to_be_focused()
    assert ticks(page) == whole


def test_the_keyboard_zooms_and_the_part_goes_along_with_the_place(visit: Visit) -> None:
    page = open_tab(visit())
    ready(draw(page, CLIP))
    whole, out = ticks(page), page.get_by_role("button", name="Zoom out")
    river = page.get_by_role("slider", name="Place in the track")
    river.press("+")
    assert ticks(page)[0] == "0:00"
    assert len(ticks(page)) == 7
    for _ in range(4):
        river.press("ArrowRight")
    expect(river).to_have_attribute("aria-valuenow", "8")
    assert "0:08" in ticks(page)
    river.press("-")
    expect(out).to_be_hidden()
    river.press("+")
    page.keyboard.press("Tab")
    expect(out).to_be_focused()
    page.keyboard.press("Enter")
    expect(out).to_be_hidden()
    assert ticks(page) == whole


def test_a_bad_file_is_explained(visit: Visit, tmp_path: Path) -> None:
    page = open_tab(visit())
    bad = tmp_path / "lyrics.mp3"
    bad.write_text("these are words, not music")
    draw(page, bad)
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("This file cannot be read as audio.")


def test_the_button_without_a_track_says_what_is_missing(visit: Visit) -> None:
    page = open_tab(visit())
    page.get_by_role("button", name="Draw the timeline").click()
    expect(page.locator(".as-timeline [role=alert]")).to_contain_text("There is no song yet.")


def test_a_new_file_clears_the_card(visit: Visit) -> None:
    page = open_tab(visit())
    card = ready(draw(page, CLIP))
    page.locator(".as-timeline-audio").get_by_role("button", name="Clear").click()
    expect(card).to_have_attribute("data-state", "empty")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_needs_no_sideways_scrolling(visit: Visit, locale: str) -> None:
    page = visit(locale=locale, viewport=PHONE, has_touch=True, is_mobile=True)
    open_tab(page, "Timeline" if locale == "en-US" else "时间轴")
    page.locator(".as-timeline-audio input[type=file]").set_input_files(CLIP)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    page.locator(".as-draw").click()
    ready(page.locator(".as-timeline"))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.wait_for_function("document.querySelector('.as-timeline').getBoundingClientRect().top < innerHeight / 2")
    words = page.locator(".as-timeline").inner_text()
    assert ("Table (CSV)" in words) == (locale == "en-US")
