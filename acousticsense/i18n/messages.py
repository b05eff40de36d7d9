"""Every sentence about results and recordings, in English and Chinese, by key; `page` has those of the page alone.

`{name}` marks are filled in by `text`, which shortens labels that strangers made; no key stands in both.
"""

from __future__ import annotations

from typing import Final

from acousticsense.i18n.texts import read_texts

LANGUAGES: Final = ("en", "zh")

#: Characters of a label that a sentence repeats.
_MOST_QUOTED: Final = 60

TEXTS: Final = read_texts("results")


def text(key: str, language: str = "en", **values: str | float) -> str:
    """The sentence behind `key`, filled with `values`.

    Raises:
        KeyError: no such key; every key that code uses is checked by a test.
    """
    english, chinese = TEXTS[key]
    fitting = {name: _fit(value) if isinstance(value, str) else value for name, value in values.items()}
    return (chinese if language == "zh" else english).format(**fitting)


def _fit(name: str) -> str:
    """Somebody's own label as part of a sentence: not endless, and without a full stop that would double ours."""
    return (name if len(name) <= _MOST_QUOTED else f"{name[:_MOST_QUOTED]}…").rstrip(".。")


def preferred_language(accept_language: str | None) -> str:
    """ "zh" when an Accept-Language header ranks Chinese above English, else "en"; weight 0 means "not this one"."""
    ranked: list[tuple[float, str]] = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, weight = "".join(part.lower().split()).partition(";q=")
        try:
            quality = float(weight or 1.0)
        except ValueError:
            quality = 0.0
        if quality > 0:
            ranked.append((-quality + position * 1e-6, tag[:2]))
    return next((tag for _, tag in sorted(ranked) if tag in LANGUAGES), "en")
