"""ASF (wma, wmv): attributes named WM/Genre in three objects of the header (Advanced Systems Format, 01.20.06)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final
from uuid import UUID

from acousticsense.errors import TagError
from acousticsense.library.tagging.edits import Edit, read_at


def _guid(text: str) -> bytes:
    return UUID(text).bytes_le


MAGIC: Final = _guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
_FILE_PROPERTIES: Final = _guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
_EXTENSION: Final = _guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")
_DESCRIPTION: Final = _guid("D2D0A440-E307-11D2-97F0-00A0C95EA850")
_METADATA: Final = (_guid("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA"), _guid("44231C94-9498-49D1-A141-1D134E457054"))
_OBJECT_BYTES, _HEADER_BYTES, _EXTENSION_BYTES = 24, 30, 46
_GENRE_NAMES: Final = ("wm/genre", "wm/genreid", "genre")
_IS_TEXT: Final = 0


@dataclass(frozen=True)
class _Object:
    guid: bytes
    start: int
    data: bytes


@dataclass(frozen=True)
class _Attribute:
    name: str
    kind: int
    value: bytes
    raw: bytes

    @property
    def is_genre(self) -> bool:
        return self.name.lower() in _GENRE_NAMES


def genres(file: BinaryIO) -> list[str]:
    """What all its genre attributes say."""
    return [
        attribute.value.decode("utf-16-le", "replace").rstrip("\0")
        for item in _tags(file)
        for attribute in _attributes(item)
        if attribute.is_genre and attribute.kind == _IS_TEXT and attribute.name.lower() != "wm/genreid"
    ]


def edits(file: BinaryIO, genre: str) -> list[Edit]:
    """One WM/Genre in the extended content description, and none elsewhere."""
    made: list[Edit] = []
    has_description = False
    for item in _tags(file):
        attributes = list(_attributes(item))
        kept = [attribute.raw for attribute in attributes if not attribute.is_genre]
        if item.guid == _DESCRIPTION and not has_description:
            has_description = True
            first = next((n for n, attribute in enumerate(attributes) if attribute.is_genre), len(kept))
            kept.insert(first, _genre_attribute(genre))
        elif len(kept) == len(attributes):
            continue
        made.append(Edit(item.start, item.start + len(item.data), _object(item.guid, kept)))
    header = _header(file)
    if not has_description:
        made.append(Edit(len(header), len(header), _object(_DESCRIPTION, [_genre_attribute(genre)])))
    return [*made, *_sizes(header, made, n_new=not has_description)]


def _sizes(header: bytes, made: Sequence[Edit], *, n_new: int) -> Iterator[Edit]:
    """The sizes of header, extension and file, and the number of objects."""
    growth = sum(edit.growth for edit in made)
    n_objects = struct.unpack_from("<I", header, 24)[0] + n_new
    yield Edit(16, 28, struct.pack("<QI", len(header) + growth, n_objects))
    for item in _objects(header, _HEADER_BYTES):
        if item.guid == _FILE_PROPERTIES:
            total = struct.unpack_from("<Q", item.data, 40)[0]
            if total:
                yield Edit(item.start + 40, item.start + 48, struct.pack("<Q", total + growth))
        elif item.guid == _EXTENSION:
            end = item.start + len(item.data)
            inner = sum(edit.growth for edit in made if item.start < edit.start and edit.end <= end)
            size = struct.unpack_from("<I", item.data, 42)[0] + inner
            yield Edit(item.start + 16, item.start + 24, struct.pack("<Q", len(item.data) + inner))
            yield Edit(item.start + 42, item.start + 46, struct.pack("<I", size))


def _header(file: BinaryIO) -> bytes:
    size = int.from_bytes(read_at(file, 16, 8), "little")
    header = read_at(file, 0, size)
    if len(header) < size or size < _HEADER_BYTES:
        raise TagError("Its header is damaged.")
    return header


def _tags(file: BinaryIO) -> Iterator[_Object]:
    """The objects that hold attributes."""
    for item in _objects(_header(file), _HEADER_BYTES):
        if item.guid == _DESCRIPTION:
            yield item
        elif item.guid == _EXTENSION:
            for inner in _objects(item.data, _EXTENSION_BYTES):
                if inner.guid in _METADATA:
                    yield _Object(inner.guid, item.start + inner.start, inner.data)


def _objects(data: bytes, position: int) -> Iterator[_Object]:
    while position + _OBJECT_BYTES <= len(data):
        size = int.from_bytes(data[position + 16 : position + 24], "little")
        if size < _OBJECT_BYTES or position + size > len(data):
            raise TagError("An object of its header is damaged.")
        yield _Object(data[position : position + 16], position, data[position : position + size])
        position += size


def _attributes(item: _Object) -> Iterator[_Attribute]:
    data, position = item.data, _OBJECT_BYTES + 2
    try:
        (count,) = struct.unpack_from("<H", data, _OBJECT_BYTES)
        for _ in range(count):
            start = position
            if item.guid == _DESCRIPTION:
                (n_name,) = struct.unpack_from("<H", data, position)
                name_at, position = position + 2, position + 2 + n_name
                kind, n_value = struct.unpack_from("<HH", data, position)
                value_at = position + 4
            else:
                _, _, n_name, kind, n_value = struct.unpack_from("<HHHHI", data, position)
                name_at, value_at = position + 12, position + 12 + n_name
            position = value_at + n_value
            if position > len(data):
                raise TagError("Its attributes are damaged.")
            name = data[name_at : name_at + n_name].decode("utf-16-le", "replace").rstrip("\0")
            yield _Attribute(name, kind, data[value_at:position], data[start:position])
    except struct.error as error:
        raise TagError("Its attributes are damaged.") from error


def _genre_attribute(genre: str) -> bytes:
    name, value = "WM/Genre\0".encode("utf-16-le"), f"{genre}\0".encode("utf-16-le")
    return struct.pack("<H", len(name)) + name + struct.pack("<HH", _IS_TEXT, len(value)) + value


def _object(guid: bytes, attributes: Sequence[bytes]) -> bytes:
    body = struct.pack("<H", len(attributes)) + b"".join(attributes)
    return guid + struct.pack("<Q", _OBJECT_BYTES + len(body)) + body
