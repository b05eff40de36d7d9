"""Names of files as lists and playlists write them -> the files that are meant.

Programs write UTF-8, UTF-16 or the characters of western Windows, slashes or backslashes, and addresses with percent
signs for what is no ASCII. A name on a disk is bytes, so text that is no UTF-8 is kept as bytes (surrogates) until the
disk has been asked which of its readings exists.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from acousticsense.errors import SettingsError

_FILE: Final = "file:"
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
#: Share of zero bytes from which on text without a mark is UTF-16.
_ZEROS: Final = 0.3
#: Characters that no text holds, how many of the first are looked at, and the share of them from which on it is no
#: text: a damaged list has a few, of random bytes a tenth are such.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")
_PROBED: Final = 1 << 16
_MOST_CONTROLS: Final = 0.05


def text_of(content: bytes, name: str) -> str:
    """The text of a list: by its byte order mark, as UTF-16 where every other byte is zero, else as UTF-8.

    Bytes that are no UTF-8 become surrogates, as in `os.fsdecode`.

    Args:
        content: the list's bytes.
        name: what messages call it.

    Raises:
        SettingsError: it is music or another file that is no text.
    """
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    zeros = {"utf-16-le": content[1::2].count(0), "utf-16-be": content[::2].count(0)}
    unmarked = next((encoding for encoding, count in zeros.items() if count > _ZEROS * len(content)), "utf-8")
    encoding = marked or unmarked
    text = content.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace").lstrip("\ufeff")
    beginning = text[:_PROBED]
    if len(_CONTROLS.findall(beginning)) > _MOST_CONTROLS * len(beginning):
        raise SettingsError(
            f"{name} is no list: it holds binary data.", hint="Name a text file or a table; music is given by itself."
        )
    return text


def as_text(value: str) -> str:
    """A value of a list that is no path: what is no UTF-8 is read as the characters of western Windows."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return _windows(value)
    return value


def locate(name: str, folder: str) -> str:
    """The file that a list in `folder` means: the first reading of `name` that exists, else the most literal one."""
    if "\0" in name:  # no file has such a name, and the system refuses to look for it
        return os.path.join(folder, name)
    readings = [os.path.join(folder, reading) for reading in _readings(name)]
    return next((path for path in readings if os.path.lexists(path)), readings[0])


def _readings(name: str) -> Iterator[str]:
    is_address = name[: len(_FILE)].lower() == _FILE
    forms = (_unquoted(_without_scheme(name)), _without_scheme(name)) if is_address else (name, name.strip())
    seen: set[str] = set()
    for reading in _variants(forms):
        if reading not in seen:
            seen.add(reading)
            yield reading


def _variants(forms: Iterable[str]) -> Iterator[str]:
    for form in forms:
        for slashed in (form, form.replace("\\", "/")):
            for plain in (slashed, _unquoted(slashed)):
                for text in (plain, as_text(plain)):
                    home = os.path.expanduser(text)
                    yield from (home, *(unicodedata.normalize(kind, home) for kind in ("NFC", "NFD")))


def _without_scheme(address: str) -> str:
    """file:///a, file://localhost/a and file:/a are /a."""
    path = address[len(_FILE) :]
    return "/" + path.removeprefix("//localhost").lstrip("/")


def _unquoted(name: str) -> str:
    return os.fsdecode(unquote_to_bytes(os.fsencode(name)))


def _windows(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
