"""Takes screenshots from a running server, in both languages, themes and widths.

    python docs/images/take_screenshots.py [http://localhost:8000] [--all FOLDER]

Without `--all` it renews the three of the README; with it, every combination and tab goes into FOLDER, to be looked at.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
#: File name -> locale, scheme, size.
README = {
    "page-light-en.png": ("en-US", "light", "desktop"),
    "page-dark-zh.png": ("zh-CN", "dark", "desktop"),
    "page-phone-dark-en.png": ("en-US", "dark", "phone"),
}
_PATIENCE_MS = 240_000


def open_page(browser: Browser, url: str, locale: str, scheme: str, size: str) -> Page:
    """The page of a visitor."""
    page = browser.new_page(locale=locale, color_scheme=scheme, viewport=SIZES[size], device_scale_factor=1)
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(url)
    return page


def classify(page: Page) -> None:
    """One example analysed, down to the spectrogram."""
    page.locator("[data-example='1']").click()
    page.locator(".as-spectrogram[data-state='ready']").wait_for()
    page.wait_for_timeout(1500)


def save(page: Page, path: Path, *, full_page: bool) -> None:
    """As a palette PNG; a desktop's is made smaller."""
    image = Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
    if full_page and image.width > 960:
        image = image.resize((960, image.height * 960 // image.width), Image.Resampling.LANCZOS)
    image.quantize(160, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


def take_readme(browser: Browser, url: str) -> None:
    """The three of the README."""
    for name, (locale, scheme, size) in README.items():
        page = open_page(browser, url, locale, scheme, size)
        classify(page)
        if size == "phone":
            page.locator(".as-result").scroll_into_view_if_needed()
        save(page, HERE / name, full_page=size == "desktop")
        page.close()


def take_all(browser: Browser, url: str, folder: Path) -> None:
    """Every tab, language, theme and width."""
    folder.mkdir(parents=True, exist_ok=True)
    for locale, scheme, size in itertools.product(("en-US", "zh-CN"), ("light", "dark"), SIZES):
        page = open_page(browser, url, locale, scheme, size)
        name = f"{locale}-{scheme}-{size}"
        classify(page)
        page.screenshot(path=folder / f"{name}-classify.png", full_page=True)
        if size == "desktop":
            for index, tab in enumerate(page.get_by_role("tab").all()[1:], 2):
                tab.click()
                page.wait_for_timeout(800)
                page.screenshot(path=folder / f"{name}-tab{index}.png", full_page=True)
        page.close()


def main() -> None:
    """All of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://localhost:8000")
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if options.all:
            take_all(browser, options.url, options.all)
        else:
            take_readme(browser, options.url)
        browser.close()


if __name__ == "__main__":
    main()
