"""Files from anywhere: dropped on any part of the page, pasted, several at once, and how much of an upload is done."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import click_tab
from tests.browser.test_page import drop, top_five

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]

#: Does with files what a drag from the desktop or the clipboard does.
SEND = """([kinds, selector, files]) => {
    const transfer = new DataTransfer();
    for (const [name, encoded] of files) {
        const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, {type: "audio/mpeg"}));
    }
    const options = {bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer};
    for (const kind of kinds) document.querySelector(selector).dispatchEvent(
        kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options));
}"""


def send(page: Page, selector: str, *files: Path, kinds: tuple[str, ...] = ("dragover", "drop")) -> None:
    encoded = [[file.name, base64.b64encode(file.read_bytes()).decode("ascii")] for file in files]
    page.evaluate(SEND, [kinds, selector, encoded])


def test_a_song_may_be_dropped_anywhere_and_replaces_the_one_before(
    visit: Visit, music_mp3: Path, music_wav: Path
) -> None:
    page = visit()
    send(page, ".as-glossary", music_mp3, kinds=("dragover",))
    frame = "getComputedStyle(document.body, '::after').content"
    assert "Drop it anywhere" in page.evaluate(frame)
    send(page, ".as-glossary", music_mp3)
    assert page.evaluate(frame) == "none"
    expect(page.locator(".as-file b")).to_have_text(music_mp3.name)
    send(page, ".as-header", music_wav, kinds=("paste",))
    expect(page.locator(".as-file b")).to_have_text(music_wav.name)


def test_a_song_goes_into_the_tab_that_is_open(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    click_tab(page, "Timeline")
    page.locator(".as-timeline-audio input[type=file]").wait_for(state="attached")
    send(page, ".as-header", music_mp3)
    page.locator(".as-timeline-audio audio").wait_for(state="attached")
    click_tab(page, "Models")  # has no place for one
    page.get_by_test_id("models").wait_for()
    send(page, ".as-header", music_mp3)
    expect(page.get_by_role("tab", name="Classify")).to_have_attribute("aria-selected", "true")
    assert len(top_five(page)) == 5


def test_several_files_go_to_the_library(visit: Visit, music_mp3: Path, music_wav: Path) -> None:
    page = visit()
    page.locator(".as-audio button[aria-dropeffect]").wait_for()
    send(page, ".as-audio button[aria-dropeffect]", music_mp3, music_wav)
    expect(page.get_by_role("tab", name="Library")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".as-files tr.file")).to_have_count(2)
    send(page, ".as-library", music_wav)
    expect(page.locator(".as-files tr.file")).to_have_count(3)


def test_several_files_are_versions_where_a_comparison_is_open(visit: Visit, music_mp3: Path, music_wav: Path) -> None:
    page = visit()
    click_tab(page, "Compare")
    page.locator(".as-version-files input[type=file]").wait_for(state="attached")
    send(page, ".as-header", music_mp3, music_wav)
    expect(page.locator(".as-version-files tr.file")).to_have_count(2)
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


@pytest.fixture
def folder(tmp_path: Path, music_mp3: Path) -> Path:
    """A folder with songs at three depths, and what belongs to no library beside them."""
    folder = tmp_path / "收藏"
    songs = ("a.mp3", "live/b.MP3", "live/disc 2/c.flac")
    for name in (*songs, "live/cover.jpg", "live/._b.mp3", ".trash/d.mp3", "__MACOSX/a.mp3"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(music_mp3, folder / name)
    for number in range(150):  # a browser lists a hundred entries at a time
        (folder / f"page {number}.jpg").touch()
    return folder


def drag_in(page: Page, selector: str, *paths: Path) -> None:
    """What a drag from the desktop does; a script cannot make an event that holds a folder."""
    box = page.locator(selector).bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "data": data, **where})


@pytest.mark.parametrize("place", [".as-header", ".as-audio button[aria-dropeffect]"])
def test_a_dropped_folder_goes_to_the_library_with_all_songs_below(
    visit: Visit, folder: Path, music_wav: Path, place: str
) -> None:
    page = visit()
    page.locator(place).wait_for()
    drag_in(page, place, music_wav, folder)
    expect(page.get_by_role("tab", name="Library")).to_have_attribute("aria-selected", "true")
    names = page.locator(".as-files tr.file .filename")
    expect(names).to_have_count(4)
    assert [re.sub(r"\s", "", name) for name in names.all_inner_texts()] == [
        music_wav.name, "a.mp3", "b.MP3", "c.flac"
    ]  # fmt: skip


def test_a_chosen_folder_gives_the_same_songs(visit: Visit, folder: Path) -> None:
    page = visit()
    click_tab(page, "Library")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    expect(page.locator(".as-files tr.file")).to_have_count(3)


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "Nothing in 图片 is named like audio"), ("zh-CN", "图片 中没有音频文件")]
)
def test_a_folder_without_sound_says_so(visit: Visit, tmp_path: Path, locale: str, words: str) -> None:
    (tmp_path / "图片").mkdir()
    (tmp_path / "图片" / "cover.jpg").touch()
    page = visit(locale=locale)
    drag_in(page, ".as-header", tmp_path / "图片")
    said = page.get_by_role("status").filter(has_text=words)
    expect(said).to_be_visible()
    expect(page.get_by_role("tab").first).to_have_attribute("aria-selected", "true")
    page.locator(".as-glossary").click()
    expect(said).to_have_count(0)


def test_the_upload_says_how_much_of_it_is_done(visit: Visit, tmp_path: Path, music_wav: Path) -> None:
    page = visit()
    big = tmp_path / "big.wav"
    big.write_bytes(music_wav.read_bytes() + bytes(3_000_000))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.locator(".as-song input[type=file]").set_input_files(big)
    words = page.wait_for_function(
        """() => {
            const told = document.querySelector(".as-song .uploading");
            const words = told && getComputedStyle(told, "::after").content;
            return /[1-9]/.test(words) && words;
        }"""
    )
    assert re.fullmatch(r'" " "\d\d?%"|" \d\d?%"', words.json_value())
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    assert len(top_five(page)) == 5
    assert page.evaluate("document.documentElement.style.getPropertyValue('--as-sent')") == ""


def test_a_refused_upload_is_told(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    page.route("**/gradio_api/upload*", lambda route: route.fulfill(status=503, json={"detail": "The disk is full."}))
    drop(page, music_mp3)
    expect(page.get_by_text("The disk is full.")).to_be_visible()


def test_in_chinese_a_refusal_is_chinese_throughout(visit: Visit, tmp_path: Path, music_wav: Path) -> None:
    words = tmp_path / "歌词.mp3"
    words.write_text("words, not music")
    page = visit(locale="zh-CN")
    drop(page, words)
    refused = page.locator(".as-result [role=alert]")
    expect(refused).to_contain_text("所有解码器都无法读取它的内容")
    said = [refused.inner_text()]
    page.get_by_label("起点（秒）").first.fill("600")
    send(page, ".as-header", music_wav)
    expect(refused).to_contain_text("曲目全长")
    said.append(refused.inner_text())
    click_tab(page, "曲库")
    page.locator(".as-files input[type=file]").set_input_files(words)
    page.locator(".as-library-go").click()
    row = page.get_by_test_id("rows").locator("tbody tr")
    expect(row).to_contain_text("所有解码器")
    said.append(row.inner_text())
    assert [re.findall("[A-Za-z]{3,}", re.sub("mp3|wav|flac|ogg|opus|m4a|aac", "", each)) for each in said] == [
        [],
        [],
        [],
    ]
