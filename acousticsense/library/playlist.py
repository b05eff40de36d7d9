"""Lists of files: playlists, tables with a column `path`, and plain text with a name on each line.

Playlists are M3U, M3U8, PLS, XSPF, WPL and ASX.
"""

from __future__ import annotations

import os
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from acousticsense.errors import LibraryError
from acousticsense.evaluation.dataset import listed_paths
from acousticsense.evaluation.places import locate, text_of
from acousticsense.library.storage import is_remote

_TABLES: Final = (".csv", ".tsv")
_PLS: Final = re.compile(r"File(\d+)\s*=(.*)", re.IGNORECASE)
#: Where playlists that are XML name their songs: the element of a song -> the one in it that has the name (itself, for
#: WPL), and the attribute; without one, the text. Further ones are other places of the same song.
_XML_SONGS: Final = {"track": ("location", ""), "media": ("media", "src"), "entry": ("ref", "href")}
_ADDRESS: Final = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(entry: str) -> bool:
    """Whether this is an address of the internet or of a store: anything with a scheme but `file`."""
    return _ADDRESS.match(entry) is not None


def names_nothing(entry: str) -> bool:
    """Whether an entry is empty. Joined with a folder, it would stand for all that is in it."""
    return entry.lower() in ("", "file:", "file://")


def listed(name: str) -> Iterator[str]:
    """The entries of a list: paths made absolute from the list's folder, addresses and empty entries as they are.

    Args:
        name: the list; "-" is the standard input. What is named .csv or .tsv is read as a table.

    Raises:
        LibraryError: it cannot be read, or begins as XML and is none.
        SettingsError: it is a table that cannot be read, with line and column; or no text.
    """
    if os.path.splitext(name)[1].lower() in _TABLES:
        yield from listed_paths(Path(name))
        return
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise LibraryError(f"The list '{name}' cannot be read ({error.strerror}).", hint="Check its path.") from error
    folder = os.path.abspath("" if name == "-" else os.path.dirname(name))
    for entry in _entries(text_of(content, f"'{name}'"), folder):
        as_it_is = is_address(entry) or is_remote(entry) or names_nothing(entry)
        yield entry if as_it_is else locate(entry, folder)


def _entries(text: str, folder: str) -> Iterator[str]:
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if lines and lines[0].strip().lower() == "[playlist]":
        numbered = [(int(found[1]), found[2].strip()) for line in lines if (found := _PLS.match(line.strip()))]
        yield from (entry for _, entry in sorted(numbered))
        return
    if lines and lines[0].lstrip().startswith("<"):
        yield from _named_in_xml(text)
        return
    for line in lines:
        if not line.startswith("#") or ("\0" not in line and os.path.lexists(os.path.join(folder, line))):
            yield line


def _named_in_xml(text: str) -> Iterator[str]:
    """What XSPF, WPL and ASX name; they differ in the words."""
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, UnicodeEncodeError) as error:
        raise LibraryError(
            f"The list begins as XML and cannot be read as such ({error}).", hint="Save it as M3U8."
        ) from error
    for element in root.iter():
        named, attribute = _XML_SONGS.get(_kind(element), ("", ""))
        names = (_name(part, attribute) for part in (element, *element) if _kind(part) == named)
        yield from islice(filter(None, names), 1)


def _kind(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _name(element: ET.Element, attribute: str) -> str:
    attributes = {name.lower(): value for name, value in element.attrib.items()}
    return (attributes.get(attribute, "") if attribute else element.text or "").strip()
