"""APEv2 tags: items between a header and a footer (https://wiki.hydrogenaud.io/index.php?title=APEv2_specification)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from acousticsense.errors import TagError

#: Bytes of a header and of a footer.
APE_FRAME_BYTES: Final = 32
_MAGIC: Final = b"APETAGEX"
_HAS_HEADER: Final = 1 << 31
_HAS_NO_FOOTER: Final = 1 << 30
_IS_HEADER: Final = 1 << 29
_KIND: Final = 0b110
_VERSION: Final = 2000


def ape_length(frame: bytes) -> int:
    """Bytes of the tag whose header or footer this is; 0 when it is none."""
    if len(frame) < APE_FRAME_BYTES or frame[:8] != _MAGIC:
        return 0
    size, _, flags = struct.unpack_from("<III", frame, 12)
    has_header = bool(flags & (_HAS_HEADER | _IS_HEADER))
    return int(size) + (APE_FRAME_BYTES if has_header else 0)


def ape_genres(tag: bytes) -> list[str]:
    """What its genre items say."""
    texts = [item[_value_start(item) :] for item in _items(tag) if _is_genre(item)]
    return [value.decode("utf-8", "replace") for text in texts for value in text.split(b"\0") if value]


def ape_with_genre(tag: bytes, genre: str) -> bytes:
    """The tag with this genre in one item, and all other items as they are."""
    items = list(_items(tag))
    kept = [item for item in items if not _is_genre(item)]
    before = next((n for n, item in enumerate(items) if _is_genre(item)), len(kept))
    value = genre.encode()
    kept.insert(before, struct.pack("<II", len(value), 0) + b"Genre\0" + value)
    body = b"".join(kept)
    header, footer = _frames(tag)
    return _frame(header, body, len(kept)) + body + _frame(footer, body, len(kept))


def new_ape(genre: str) -> bytes:
    """A tag with nothing else."""
    header = _MAGIC + struct.pack("<IIII", _VERSION, 0, 0, _HAS_HEADER | _IS_HEADER) + bytes(8)
    footer = _MAGIC + struct.pack("<IIII", _VERSION, APE_FRAME_BYTES, 0, _HAS_HEADER) + bytes(8)
    return ape_with_genre(header + footer, genre)


def _frames(tag: bytes) -> tuple[bytes, bytes]:
    """Header and footer; empty where the tag has none."""
    header = tag[:APE_FRAME_BYTES] if tag[:8] == _MAGIC else b""
    end = tag[-APE_FRAME_BYTES:]
    flags = int.from_bytes(header[20:24], "little")
    has_footer = end[:8] == _MAGIC and not (header and flags & _HAS_NO_FOOTER) and len(tag) > len(header)
    return header, end if has_footer else b""


def _frame(frame: bytes, body: bytes, n_items: int) -> bytes:
    """A header or footer for other items."""
    if not frame:
        return b""
    flags = int.from_bytes(frame[20:24], "little")
    footer_bytes = 0 if flags & _HAS_NO_FOOTER else APE_FRAME_BYTES
    return frame[:12] + struct.pack("<II", len(body) + footer_bytes, n_items) + frame[20:]


def _items(tag: bytes) -> Iterator[bytes]:
    header, footer = _frames(tag)
    position, end = len(header), len(tag) - len(footer)
    count = int.from_bytes((footer or header)[16:20], "little")
    for _ in range(count):
        key_end = tag.find(b"\0", position + 8, end)
        value_end = key_end + 1 + int.from_bytes(tag[position : position + 4], "little")
        if key_end < 0 or value_end > end:
            raise TagError("Its APE tag is damaged.")
        yield tag[position:value_end]
        position = value_end


def _value_start(item: bytes) -> int:
    return item.index(b"\0", 8) + 1


def _is_genre(item: bytes) -> bool:
    is_text = int.from_bytes(item[4:8], "little") & _KIND == 0
    return is_text and item[8 : _value_start(item) - 1].lower() == b"genre"
