"""The page as a visitor uses it, in a real browser against the real server."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import soundfile
from playwright.sync_api import Page, expect

from tests.conftest import play_chords

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
PHONE = {"width": 390, "height": 844}

#: Hands a file to the page the way a drag from the desktop does.
DROP = """([encoded, name]) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: "audio/mpeg"}));
    const target = document.querySelector(".as-audio button[aria-dropeffect]");
    for (const kind of ["dragenter", "dragover", "drop"])
        target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
}"""


def drop(page: Page, path: Path, name: str = "") -> None:
    page.locator(".as-audio button[aria-dropeffect]").wait_for()
    page.evaluate(DROP, [base64.b64encode(path.read_bytes()).decode("ascii"), name or path.name])


def top_five(page: Page) -> list[tuple[str, float]]:
    """Label and percentage of each row of the Top-5, once there is an answer."""
    rows = page.get_by_test_id("top").locator("li")
    expect(rows).to_have_count(5)
    texts = [row.inner_text().split() for row in rows.all()]
    return [(words[0], float(words[-1].strip("<%"))) for words in texts]


def test_a_dropped_mp3_is_analysed_like_the_one_sent_by_rest(visit: Visit, page_url: str, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    shown = top_five(page)
    with music_mp3.open("rb") as file:
        answer = requests.post(f"{page_url}/api/predict", files={"data": file}, timeout=30).json()
    assert [label for label, _ in shown] == [score["label"] for score in answer["prediction"]]
    assert shown[0][1] == pytest.approx(100 * answer["prediction"][0]["confidence"], abs=0.051)
    expect(page.get_by_test_id("bars").locator("li")).to_have_count(16)
    expect(page.locator(".as-file")).to_contain_text("0:00 to 0:10 of 0:12")


def test_an_example_is_analysed_at_a_click(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    expect(page.locator(".as-file b")).to_have_text("starfall.mp3")
    assert len(top_five(page)) == 5


def test_the_chosen_excerpt_is_analysed_at_the_button(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    top_five(page)
    page.get_by_label("From second").fill("4")
    page.get_by_label("number input for Seconds to analyse").fill("3")
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator(".as-file")).to_contain_text("0:04 to 0:07 of 0:12")


def test_a_song_can_be_cropped_in_the_player(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    expect(page.locator(".as-file")).to_contain_text("0:00 to 0:10 of 0:12")
    page.get_by_role("button", name="Trim audio to selection").click()
    page.get_by_role("button", name="Trim", exact=True).click()
    expect(page.locator(".as-file")).to_contain_text("0:00 to 0:03 of 0:03")


def test_what_the_microphone_hears_is_analysed(visit: Visit) -> None:
    page = visit(permissions=["microphone"])
    page.get_by_role("button", name="Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("0:01", exact=True).wait_for()
    page.get_by_role("button", name="Stop", exact=True).first.click()
    assert len(top_five(page)) == 5


def test_the_bars_can_be_sorted_and_stay_so_for_the_next_song(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    best = top_five(page)[0][0]
    rows = page.get_by_test_id("bars").locator("li")
    uppermost = """rows => rows.map(row => [row.getBoundingClientRect().top, row.innerText.split(/\\s/)[0]])
        .sort((a, b) => a[0] - b[0])[0][1]"""
    assert rows.evaluate_all(uppermost) == "Blues"
    page.get_by_role("button", name="Sort by probability").click()
    assert rows.evaluate_all(uppermost) == best
    page.locator("[data-example]", has_text="Hacienda").click()
    expect(page.locator(".as-file b")).to_have_text("hacienda.ogg")
    expect(page.get_by_role("button", name="Sort by name")).to_be_visible()


def test_a_chinese_browser_gets_a_chinese_page(visit: Visit, music_mp3: Path) -> None:
    page = visit(locale="zh-CN")
    expect(page.locator(".as-result").get_by_role("heading", level=2)).to_have_text("这是什么风格？")
    drop(page, music_mp3, name="我的“歌”.mp3")
    top_five(page)
    expect(page.get_by_test_id("bars")).to_contain_text("爵士")
    expect(page.locator(".as-below .as-spectrogram h3").first).to_have_text("频谱图")
    words = page.locator("body").inner_text()
    assert not re.search(r"\b(Top 5|Classify|Spectrogram|Seconds|Jazz)\b", words)
    assert page.evaluate("document.documentElement.lang") == "zh-CN"


def test_a_bad_file_is_explained_and_the_page_goes_on(visit: Visit, tmp_path: Path, music_mp3: Path) -> None:
    page = visit()
    bad = tmp_path / "lyrics.mp3"
    bad.write_text("these are words, not music")
    drop(page, bad)
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("This file cannot be read as audio.")
    page.get_by_role("button", name="Clear").click()
    drop(page, music_mp3)
    assert len(top_five(page)) == 5


def test_the_button_without_a_song_says_what_is_missing(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("There is no song yet.")


def test_nothing_is_fetched_from_anywhere_else(visit: Visit, page_url: str, music_mp3: Path) -> None:
    page = visit()
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.reload()
    drop(page, music_mp3)
    top_five(page)
    page.get_by_text("What the network saw").click()
    expect(page.locator(".as-inputs img")).to_be_visible()
    fetched = [urlsplit(address) for address in addresses]
    places = {address.netloc for address in fetched if address.scheme not in ("data", "blob")}
    assert len(fetched) > 20
    assert places == {urlsplit(page_url).netloc}


def test_the_spectrogram_can_be_downloaded_under_the_songs_name(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3, name="two words.mp3")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PNG").click()
    assert download.value.suggested_filename == "two words-mel-spectrogram.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_exact_images_are_shown_step_by_step(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    page.get_by_text("What the network saw").click()
    image = page.locator(".as-inputs img")
    expect(image).to_be_visible()
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [224, 224]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_needs_no_sideways_scrolling_and_shows_the_answer(visit: Visit, music_mp3: Path, locale: str) -> None:
    page = visit(locale=locale, viewport=PHONE, has_touch=True, is_mobile=True)
    drop(page, music_mp3)
    top_five(page)
    page.locator(".as-steps summary").last.click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.wait_for_function("document.querySelector('.as-result').getBoundingClientRect().top < innerHeight / 2")


def test_light_and_dark_follow_the_reader(visit: Visit) -> None:
    ground = "getComputedStyle(document.querySelector('.as-card')).backgroundColor"
    colours = {scheme: visit(color_scheme=scheme).evaluate(ground) for scheme in ("light", "dark")}
    assert colours["light"] == "rgb(255, 255, 255)"
    assert colours["dark"] == visit("?__theme=dark", color_scheme="light").evaluate(ground) != colours["light"]


def test_language_and_theme_are_chosen_on_the_page_and_remembered(visit: Visit) -> None:
    page = visit(timezone_id="Europe/Berlin")  # a profile of this test's own: it keeps what is chosen
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".as-result").get_by_role("heading", level=2)).to_have_text("这是什么风格？")
    expect(page.get_by_role("tab", name="曲库")).to_be_attached()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.get_by_role("button", name="English").click()
    expect(page.locator(".as-result").get_by_role("heading", level=2)).to_have_text("What does it sound like?")


def test_a_file_that_the_browser_calls_no_audio_and_cannot_play_is_analysed(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    odd = tmp_path / "song!?"
    soundfile.write(odd, play_chords(), 44_100, format="W64")
    page.locator(".as-song input[type=file]").set_input_files(odd)
    assert len(top_five(page)) == 5
    expect(page.locator(".as-file b")).to_have_text("song!?")
    expect(page.locator(".as-cannot-play")).to_contain_text("cannot play the file")
    page.locator(".as-song").get_by_role("button", name="Clear").click()
    expect(page.locator(".as-cannot-play")).to_be_hidden()


def test_the_players_labels_are_round(visit: Visit, music_mp3: Path) -> None:
    page = visit()
    drop(page, music_mp3)
    skip = page.locator(".as-song [aria-label^='Skip backwards']")
    expect(skip).to_have_attribute("aria-label", re.compile(r"^Skip backwards by \d+(\.\d)? seconds$"))


def test_the_keyboard_sees_where_it_is(visit: Visit) -> None:
    page = visit()
    for control in (page.get_by_label("Whole track"), page.get_by_role("slider").first):
        control.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert control.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_nothing_jumps_when_the_answer_comes(visit: Visit, music_mp3: Path) -> None:
    page = visit(viewport={"width": 1280, "height": 900})
    places = """() => ['.as-go', '.as-examples', '.as-spectrogram'].map(
        (name) => document.querySelector(name).getBoundingClientRect().top)"""
    before = page.evaluate(places)
    drop(page, music_mp3)
    top_five(page)
    assert page.evaluate(places) == pytest.approx(before, abs=1)


def test_two_visitors_get_their_own_answers(visit: Visit) -> None:
    first, second = visit(), visit()
    first.locator("[data-example]", has_text="Starfall").click()
    second.locator("[data-example]", has_text="Hacienda").click()
    expect(first.locator(".as-file b")).to_have_text("starfall.mp3")
    expect(second.locator(".as-file b")).to_have_text("hacienda.ogg")
