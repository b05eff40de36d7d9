"""The Compare tab in a real browser: real versions of a clip."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import click_tab
from tests.browser.test_page import PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
TAB = re.compile("^(Compare|版本对比)$")
STARFALL = Path(__file__).resolve().parents[2] / "examples" / "starfall.mp3"


@pytest.fixture(scope="module")
def dull_and_quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip without what lies above 1 kHz, and 8 dB quieter."""
    return dulled(tmp_path_factory.mktemp("versions") / "starfall-dull.wav", below_hz=1000, gain_db=-8)


@pytest.fixture(scope="module")
def four_versions(dull_and_quiet: Path) -> list[Path]:
    """The clip, dull and quiet, only quiet, and as it was."""
    quiet = dulled(dull_and_quiet.with_name("starfall-quiet.wav"), below_hz=1e9, gain_db=-5)
    return [STARFALL, dull_and_quiet, quiet, STARFALL]


def dulled(path: Path, *, below_hz: float, gain_db: float) -> Path:
    samples, rate_hz = soundfile.read(STARFALL, always_2d=True)
    spectrum = np.fft.rfft(samples, axis=0)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate_hz) > below_hz] = 0
    soundfile.write(path, np.fft.irfft(spectrum, len(samples), axis=0) * 10 ** (gain_db / 20), rate_hz)
    return path


def listed(page: Page, *paths: Path) -> None:
    """Puts files into the list, one after the other as a visitor would."""
    files = page.locator(".as-version-files tr.file")
    for path in paths:
        n_before = files.count()
        page.locator(".as-version-files input[type=file]").set_input_files(path)
        expect(files).to_have_count(n_before + 1)


def compared(visit: Visit, *paths: Path, go: str = "Compare", page: Page | None = None, **options: Any) -> Page:
    page = page or visit(**options)
    click_tab(page, TAB)
    listed(page, *paths)
    page.get_by_role("button", name=go, exact=True).click()
    expect(page.locator(".as-compare[data-state='ready']")).to_be_visible()
    return page


def measured(page: Page, measure: str) -> tuple[list[float], list[float]]:
    """The values of a row, and the differences to the first."""
    row = page.locator(f"[data-measure='{measure}'] td")
    return numbers(row.locator("span")), numbers(row.locator("b"))


def numbers(cells: Locator) -> list[float]:
    return [float(re.sub("[\u202f+]", "", cell).replace("−", "-")) for cell in cells.all_inner_texts()]


def test_a_dull_quiet_version_is_told_apart_in_words_bars_and_images(
    visit: Visit, page_url: str, dull_and_quiet: Path
) -> None:
    page = compared(visit, STARFALL, dull_and_quiet)
    moved = page.get_by_test_id("moved")
    expect(moved).to_contain_text("LU quieter")
    expect(moved).to_contain_text("B is darker")
    body = answered(page_url, [STARFALL, dull_and_quiet])
    assert moved.locator("li").all_inner_texts() == body["summary"]
    _, [louder] = measured(page, "compare.loudness")
    assert louder == pytest.approx(body["loudness_lufs"]["difference"], abs=0.06)
    assert louder < -7
    [before, after], _ = measured(page, "compare.brightness")
    assert after < 0.7 * before
    rows = page.locator(".as-changes tr[data-label]")
    expect(rows).to_have_count(16)
    shown = {row.get_attribute("data-label"): numbers(row.locator("td b")) for row in rows.all()}
    for label, difference in body["differences"].items():
        assert shown[label] == [pytest.approx(100 * difference, abs=0.051)]
    expect(page.locator(".as-pair .as-view")).to_have_count(2)
    assert darkest_db(page, 1) < darkest_db(page, 0)


#: Whether each version is paused, muted and under way.
SOUNDS = "[...document.querySelectorAll('.as-ab audio')].map((s) => [s.paused, s.muted, s.currentTime > 0.2])"


def test_all_are_played_at_once_equally_loud_and_one_is_heard(visit: Visit, four_versions: list[Path]) -> None:
    page = compared(visit, *four_versions)
    loudness, _ = measured(page, "compare.loudness")
    sounds = page.locator(".as-ab audio")
    volumes = [float(sound.get_attribute("data-volume") or 0) for sound in sounds.all()]
    assert [20 * np.log10(volume) for volume in volumes] == [
        pytest.approx(min(loudness) - value, abs=0.11) for value in loudness
    ]
    page.locator(".as-ab").get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(f"() => {SOUNDS}.every(([paused, , moves]) => !paused && moves)")
    assert [muted for _, muted, _ in page.evaluate(SOUNDS)] == [False, True, True, True]
    assert page.evaluate("[...document.querySelectorAll('.as-ab audio')].map((s) => s.volume)") == pytest.approx(
        volumes
    )
    page.locator(".as-ab").get_by_role("button", name="Version C").click()
    assert page.evaluate(SOUNDS) == [[False, index != 2, True] for index in range(4)]
    page.locator(".as-ab").get_by_role("button", name="Pause").click()
    assert [paused for paused, *_ in page.evaluate(SOUNDS)] == [True] * 4


def test_a_place_in_one_image_is_the_place_of_all_versions(visit: Visit, dull_and_quiet: Path) -> None:
    page = compared(visit, STARFALL, dull_and_quiet)
    page.wait_for_function("[...document.querySelectorAll('.as-ab audio')].every((sound) => sound.currentSrc)")
    page.locator(".as-pair .as-view").last.click()
    places = "[...document.querySelectorAll('.as-ab audio')].map((sound) => sound.currentTime)"
    page.wait_for_function(f"{places}.every((seconds) => seconds > 4 && seconds < 6)")


def test_four_versions_are_compared_with_the_first(visit: Visit, page_url: str, four_versions: list[Path]) -> None:
    page = compared(visit, *four_versions)
    body = answered(page_url, four_versions)
    moved = page.get_by_test_id("moved")
    expect(moved).to_have_count(3)
    assert [each.locator("li").all_inner_texts() for each in moved.all()] == [
        change["summary"] for change in (body, *body["others"].values())
    ]
    for row in page.locator(".as-changes tr[data-label]").all():
        label = row.get_attribute("data-label")
        changes = [100 * change["differences"][label] for change in (body, *body["others"].values())]
        assert numbers(row.locator("td b")) == [pytest.approx(change, abs=0.051) for change in changes]
    expect(page.locator(".as-pair .as-view")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(encoding="utf-8-sig") as file:
        assert len(next(csv.reader(file))) == 8
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert saved["others"]["c"]["differences"] == pytest.approx(body["others"]["c"]["differences"], abs=1e-6)


def answered(page_url: str, versions: list[Path]) -> dict[str, Any]:
    """What REST says of the same versions."""
    files = {name: path.read_bytes() for name, path in zip("abcd", versions, strict=False)}
    answer = requests.post(f"{page_url}/api/compare", files=files, data={"duration_s": "10"}, timeout=120)
    body: dict[str, Any] = answer.json()
    return body


def test_a_fifth_version_is_one_too_many(visit: Visit, four_versions: list[Path]) -> None:
    page = visit(locale="zh-CN")
    click_tab(page, TAB)
    listed(page, *four_versions, STARFALL)
    page.get_by_role("button", name="开始对比", exact=True).click()
    expect(page.locator(".as-compare [role='alert']")).to_contain_text("最多可以对比四个版本")


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
    assert measured(page, "compare.loudness")[1] == [0]


def order(page: Page) -> list[str]:
    cells = page.locator(".as-version-files tr.file .filename")
    return [cell.get_attribute("aria-label") or "" for cell in cells.all()]


def test_the_reference_is_chosen_with_the_keyboard(visit: Visit, four_versions: list[Path]) -> None:
    page = visit()
    click_tab(page, TAB)
    listed(page, *four_versions[:3])
    first, second, third = (path.name for path in four_versions[:3])
    expect(page.get_by_role("button", name=f"Move {first} up")).to_be_disabled()
    expect(page.get_by_role("button", name=f"Move {third} down")).to_be_disabled()
    page.get_by_role("button", name=f"Move {third} up").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Move {third} up")).to_be_focused()
    assert order(page) == [first, third, second]
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Move {third} down")).to_be_focused()  # it is the first now
    assert order(page) == [third, first, second]
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".as-compare[data-state='ready']")).to_be_visible()
    for version, name in zip(page.locator(".as-versions .as-file").all(), order(page), strict=True):
        expect(version).to_contain_text(name)
    page.get_by_role("button", name=f"Move {third} down").press("Space")
    expect(page.locator(".as-compare[data-stale]")).to_be_visible()


def test_a_finger_changes_the_order(visit: Visit, four_versions: list[Path]) -> None:
    page = visit(locale="zh-CN", viewport=PHONE, has_touch=True, is_mobile=True)
    click_tab(page, TAB)
    listed(page, *four_versions[:2])
    down = page.get_by_role("button", name=f"下移 {four_versions[0].name}")
    box = down.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 44
    remove = page.locator(".as-version-files tr.file .label-clear-button").first.bounding_box()
    assert remove
    assert box["x"] + box["width"] <= remove["x"]
    down.tap()
    expect(page.get_by_role("button", name=f"上移 {four_versions[0].name}")).to_be_focused()
    assert order(page) == [four_versions[1].name, four_versions[0].name]


def test_a_missing_version_is_asked_for(visit: Visit) -> None:
    page = visit()
    click_tab(page, TAB)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".as-compare [role='alert']")).to_contain_text("Drop two to four files")


@pytest.mark.parametrize("width", [390, 320])
def test_four_versions_on_a_phone_in_chinese_need_no_sideways_scrolling(
    visit: Visit, four_versions: list[Path], width: int
) -> None:
    page = compared(
        visit, *four_versions, go="开始对比", locale="zh-CN", viewport=PHONE, has_touch=True, is_mobile=True
    )
    page.set_viewport_size({"width": width, "height": 700})
    expect(page.get_by_test_id("moved").first).to_contain_text("B 更暗")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for table in page.locator(".as-changes").all():
        assert table.evaluate("table => table.offsetWidth - table.closest('.as-card').clientWidth") <= 0
