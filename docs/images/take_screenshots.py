"""Takes the README's screenshots from a running server: python docs/images/take_screenshots.py [http://localhost:8000]."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).resolve().parent
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SHOTS = (
    ("page-light-en.png", "en-US", "light", DESKTOP),
    ("page-dark-zh.png", "zh-CN", "dark", DESKTOP),
    ("page-phone-dark-en.png", "en-US", "dark", PHONE),
)


def take(browser: Browser, url: str, shot: tuple[str, str, str, dict[str, int]]) -> None:
    """One example analysed, the whole page down to the spectrogram, as a palette PNG."""
    name, locale, scheme, size = shot
    page = browser.new_page(locale=locale, color_scheme=scheme, viewport=size, device_scale_factor=1)
    page.goto(url)
    page.locator("[data-example='3']").click()
    page.locator(".as-spectrogram[data-state='ready']").wait_for()
    page.wait_for_timeout(1500)
    if size is PHONE:
        page.locator(".as-result").scroll_into_view_if_needed()
    image = Image.open(io.BytesIO(page.screenshot(full_page=size is DESKTOP))).convert("RGB")
    if size is DESKTOP:
        image = image.resize((960, image.height * 960 // image.width), Image.Resampling.LANCZOS)
    image.quantize(160, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(HERE / name, optimize=True)
    page.close()


def main() -> None:
    """All of them."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shot in SHOTS:
            take(browser, url, shot)
        browser.close()


if __name__ == "__main__":
    main()
