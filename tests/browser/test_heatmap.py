"""Where the model looked, in a real browser: asked for, seen, changed with the genre and made fainter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, Route, expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


def ask(page: Page, index: int) -> str:
    """Presses the button of the genre at that place and waits for its map; returns the genre."""
    button = page.locator("[data-as-label]").nth(index)
    label = button.get_attribute("data-as-label") or ""
    button.click()
    expect(page.locator(f'[data-as-label="{label}"]')).to_have_attribute("aria-pressed", "true")
    return label


def quiet(page: Page) -> Callable[[], None]:
    """Counts requests from now on; the result waits until none has been under way for half a second."""
    pending: set[Request] = set()

    def began(request: Request) -> None:
        pending.add(request)

    def ended(request: Request) -> None:
        pending.discard(request)

    page.on("request", began)
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)

    def wait() -> None:
        calm = 0
        for _ in range(400):
            page.wait_for_timeout(100)
            calm = 0 if pending else calm + 1
            if calm >= 5:
                return
        pytest.fail(f"still under way: {[request.url for request in pending]}")

    return wait


def overlay(page: Page) -> str:
    return page.locator(".as-heat").get_attribute("src") or ""


def test_the_heat_map_comes_when_asked_for_and_changes_with_the_genre(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    expect(page.get_by_role("heading", name="Where the model looked")).to_be_visible()
    assert page.locator(".as-heat").count() == 0
    first = ask(page, 0)
    expect(page.get_by_test_id("heat-words")).to_contain_text(first)
    heat, below = (
        page.locator(f".as-heatmap {name}").bounding_box() for name in (".as-heat", ".as-layer img:not(.as-heat)")
    )
    assert heat == pytest.approx(below, abs=1)
    before = overlay(page)
    second = ask(page, 1)
    expect(page.get_by_test_id("heat-words")).to_contain_text(second)
    assert first != second
    assert overlay(page) != before
    with page.expect_download() as download:
        page.locator(".as-heatmap").get_by_role("link", name="Download PNG").click()
    assert download.value.suggested_filename == f"starfall-{second}-heatmap.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_overlay_is_made_fainter_without_asking_the_server_and_stays_so(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Hacienda").click()
    ask(page, 0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Strength of the overlay").fill("20")
    opacity = "element => getComputedStyle(element).opacity"
    assert page.locator(".as-heat").evaluate(opacity) == "0.2"
    assert not asked
    ask(page, 1)
    assert page.locator(".as-heat").evaluate(opacity) == "0.2"
    expect(page.get_by_label("Strength of the overlay")).to_have_value("20")


def test_the_next_song_takes_the_map_away(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    ask(page, 0)
    page.locator("[data-example]", has_text="Hacienda").click()
    expect(page.locator(".as-file b")).to_have_text("hacienda.ogg")
    expect(page.locator(".as-heat")).to_have_count(0)
    ask(page, 0)
    expect(page.locator(".as-heatmap .as-layer img").first).to_have_attribute(
        "alt",
        "Heat map for "
        + (page.locator("[data-as-label]").first.get_attribute("data-as-label") or "")
        + " over the spectrogram of hacienda.ogg",
    )


def test_a_late_map_does_not_cover_a_newer_answer(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    expect(page.locator("[data-as-label]").first).to_be_visible()
    is_quiet = quiet(page)
    page.evaluate(
        """() => {
            document.querySelector("[data-as-label]").click();
            document.querySelector(".as-go").click();
        }"""
    )
    is_quiet()
    expect(page.locator(".as-heat-block .pending")).to_have_count(0)
    expect(page.locator(".as-heat")).to_have_count(0)
    ask(page, 0)


def test_a_map_of_another_answer_than_the_one_shown_is_not_shown(visit: Visit) -> None:
    page = visit()
    page.locator("[data-example]", has_text="Starfall").click()
    card = page.locator(".as-heatmap")
    shown = card.get_attribute("data-answer") or ""
    assert shown
    changed: list[str] = []

    def pretend(route: Route) -> None:
        asked = route.request.post_data or ""
        changed.append(asked.replace(shown, "another"))
        route.continue_(post_data=changed[-1])

    page.route("**/queue/join*", pretend)
    page.locator("[data-as-label]").first.click()
    page.wait_for_function(
        """() => [...document.querySelectorAll("textarea, input")]
            .some((field) => field.value.includes('data-answer="another"'))"""
    )  # it has come
    page.wait_for_timeout(500)
    assert "another" in changed[0]
    expect(page.locator(".as-heat")).to_have_count(0)
    expect(card).to_have_attribute("data-answer", shown)
    page.unroute("**/queue/join*")
    ask(page, 0)
    expect(card).to_have_attribute("data-answer", shown)
