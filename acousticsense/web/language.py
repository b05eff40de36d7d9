"""The language of a reader: the one chosen on the page, else the one that the browser prefers."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final, Protocol

from acousticsense.i18n.messages import LANGUAGES, preferred_language

__all__ = ["language_of"]

#: Set by the page's switch (`page.js`).
_COOKIE: Final = "as-language"


class _Asks(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...


def language_of(request: _Asks | None) -> str:
    """ "en" or "zh" for a request; a browser may send anything."""
    headers = request.headers if request else {}
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        chosen = None
    if chosen and chosen.value in LANGUAGES:
        return chosen.value
    return preferred_language(headers.get("accept-language"))
