"""The language of a reader: the one chosen on the page, else the one that the browser prefers."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from acousticsense.i18n.messages import LANGUAGES, preferred_language

#: Set by the page's switch (`choices.js`).
_COOKIE: Final = "as-language"


def reader_language(headers: Mapping[str, str]) -> str:
    """ "en" or "zh" for a request's headers; a browser may send anything."""
    return chosen_language(headers) or preferred_language(headers.get("accept-language"))


def chosen_language(headers: Mapping[str, str]) -> str:
    """The language that was chosen on the page; empty where none was."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie and cookie.value in LANGUAGES else ""
