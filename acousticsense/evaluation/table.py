"""Tables as spreadsheets write them: any common delimiter and encoding, or the line and column to change."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from acousticsense.errors import SettingsError, quoted
from acousticsense.evaluation.places import as_text, text_of

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class TableRow:
    """One line below the header.

    Attributes:
        line: its number, from 1.
        values: column's name in small letters -> cell without blanks around it; an empty cell is "".
        more: cells that stand under no column.
    """

    line: int
    values: dict[str, str]
    more: tuple[str, ...] = field(default=())


def read_table(source: Path, needed: Sequence[str]) -> list[TableRow]:
    """The lines of a table that are not empty.

    The delimiter is the one that a line `sep=` names, else the one under which the header has the needed columns.

    Args:
        needed: names of columns that must be there, in small letters.

    Raises:
        SettingsError: it cannot be read; says the line, the column and what to change.
    """
    try:
        text = text_of(source.read_bytes(), str(source))
    except OSError as error:
        raise SettingsError(f"{source} cannot be read ({error.strerror}).", hint="Check its path.") from error
    first = 1
    named = re.match(r'"?sep=(.)"?\r?\n?', text, re.IGNORECASE)
    if named:
        text, first = text[named.end() :], 2
    if not text.strip():
        raise SettingsError(f"{source} is empty.", hint=f"Its first line names the columns: {','.join(needed)}.")
    _refuse_endless(source, text, first)
    delimiter = named[1] if named else _delimiter(text, needed)
    return list(_rows(source, text, delimiter, needed, first))


def _rows(source: Path, text: str, delimiter: str, needed: Sequence[str], first: int) -> Iterator[TableRow]:
    lines = _LINE_END.split(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    header: list[str] | None = None
    while True:
        start = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _open_quote(source, lines[start], delimiter, header or [], start + first) from error
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if header is None:
            header = _checked([cell.casefold() for cell in cells], source, delimiter, needed, start + first)
            continue
        values = {name: cell if name == "path" else as_text(cell) for name, cell in zip(header, cells, strict=False)}
        row = TableRow(start + first, dict.fromkeys(header, "") | values, tuple(cells[len(header) :]))
        _refuse_zeros(source, row)
        yield row


def _refuse_endless(source: Path, text: str, first: int) -> None:
    """Raises SettingsError when a line is longer than the reader takes a cell to be."""
    for number, line in enumerate(_LINE_END.split(text), first):
        if len(line) > csv.field_size_limit():
            raise SettingsError(
                f"{source}, line {number} has {len(line)} characters; {csv.field_size_limit()} can be read.",
                hint="Give every file a line of its own, and leave out columns of long text.",
            )


def _delimiter(text: str, needed: Sequence[str]) -> str:
    """The delimiter that makes a header of the first line; else the most frequent one in it."""
    line = next(line for line in _LINE_END.split(text) if line.strip())
    fitting = [sign for sign in _DELIMITERS if set(needed) <= set(_header(line, sign))]
    return fitting[0] if fitting else max(_DELIMITERS, key=line.count)


def _header(line: str, delimiter: str) -> list[str]:
    return [cell.strip().casefold() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]


def _checked(header: list[str], source: Path, delimiter: str, needed: Sequence[str], line: int) -> list[str]:
    """Raises SettingsError when a needed column is not there, or twice."""
    for name in needed:
        if name not in header:
            raise SettingsError(
                f"{source}, line {line} lacks a column {name!r}: separated by {_DELIMITERS.get(delimiter, delimiter)}, "
                f"it reads {', '.join(map(quoted, header[:5]))}.",
                hint=f"Make the first line {delimiter.join(needed)}, or rename its columns.",
            )
        if header.count(name) > 1:
            raise SettingsError(f"{source}, line {line} has two columns {name!r}.", hint="Rename one of them.")
    return header


def _open_quote(source: Path, line: str, delimiter: str, header: Sequence[str], number: int) -> SettingsError:
    """What is wrong with a line that the reader gives up on: a quotation mark, in practice."""
    column = len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))) - 1
    name = repr(header[column]) if column < len(header) else str(column + 1)
    return SettingsError(
        f"{source}, line {number}, column {name}: a quotation mark is opened and not closed before the cell ends.",
        hint='Close it behind the cell; write one that belongs to a name twice ("").',
    )


def _refuse_zeros(source: Path, row: TableRow) -> None:
    for name, value in row.values.items():
        if "\0" in value:
            raise SettingsError(
                f"{source}, line {row.line}, column {name!r} holds a zero byte, which no name may.",
                hint="Remove it, or save the list as UTF-8.",
            )
