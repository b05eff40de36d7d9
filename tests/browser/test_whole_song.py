"""The whole song below its first answer, as a visitor sees it, in a real browser against the real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile
from playwright.sync_api import Locator, Page, expect

from acousticsense.web.example_clips import read_examples
from tests.browser.test_page import drop, top_five
from tests.conftest import play_chords

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
#: A clip of real music, 12 s.
CLIP = next(clip.path for clip in read_examples() if clip.path.suffix == ".mp3")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three quarters of a minute."""
    path = tmp_path_factory.mktemp("song") / "song.mp3"
    soundfile.write(path, play_chords(45.0), 44_100)
    return path


@pytest.fixture(scope="module")
def long_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Just under half an hour, the longest that is analysed unasked: the clip again and again."""
    path = tmp_path_factory.mktemp("song") / "long.mp3"
    path.write_bytes(CLIP.read_bytes() * 148)
    return path


def choose(page: Page, path: Path) -> Locator:
    """Chooses a song; the card for all of it."""
    page.locator(".as-song input[type=file]").set_input_files(path)
    return page.locator(".as-whole-song")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_from_drop_to_strip_nothing_above_moves_and_the_numbers_are_those_of_rest(
    visit: Visit, page_url: str, song: Path, locale: str
) -> None:
    page = visit(locale=locale, viewport={"width": 1280, "height": 900})
    places = """() => ['.as-answer', '.as-whole-song'].map(
        (name) => document.querySelector(name).getBoundingClientRect().top)"""
    before = page.evaluate(places)
    drop(page, song)
    top_five(page)
    card = page.locator(".as-whole-song")
    expect(card).to_have_attribute("data-state", "ready")
    assert page.evaluate(places) == pytest.approx(before, abs=1)
    with song.open("rb") as file:
        answer = requests.post(f"{page_url}/api/timeline", files={"data": file}, timeout=60).json()
    expect(card.locator(".as-strip i")).to_have_count(len(answer["segments"]))
    with_music = [window["probabilities"] for window in answer["windows"] if window["verdict"] != "not_music"]
    means = [sum(window[label] for window in with_music) / len(with_music) for label in with_music[0]]
    shown = re.findall(r"([\d.]+)%", card.get_by_test_id("song-top").inner_text())
    assert [float(value) for value in shown] == pytest.approx(
        [100 * mean for mean in sorted(means, reverse=True)[:3]], abs=0.051
    )
    expect(card.get_by_role("status")).to_contain_text("Whole song:" if locale == "en-US" else "整首歌：")
    expect(card.get_by_role("list", name="Segments" if locale == "en-US" else "分段")).to_contain_text("0:00")


def test_stop_ends_the_work_and_it_can_be_begun_again(visit: Visit, long_song: Path, song: Path) -> None:
    page = visit()
    card = choose(page, long_song)
    stop = page.locator(".as-song-stop")
    top_five(page)
    expect(card).to_have_attribute("data-state", "running")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("analysed|Waiting"))
    stop.click()
    expect(card.get_by_role("status")).to_contain_text("Stopped.")
    expect(stop).to_be_hidden()
    assert len(top_five(page)) == 5
    page.get_by_role("button", name="Analyse the whole song").click()
    expect(card).to_have_attribute("data-state", "running")
    page.locator(".as-song").get_by_role("button", name="Clear").click()
    expect(card).to_have_attribute("data-state", "empty")
    expect(choose(page, song)).to_have_attribute("data-state", "ready")  # the former work stands in nobody's way
    expect(page.locator(".as-result .as-file b")).to_have_text("song.mp3")


def test_who_comes_second_is_told_the_place_in_the_queue(visit: Visit, long_song: Path) -> None:
    first, second = visit(), visit(locale="zh-CN")
    expect(choose(first, long_song)).to_have_attribute("data-state", "running")
    expect(choose(second, long_song).get_by_role("progressbar")).to_have_attribute("aria-valuetext", "排队中：第 1 位")
    first.locator(".as-song-stop").click()
    expect(second.locator(".as-whole-song").get_by_role("progressbar")).to_have_attribute(
        "aria-valuetext", re.compile("已分析")
    )


def test_a_track_that_is_too_long_is_opened_in_the_timeline(visit: Visit, tmp_path: Path) -> None:
    longer = tmp_path / "set.mp3"
    longer.write_bytes(CLIP.read_bytes() * 156)
    page = visit()
    card = choose(page, longer)
    expect(card.get_by_role("status")).to_contain_text("too long to be analysed in the background")
    page.get_by_role("button", name="Open in the timeline").click()
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    page.get_by_role("button", name="Draw the timeline").click()
    expect(page.locator(".as-timeline")).to_have_attribute("data-state", re.compile("running|ready"))


def test_a_whole_track_that_is_too_long_is_opened_in_the_timeline(visit: Visit, tmp_path: Path) -> None:
    longer = tmp_path / "set.flac"
    soundfile.write(longer, np.zeros((1810 * 8000, 1), np.int16), 8000)
    page = visit()
    page.get_by_label("Whole track").check()
    choose(page, longer)
    alert = page.locator(".as-result").get_by_role("alert")
    expect(alert).to_contain_text("longer than 1800 s")
    alert.get_by_role("button", name="Open in the timeline").click()
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile(r"\?tab=timeline$"))
    page.locator(".as-timeline-audio audio").wait_for(state="attached")


def test_the_strip_fits_a_narrow_phone(visit: Visit, song: Path) -> None:
    page = visit(viewport={"width": 320, "height": 700}, has_touch=True, is_mobile=True)
    card = choose(page, song)
    expect(card).to_have_attribute("data-state", "ready")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    box = card.bounding_box()
    assert box is not None
    for part in card.locator("p, .as-strip, .as-legend, button").all():
        inner = part.bounding_box()
        assert inner is not None
        assert inner["x"] + inner["width"] <= box["x"] + box["width"]


def test_a_whole_track_tells_how_far_it_is_and_can_be_stopped(visit: Visit, tmp_path: Path, song: Path) -> None:
    long = tmp_path / "long.flac"
    noise = np.random.default_rng(0).normal(0, 3000, 8000 * 10).astype(np.int16)
    soundfile.write(long, np.tile(noise, 175), 8000)  # just short enough
    page = visit()
    page.get_by_label("Whole track").check()
    choose(page, long)
    result, stop = page.locator(".as-result"), page.locator(".as-answer-stop")
    expect(result).to_have_attribute("data-state", "running")
    expect(result.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("Reading|analysed"))
    stop.click()
    expect(result.get_by_role("heading", level=2)).to_have_text("Stopped.")
    expect(stop).to_be_hidden()
    page.locator(".as-song").get_by_role("button", name="Clear").click()
    choose(page, song)  # the former work stands in nobody's way
    expect(page.locator(".as-file b")).to_have_text("song.mp3")
    expect(page.locator("[data-as-excerpt]")).to_have_text("0:00 to 0:45 of 0:45")
