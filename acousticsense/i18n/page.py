"""Every sentence of the web page, in English and Chinese, by key. `{name}` marks are filled in by `ui_text`."""

from __future__ import annotations

from typing import Final

from acousticsense.i18n.texts import read_texts

UI_TEXTS: Final = read_texts("page")

#: What Gradio calls things that have no text, or calls in English only -> what they are called instead.
GRADIO_LABELS: Final = read_texts("gradio")


def ui_text(key: str, language: str = "en", **values: str | float) -> str:
    """The sentence behind `key` in `language` ("en" or "zh"), filled with `values`.

    Raises:
        KeyError: no such key; a test checks every key that the page uses.
    """
    english, chinese = UI_TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)
