"""The Compare tab in a real browser: two real versions of a clip."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile
from playwright.sync_api import Page, expect

from tests.browser.conftest import click_tab
from tests.browser.test_page import DROP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
TAB = re.compile("^(Compare|版本对比)$")
STARFALL = Path(__file__).resolve().parents[2] / "examples" / "starfall.mp3"


@pytest.fixture(scope="module")
def dull_and_quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip without what lies above 1 kHz, and 8 dB quieter."""
    samples, rate_hz = soundfile.read(STARFALL, always_2d=True)
    spectrum = np.fft.rfft(samples, axis=0)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate_hz) > 1000] = 0
    path = tmp_path_factory.mktemp("versions") / "starfall-dull.wav"
    soundfile.write(path, np.fft.irfft(spectrum, len(samples), axis=0) * 10 ** (-8 / 20), rate_hz)
    return path


def compared(visit: Visit, a: Path, b: Path, go: str = "Compare", *, page: Page | None = None, **options: Any) -> Page:
    page = page or visit(**options)
    click_tab(page, TAB)
    for letter, path in (("a", a), ("b", b)):
        target = f".as-version-{letter} button[aria-dropeffect]"
        page.locator(target).wait_for()
        script = DROP.replace(".as-audio button[aria-dropeffect]", target)
        page.evaluate(script, [base64.b64encode(path.read_bytes()).decode("ascii"), path.name])
        page.locator(f".as-version-{letter} .play-pause-button").wait_for()
    page.get_by_role("button", name=go, exact=True).click()
    expect(page.locator(".as-compare[data-state='ready']")).to_be_visible()
    return page


def measured(page: Page, measure: str) -> list[float]:
    cells = page.locator(f"[data-measure='{measure}'] td").all_inner_texts()
    return [float(re.sub("[\u202f+]", "", cell).replace("−", "-")) for cell in cells]


def test_a_dull_quiet_version_is_told_apart_in_words_bars_and_images(
    visit: Visit, page_url: str, dull_and_quiet: Path
) -> None:
    page = compared(visit, STARFALL, dull_and_quiet)
    moved = page.get_by_test_id("moved")
    expect(moved).to_contain_text("LU quieter")
    expect(moved).to_contain_text("B is darker")
    with STARFALL.open("rb") as a, dull_and_quiet.open("rb") as b:
        answer = requests.post(f"{page_url}/api/compare", files={"a": a, "b": b}, data={"duration_s": "10"}, timeout=60)
    body = answer.json()
    assert moved.locator("li").all_inner_texts() == body["summary"]
    loudness, brightness = measured(page, "compare.loudness"), measured(page, "compare.brightness")
    assert loudness[2] == pytest.approx(body["loudness_lufs"]["difference"], abs=0.06)
    assert loudness[2] < -7
    assert brightness[1] < 0.7 * brightness[0]
    rows = page.locator(".as-changes tr[data-label]")
    expect(rows).to_have_count(16)
    shown = {row.get_attribute("data-label"): row.locator("td").last.inner_text() for row in rows.all()}
    for label, difference in body["differences"].items():
        assert float(shown[label].replace("−", "-")) == pytest.approx(100 * difference, abs=0.051)
    expect(page.locator(".as-pair .as-view")).to_have_count(2)
    assert darkest_db(page, 1) < darkest_db(page, 0)


def test_both_are_played_at_once_equally_loud_and_one_is_heard(visit: Visit, dull_and_quiet: Path) -> None:
    page = visit()
    page.evaluate(
        """() => { window.sounds = []; const Old = window.Audio;
        window.Audio = function (src) { const made = new Old(src); window.sounds.push(made); return made; }; }"""
    )
    compared(visit, STARFALL, dull_and_quiet, page=page)
    louder, softer = (
        float(button.get_attribute("data-volume") or 0) for button in page.locator(".as-ab [data-src]").all()
    )
    assert softer == 1
    difference = measured(page, "compare.loudness")[2]
    assert 20 * np.log10(louder) == pytest.approx(difference, abs=0.06)
    page.evaluate("window.sounds.length = 0")
    page.get_by_role("button", name="Play", exact=True).last.click()
    state = "() => window.sounds.map((sound) => [sound.paused, sound.muted, sound.currentTime > 0])"
    page.wait_for_function("() => window.sounds.length === 2 && window.sounds.every((s) => s.currentTime > 0.2)")
    assert page.evaluate(state) == [[False, False, True], [False, True, True]]
    page.locator(".as-ab").get_by_role("button", name="Version B").click()
    assert page.evaluate(state) == [[False, True, True], [False, False, True]]
    page.locator(".as-ab").get_by_role("button", name="Pause").click()
    assert [paused for paused, *_ in page.evaluate(state)] == [True, True]


def test_the_whole_of_both_is_kept_as_a_table(visit: Visit, dull_and_quiet: Path, tmp_path: Path) -> None:
    page = visit()
    click_tab(page, TAB)
    panel = page.get_by_role("tabpanel").filter(has=page.locator(".as-compare"))
    panel.get_by_label("Whole track").check()
    compared(visit, STARFALL, dull_and_quiet, page=page)
    for version in page.locator(".as-versions .as-file").all():
        expect(version).to_contain_text("0:00 to 0:12 of 0:12")  # ten seconds without the box
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "compare.csv")
    rows = list(csv.DictReader((tmp_path / "compare.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 16
    assert all(float(row["b"]) - float(row["a"]) == pytest.approx(float(row["change"]), abs=1e-9) for row in rows)


def darkest_db(page: Page, index: int) -> float:
    """The level at 5 kHz in the middle of a image, as the pointer is told."""
    view = page.locator(".as-pair .as-view").nth(index)
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
    readout = view.get_by_test_id("readout")
    expect(readout).to_contain_text("dB")
    return float(readout.inner_text().split(" · ")[-1].strip("≤ dB").replace("−", "-"))


def test_the_same_file_twice_claims_nothing(visit: Visit) -> None:
    page = compared(visit, STARFALL, STARFALL)
    sentences = page.get_by_test_id("moved").locator("li")
    expect(sentences).to_have_count(1)
    expect(sentences.first).to_contain_text("The genres did not move")
    assert measured(page, "compare.loudness")[2] == 0


def test_a_missing_version_is_asked_for(visit: Visit) -> None:
    page = visit()
    click_tab(page, TAB)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".as-compare [role='alert']")).to_contain_text("Choose two files")


def test_a_phone_in_chinese_needs_no_sideways_scrolling(visit: Visit, dull_and_quiet: Path) -> None:
    page = compared(
        visit, STARFALL, dull_and_quiet, "开始对比", locale="zh-CN", viewport=PHONE, has_touch=True, is_mobile=True
    )
    expect(page.get_by_test_id("moved")).to_contain_text("B 更暗")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
