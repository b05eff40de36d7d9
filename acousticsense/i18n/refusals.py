"""What errors and descriptions of models say, in Chinese; the page speaks both languages.

Both are written in English, as programs and logs have them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from acousticsense.i18n.texts import read_sections

_SECTIONS: Final = read_sections("refusals")
#: Values that are words of this program.
_NAMES: Final[dict[str, str]] = _SECTIONS.pop("names")
#: English sentence -> Chinese sentence. `{}` is a value, which the Chinese one may name by its place, from 0 on, or
#: leave out; `{words}` is another of these sentences.
REFUSALS: Final[dict[str, str]] = {
    english: chinese for section in _SECTIONS.values() for english, chinese in section.items()
}
_MARK: Final = re.compile(r"\\\{(words)?\\\}")


def refusal(words: str, language: str) -> str:
    """What an error or a model's description says, in `language` ("en" or "zh"); empty where it has no such words.

    Args:
        words: a message, a hint, or both with a space between.
        language: of the reader.
    """
    return words if language == "en" or not words else _chinese(words) or ""


def _chinese(words: str) -> str | None:
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(words)
        rest = "" if found is None or not found["rest"] else _chinese(found["rest"])
        if found is None or rest is None:
            continue
        parts = found.groupdict()
        values = [_NAMES.get(value, value) for name, value in parts.items() if name.startswith("value")]
        inner = _chinese(parts["words"]) if parts.get("words") else ""
        return chinese.format(*values, words=inner or "").rstrip("：") + rest
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What each sentence looks like with its values, those with most words of their own first."""
    ordered = sorted(REFUSALS.items(), key=lambda pair: -len(re.sub(r"\{.*?\}", "", pair[0])))
    return tuple((_pattern(english), chinese) for english, chinese in ordered)


def _pattern(english: str) -> re.Pattern[str]:
    numbers = iter(range(len(english)))
    marked = _MARK.sub(
        lambda mark: "(?P<words>.*)" if mark[1] else f"(?P<value{next(numbers)}>.+?)", re.escape(english)
    )
    return re.compile(rf"{marked}(?: (?P<rest>.+))?", re.DOTALL)
