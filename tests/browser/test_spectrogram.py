"""Reading the spectrogram in a real browser: what the pointer is told is what was played."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import PHONE, drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
RATE_HZ = 44_100


@pytest.fixture(scope="module")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s: an A4 (440 Hz) from 2 s to 4 s; the same note 20 dB down from 6 s to 8 s; silence elsewhere."""
    time_s = np.arange(12 * RATE_HZ) / RATE_HZ
    gain = np.where((time_s >= 2) & (time_s < 4), 0.5, np.where((time_s >= 6) & (time_s < 8), 0.05, 0.0))
    path = tmp_path_factory.mktemp("beeps") / "beeps.wav"
    soundfile.write(path, gain * np.sin(2 * np.pi * 440 * time_s), RATE_HZ)
    return path


def analysed(visit: Visit, path: Path, **options: object) -> Page:
    page = visit(**options)
    drop(page, path)
    top_five(page)
    expect(page.locator(".as-view")).to_be_visible()
    page.locator(".as-view").scroll_into_view_if_needed()
    return page


def point(page: Page, time_s: float, hz: float) -> tuple[float, float, float | None]:
    """Points at a moment and a frequency by the image's axes; returns time, Hz and dB as the page tells them."""
    page.locator(".as-view").scroll_into_view_if_needed()
    place = page.locator(".as-view").evaluate(
        """(view, [time, hz]) => {
            const rows = view.dataset.hz.split(" ").map(Number);
            const off = rows.map((centre) => Math.abs(centre - hz));
            const row = off.indexOf(Math.min(...off));
            const layer = view.querySelector(".as-layer").getBoundingClientRect();
            const seconds = view.dataset.columns * view.dataset.columnS;
            return [layer.left + layer.width * (time - view.dataset.startS) / seconds,
                    layer.bottom - layer.height * (row + 0.5) / rows.length];
        }""",
        [time_s, hz],
    )
    readout = page.get_by_test_id("readout")
    for _ in range(40):  # a image that was just exchanged listens a moment later, and a pointer at rest tells nothing
        page.mouse.move(place[0], place[1] - 1)
        page.mouse.move(*place)
        if "dB" in readout.inner_text():
            break
        page.wait_for_timeout(250)
    expect(readout).to_contain_text("dB")
    words = readout.inner_text()
    found = re.match(r"(?:(\d+):)?([\d.]+)(?: s)? · ([\d.]+) Hz.* · (≤ )?(−?[\d.]+) dB", words)
    assert found, words
    return float(found[2]), float(found[3]), None if found[4] else float(found[5].replace("−", "-"))


def ticks(page: Page, axis: str) -> list[str]:
    return page.locator(f".as-{axis} span").all_inner_texts()


def test_the_pointer_is_told_time_frequency_and_level(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    time_s, hz, loud_db = point(page, 3.0, 440)
    assert time_s == pytest.approx(3.0, abs=0.03)
    assert hz == pytest.approx(440, rel=0.04)
    quiet_db = point(page, 7.0, 440)[2]
    assert loud_db is not None
    assert quiet_db is not None
    assert loud_db == pytest.approx(0, abs=0.5)
    assert loud_db - quiet_db == pytest.approx(20, abs=0.6)
    silence_db = point(page, 5.0, 440)[2]
    assert silence_db is None or silence_db < -60
    assert (point(page, 3.0, 4000)[2] or -90) < -50
    page.mouse.move(0, 0)
    expect(page.get_by_test_id("readout")).to_be_hidden()


def test_the_axes_are_in_seconds_of_the_track_and_in_hertz(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    assert ticks(page, "x") == [str(second) for second in range(11)]
    assert {"512", "1024", "2048", "4096", "8192"} <= set(ticks(page, "y"))
    page.get_by_label("From second").fill("2")
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator(".as-x span")).to_have_text([str(second) for second in range(2, 13)])


def test_any_clip_can_be_seen_as_cqt_with_the_names_of_its_notes(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    page.get_by_role("button", name="CQT").click()
    expect(page.locator(".as-view")).to_have_attribute("data-kind", "cqt")
    expect(page.locator(".as-spectrogram:not(.as-heatmap)")).to_contain_text("for looking only")
    time_s, hz, level_db = point(page, 3.0, 440)
    assert (round(time_s), hz) == (3, 440)
    assert level_db == pytest.approx(0, abs=0.5)
    assert "(A4)" in page.get_by_test_id("readout").inner_text()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Mel", exact=True).click()
    expect(page.locator(".as-view")).to_have_attribute("data-kind", "mel")
    expect(page.locator(".as-view")).to_have_attribute("data-zoom", "2.00")
    assert point(page, 3.0, 2000)[1] == pytest.approx(2000, rel=0.04)  # 440 Hz lies below the visible half


def test_zoom_keeps_what_is_under_the_pointer_and_refines_the_axes(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    view = page.locator(".as-view")
    before = point(page, 3.0, 440)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(view).to_have_attribute("data-zoom", "4.00")
    assert point(page, 3.0, 440) == before
    assert {"3.0", "3"} & set(ticks(page, "x"))
    assert "0" not in ticks(page, "x")
    left = view.locator(".as-layer").bounding_box()
    drag(page, view, -60)
    moved = view.locator(".as-layer").bounding_box()
    assert left
    assert moved
    assert moved["x"] == pytest.approx(left["x"] - 60, abs=6)
    page.get_by_role("button", name="Show all").click()
    expect(view).to_have_attribute("data-zoom", "1.00")
    page.get_by_role("button", name="Zoom in").click()
    expect(view).to_have_attribute("data-zoom", "2.00")


def drag(page: Page, view: Locator, by_pixels: int) -> None:
    box = view.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by_pixels / 2, y)
    page.mouse.move(x + by_pixels, y)
    page.mouse.up()


def test_the_keyboard_reads_and_zooms_too(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    view = page.locator(".as-view")
    view.focus()
    page.keyboard.press("ArrowLeft")
    readout = page.get_by_test_id("readout")
    expect(readout).to_contain_text("dB")
    expect(readout).to_have_attribute("aria-live", "polite")
    before = float(readout.inner_text().split()[0])
    page.keyboard.press("Shift+ArrowLeft")
    assert float(readout.inner_text().split()[0]) == pytest.approx(before - 10 * 512 / 22_050, abs=0.011)
    page.keyboard.press("+")
    expect(view).to_have_attribute("data-zoom", "2.00")
    page.keyboard.press("0")
    expect(view).to_have_attribute("data-zoom", "1.00")
    page.keyboard.press("Escape")
    expect(readout).to_be_hidden()


def playhead_s(page: Page) -> float:
    """Where the playhead stands, by the image's axis."""
    seconds: float = page.locator(".as-view").evaluate(
        """(view) => Number(view.dataset.startS) + view.dataset.columns * view.dataset.columnS
            * parseFloat(view.querySelector(".as-playhead").style.left) / 100"""
    )
    return seconds


def test_a_click_moves_the_player_and_the_playhead_follows_it(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    expect(page.locator(".as-playhead")).to_be_hidden()
    point(page, 6.0, 1000)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".as-playhead")).to_be_visible()
    assert playhead_s(page) == pytest.approx(6.0, abs=0.1)
    page.locator(".as-song .play-pause-button").click()
    page.wait_for_function("parseFloat(document.querySelector('.as-playhead').style.left) > 63")
    assert playhead_s(page) < 12


def test_both_images_can_be_kept(visit: Visit, beeps: Path) -> None:
    page = analysed(visit, beeps)
    for link, name, size in (
        ("Download PNG", "beeps-mel-spectrogram.png", (1600, 640)),
        ("Input 224 × 224", "beeps-mel-input-1.png", (224, 224)),
    ):
        with page.expect_download() as download:
            page.locator(".as-spectrogram").get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
        assert Image.open(io.BytesIO(download.value.path().read_bytes())).size == size


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_reads_by_touch(visit: Visit, beeps: Path, locale: str) -> None:
    page = analysed(visit, beeps, locale=locale, viewport=PHONE, has_touch=True, is_mobile=True)
    box = page.locator(".as-view").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    expect(page.get_by_test_id("readout")).to_contain_text("Hz")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
