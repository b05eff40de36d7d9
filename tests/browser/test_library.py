"""The tab "Library" as a visitor uses it, in a real browser against the real server."""

from __future__ import annotations

import csv
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from acousticsense.cli.main import main
from acousticsense.i18n.page import UI_TEXTS
from acousticsense.library.tags import read_genre
from tests.browser.conftest import click_tab
from tests.library.conftest import EXAMPLES

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
PHONE = {"width": 390, "height": 844}
#: Decoder processes start slowly on a busy machine.
_PATIENCE_MS = 120_000


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A folder with two real clips and two files that are no audio."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for name in ("starfall.mp3", "sky-vibe.ogg"):
        shutil.copy(EXAMPLES / name, folder / name)
    (folder / "歌词.mp3").write_text("words, not music")
    (folder / "zero.flac").touch()
    return folder


@pytest.fixture
def album(songs: Path) -> Path:
    """The same files, and a cover, as a zip."""
    path = songs.parent / "专辑.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(songs.iterdir()):
            archive.write(file, f"第一张/{file.name}")
        archive.writestr("cover.jpg", b"x")
    return path


def open_tab(page: Page, name: str = "Library") -> Page:
    click_tab(page, name)
    page.locator(".as-library[data-state=empty]").wait_for()
    return page


def send(page: Page, *paths: Path) -> Locator:
    """Chooses files and presses the button; the card that says how far the work is."""
    page.locator(".as-files input[type=file]").set_input_files(paths)
    expect(page.locator(".as-files tr.file")).to_have_count(len(paths))
    page.locator(".as-library-go").click()
    return page.locator(".as-library")


def ready(card: Locator) -> Locator:
    expect(card).to_have_attribute("data-state", "ready", timeout=_PATIENCE_MS)
    return card


def lines(page: Page) -> Locator:
    return page.get_by_test_id("rows").locator("tbody tr")


def names(page: Page) -> list[str]:
    return page.get_by_test_id("rows").locator("tbody th b").all_inner_texts()


def saved(page: Page, kind: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {kind}").click()
    assert download.value.suggested_filename == f"genres.{kind.lower()}"
    return Path(download.value.path())


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tagged(
    songs: Path, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """What `acousticsense tag` writes about the same songs, as CSV and as JSON Lines."""
    settings = {"MODELS": tiny_models, "MODEL": "tiny", "DEVICE": "cpu", "CACHE_DIR": tmp_path / "cache"}
    for key, value in settings.items():
        monkeypatch.setenv(f"ACOUSTICSENSE_{key}", str(value))
    table, objects = tmp_path / "rows.csv", tmp_path / "rows.jsonl"
    assert main(["tag", str(songs), "--csv", str(table), "--jsonl", str(objects), "--accept", "0.2"]) == 0
    return csv_rows(table), [json.loads(line) for line in objects.read_text(encoding="utf-8").splitlines()]


def test_every_file_has_the_row_that_the_command_writes(
    visit: Visit, songs: Path, album: Path, tagged: tuple[list[dict[str, str]], list[dict[str, Any]]]
) -> None:
    files = sorted(songs.iterdir())
    page = open_tab(visit())
    card = ready(send(page, *files, album))
    expect(lines(page)).to_have_count(8)
    expect(card).to_contain_text("8 of 8 files")
    expect(card).to_contain_text("4 could not be analysed")
    expect(card).to_contain_text("1 other files in archives were skipped")

    page.locator("[data-as-accept]").fill("20")
    expect(page.locator("[data-as-chip=rejected]")).to_be_visible()
    table, objects = tagged
    path = saved(page, "CSV")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    for row, expected in zip(csv_rows(path), table + table, strict=True):
        assert Path(row["path"]).name == Path(expected["path"]).name
        for key in set(expected) - {"path"}:
            assert row[key] == expected[key] or float(row[key]) == pytest.approx(float(expected[key]), abs=2e-6), key
    answers = json.loads(saved(page, "JSON").read_text(encoding="utf-8"))
    assert [row["path"] for row in answers][4:] == [f"专辑.zip/第一张/{file.name}" for file in files]
    for answer, known in zip(answers, objects + objects, strict=True):
        assert answer["probabilities"] == pytest.approx(known["probabilities"], abs=1e-6)
        assert (answer["error"], answer["decision"]) == (known["error"], known["decision"])


def test_the_table_is_filtered_searched_and_sorted(visit: Visit, songs: Path) -> None:
    page = open_tab(visit())
    ready(send(page, *sorted(songs.iterdir())))
    expect(lines(page)).to_have_count(4)
    assert names(page) == ["sky-vibe.ogg", "starfall.mp3", "zero.flac", "歌词.mp3"]

    page.locator("[data-as-chip=error]").click()
    expect(lines(page)).to_have_count(2)
    assert set(names(page)) == {"zero.flac", "歌词.mp3"}
    expect(page.locator("[data-as-chip=error]").filter(has_text="2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="All 4").click()
    expect(lines(page)).to_have_count(4)

    page.get_by_label("Find").fill("词")
    expect(lines(page)).to_have_count(1)
    expect(page.locator(".as-rows")).to_contain_text("1 of 4 rows shown")
    expect(lines(page).first).to_contain_text("This file cannot be read as audio.")
    page.get_by_label("Find").fill("")

    head = page.get_by_test_id("rows").locator("thead").get_by_role("button", name="Confidence")
    head.focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Confidence")
    shares = [float(words.strip("%")) for words in page.locator(".as-cell-confidence").all_inner_texts() if words]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 2
    head.click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Confidence")
    assert set(names(page)[2:]) == {"zero.flac", "歌词.mp3"}


def test_names_from_outside_cannot_bring_markup_into_the_page(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    hostile = "<img src=x onerror=window.hacked=1>.mp3"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(hostile, b"no audio")
    page = open_tab(visit())
    ready(send(page, path))
    expect(lines(page)).to_have_count(1)
    assert names(page) == [hostile]
    assert page.evaluate("window.hacked") is None


def test_the_distribution_counts_and_filters(visit: Visit, songs: Path) -> None:
    page = open_tab(visit())
    ready(send(page, *sorted(songs.iterdir())))
    expect(lines(page)).to_have_count(4)
    bars = page.get_by_test_id("distribution").get_by_role("button")
    counts = [int(words) for words in bars.locator(".as-value").all_inner_texts()]
    assert sum(counts) == 4
    last = bars.last
    expect(last).to_contain_text("Not analysed")
    last.focus()
    page.keyboard.press("Enter")
    expect(lines(page)).to_have_count(2)
    expect(last).to_be_focused()
    expect(last).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_genres_are_previewed_and_then_written_into_copies(
    visit: Visit, songs: Path, tmp_path: Path, locale: str
) -> None:
    def words(key: str, **values: int) -> str:
        return UI_TEXTS[key][locale != "en-US"].format(**values)

    before = (songs / "starfall.mp3").read_bytes()
    page = visit(locale=locale)
    open_tab(page, words("tab.library"))
    ready(send(page, songs / "starfall.mp3", songs / "sky-vibe.ogg", songs / "zero.flac"))
    panel = page.locator("[data-as-panel=tags]")
    panel.locator("summary").click()
    panel.get_by_role("button", name=words("tags.plan")).click()
    expect(panel.get_by_role("alert")).to_contain_text(words("error.bad_request"))  # nothing is accepted or corrected

    page.locator("tr", has_text="starfall").locator(".as-correct").click()
    page.locator(".as-cell-genre select").select_option("Jazz")
    expect(panel.get_by_role("alert")).to_have_count(0)
    panel.get_by_role("button", name=words("tags.plan")).click()
    expect(panel).to_contain_text(words("tags.planned", write=1, keep=0, refuse=0), timeout=_PATIENCE_MS)
    expect(panel.locator("tbody tr")).to_have_count(1)
    expect(panel.locator("tbody tr")).to_contain_text(words("tags.result.planned"))
    panel.get_by_role("button", name=words("tags.write")).click()
    expect(panel).to_contain_text(words("tags.written", write=1, keep=0, refuse=0), timeout=_PATIENCE_MS)
    with page.expect_download() as download:
        panel.get_by_role("link").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["starfall.mp3", "acousticsense-undo.jsonl"]
        archive.extract("starfall.mp3", tmp_path)
    assert read_genre(tmp_path / "starfall.mp3") == "Jazz"
    assert (songs / "starfall.mp3").read_bytes() == before

    panel.get_by_label(words("tags.overwrite")).check()  # what was said before holds no more
    expect(panel.locator("[data-as-told]")).to_be_empty()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """An archive of so many songs that there is time to do something else."""
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(300):
            archive.write(EXAMPLES / "starfall.mp3", f"{index:03}.mp3")
    return path


def test_rows_come_while_others_are_analysed_and_stop_keeps_them(visit: Visit, many: Path) -> None:
    page = open_tab(visit())
    card = send(page, many)
    lines(page).nth(2).wait_for(timeout=_PATIENCE_MS)
    expect(card).to_have_attribute("data-state", "running")
    expect(card).to_contain_text("files a second")
    expect(card).to_contain_text("left")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(card.get_by_role("heading")).to_have_text("Stopped.")
    expect(page.locator(".as-library-go")).to_be_visible()
    kept = csv_rows(saved(page, "CSV"))
    assert 3 <= len(kept) < 300
    expect(lines(page)).to_have_count(len(kept))
    assert csv_rows(saved(page, "CSV")) == kept


def test_a_closed_page_ends_the_work(visit: Visit, page_url: str, many: Path) -> None:
    page = open_tab(visit())
    send(page, many)
    lines(page).first.wait_for(timeout=_PATIENCE_MS)
    batch = page.evaluate("window.acousticSenseBatch()")

    def count() -> int:
        return len(requests.get(f"{page_url}/library/{batch}/rows", timeout=30).json()["rows"])

    page.close()
    before, now = -1, count()
    for _ in range(60):
        if before == now:
            break
        time.sleep(2.0)
        before, now = now, count()
    assert before == now < 300


def test_the_button_without_files_says_what_is_missing(visit: Visit) -> None:
    page = open_tab(visit())
    page.locator(".as-library-go").click()
    expect(page.locator(".as-library [role=alert]")).to_contain_text("There are no files yet.")


def test_a_phone_shows_cards_and_reaches_every_tab(visit: Visit, songs: Path) -> None:
    page = visit(locale="zh-CN", viewport=PHONE, has_touch=True, is_mobile=True)
    for name, part in zip(
        ("Ensemble", "Timeline", "Compare"), (".as-ensemble", ".as-timeline", ".as-compare"), strict=True
    ):
        click_tab(page, UI_TEXTS[f"tab.{name.lower()}"][1])
        expect(page.locator(part).first).to_be_visible()  # while it changes there are two
    open_tab(page, "曲库")
    ready(send(page, *sorted(songs.iterdir())))
    expect(lines(page)).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    words = lines(page).last.inner_text()
    assert UI_TEXTS["error.audio_undecodable"][1] in words
    page.get_by_label("排序").select_option("confidence")
    assert set(names(page)[2:]) == {"zero.flac", "歌词.mp3"}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_row_is_played_and_corrected_and_the_correction_is_in_every_list(
    visit: Visit, songs: Path, page_url: str, locale: str
) -> None:
    page = visit(locale=locale)
    open_tab(page, "Library" if locale == "en-US" else "曲库")
    ready(send(page, songs / "starfall.mp3", songs / "zero.flac"))
    expect(page.locator(".as-correct")).to_have_count(1)  # what has no answer has nothing to correct
    before = page.locator(".as-correct").inner_text()
    page.locator(".as-correct").click()
    choice = page.locator(".as-cell-genre select")
    label = "Reggae" if before not in ("Reggae", "雷鬼") else "Jazz"
    choice.select_option(label)
    expect(page.locator("td[data-corrected] small")).to_contain_text(before)
    corrections = page.locator("[data-as-file='finetune.csv']")
    expect(corrections.locator("b")).to_have_text("1")
    fetched = {
        kind: requests.get(f"{page_url}/{link}", timeout=30).content.decode("utf-8-sig")
        for kind in ("csv", "finetune.csv", "m3u8")
        if (link := page.locator(f"[data-as-file='{kind}']").get_attribute("href"))
    }
    assert f"starfall.mp3,{label}," in fetched["csv"]
    assert fetched["finetune.csv"].splitlines() == ["path,genre", f"starfall.mp3,{label}"]
    assert f"#EXTGRP:{label}" in fetched["m3u8"]
    page.locator(".as-play").first.click()
    expect(page.locator(".as-play[data-on]")).to_have_count(1)
    page.locator(".as-play").first.click()
    expect(page.locator(".as-play[data-on]")).to_have_count(0)
    page.locator(".as-correct").click()
    choice.select_option(index=0)
    expect(page.locator("td[data-corrected]")).to_have_count(0)
    page.locator(".as-correct").click()
    right = "that is right" if locale == "en-US" else "判断正确"
    choice.select_option(label=f"{before}: {right}" if locale == "en-US" else f"{before}：{right}")
    expect(page.locator("td[data-corrected] small")).to_have_text("confirmed" if locale == "en-US" else "已确认")


def test_a_rows_song_opens_in_the_first_tab_and_is_classified_there(visit: Visit, songs: Path) -> None:
    page = visit(locale="zh-CN")
    open_tab(page, "曲库")
    ready(send(page, songs / "starfall.mp3", songs / "zero.flac"))
    opening = page.get_by_role("button", name="在“识别流派”中打开")
    expect(opening).to_have_count(1)  # what could not be analysed is not opened
    opening.click()
    expect(page.get_by_role("tab", name="识别流派")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".as-result .as-file")).to_contain_text("starfall.mp3")
