"""Rows as files that other programs read: CSV for spreadsheets, JSON Lines for programs, Parquet for data tools."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from acousticsense.errors import LibraryError
from acousticsense.files import atomic_write
from acousticsense.library.routing import Decision, review_reason
from acousticsense.library.rows import Row
from acousticsense.library.storage import upload

#: A row, and what was decided about it (None where nobody asked for a decision).
Decided = tuple[Row, Decision | None]

_TOP: Final = 5
#: Columns of CSV and Parquet, in order.
COLUMNS: Final = (
    "path",
    "genre",
    "confidence",
    *(f"{name}_{rank}" for rank in range(2, _TOP + 1) for name in ("genre", "confidence")),
    "verdict",
    "decision",
    "reason",
    "health",
    "duration_s",
    "track_duration_s",
    "error_code",
    "error",
    "model",
    "weights_sha256",
    "settings_digest",
)
#: A cell that begins with one of these would be run as a formula by a spreadsheet (OWASP, "CSV Injection").
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PARQUET_ROWS: Final = 10_000


def csv_values(row: Row, decision: Decision | None = None) -> dict[str, Any]:
    """The row by column; empty cells are None."""
    scores = row.top(_TOP)
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    for rank, score in enumerate(scores, start=1):
        suffix = "" if rank == 1 else f"_{rank}"
        values[f"genre{suffix}"], values[f"confidence{suffix}"] = score.label, round(score.confidence, 6)
    return {
        **values,
        "path": row.path,
        "verdict": row.verdict,
        "decision": decision,
        "reason": _reason(row, decision),
        "health": "; ".join(note.code for note in row.health) or None,
        "duration_s": row.clip and round(row.clip.duration_s, 3),
        "track_duration_s": row.clip and row.clip.track_duration_s and round(row.clip.track_duration_s, 3),
        "model": row.model.name,
        "weights_sha256": row.model.weights_sha256,
        "settings_digest": row.settings_digest,
        "error_code": row.error and row.error.code,
        "error": row.error and f"{row.error.message} {row.error.hint}".strip(),
    }


def json_values(row: Row, decision: Decision | None = None) -> dict[str, Any]:
    """The row as JSON values: everything that is known, with the Top-5 as in an answer of the REST API."""
    values = row.to_dict()
    prediction = [{"label": score.label, "confidence": score.confidence} for score in row.top(_TOP)]
    return {
        "path": values.pop("path"),
        "genre": row.genre or None,
        "confidence": row.confidence,
        "decision": decision,
        "reason": _reason(row, decision),
        "prediction": prediction,
        **values,
    }


def _reason(row: Row, decision: Decision | None) -> str | None:
    return (review_reason(row) or None) if decision == "review" else None


def write_csv(path: Path | str, rows: Iterable[Decided]) -> None:
    """UTF-8 with a byte order mark, without which Excel garbles all but ASCII; text never becomes a formula.

    `path` may be the URL of an object.

    Raises:
        LibraryError: the file cannot be written; what was there before is then still there.
    """
    with _replacing(path) as binary, os.fdopen(os.dup(binary.fileno()), "w", encoding="utf-8-sig", newline="") as file:
        _fill_csv(file, rows)


def csv_bytes(rows: Iterable[Decided], corrections: Mapping[str, str] | None = None) -> bytes:
    """What `write_csv` writes; where people corrected (path -> genre), with a column `corrected_genre`."""
    file = io.StringIO(newline="")
    _fill_csv(file, rows, corrections)
    return file.getvalue().encode("utf-8-sig")


def finetune_csv(corrections: Mapping[str, str]) -> bytes:
    """Corrections (path -> genre) as `acousticsense finetune` takes them, to be put where the paths begin."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(("path", "genre"))
    writer.writerows(corrections.items())
    return file.getvalue().encode("utf-8-sig")


def m3u(rows: Iterable[Row], genres: Mapping[str, str]) -> bytes:
    """A playlist of the files with a genre (path -> genre), genre by genre, to be put where the paths begin."""
    lines = ["#EXTM3U"]
    listed = sorted((row for row in rows if row.path in genres), key=lambda row: genres[row.path])
    for row in listed:
        seconds = round(row.clip.track_duration_s) if row.clip and row.clip.track_duration_s else -1
        name = " ".join(row.path.rpartition("/")[2].split())
        lines += [f"#EXTINF:{seconds},{name}", f"#EXTGRP:{genres[row.path]}", _in_a_line(row.path)]
    return "\n".join([*lines, ""]).encode()


def _in_a_line(path: str) -> str:
    """A path as a playlist can hold it and players find it.

    One with line breaks or with a space at its end is written in percent encoding; one that begins as a comment, a home
    folder or an address would, or with a space, which players drop, gets "./" in front.
    """
    line = path if path.isprintable() and not path.endswith(" ") else quote(path)
    return f"./{line}" if line.lower().startswith(("#", "~", " ", "file:")) else line


def _fill_csv(file: IO[str], rows: Iterable[Decided], corrections: Mapping[str, str] | None = None) -> None:
    columns = [COLUMNS[0], "corrected_genre", *COLUMNS[1:]] if corrections else COLUMNS
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for row, decision in rows:
        values = csv_values(row, decision)
        if corrections:
            values["corrected_genre"] = corrections.get(row.path)
        writer.writerow({name: _harmless(value) for name, value in values.items()})


def write_jsonl(path: Path | str, rows: Iterable[Decided]) -> None:
    """One JSON object a line, UTF-8; raises like `write_csv`."""
    with _replacing(path) as file:
        for row, decision in rows:
            file.write(json.dumps(json_values(row, decision), ensure_ascii=False).encode() + b"\n")


def check_parquet() -> None:
    """Refuses Parquet where the extra `parquet` is not installed.

    Raises:
        LibraryError: pyarrow cannot be imported.
    """
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise LibraryError(
            "Parquet needs the package pyarrow.", hint="pip install 'acousticsense[parquet]', or use --csv."
        ) from error


def write_parquet(path: Path | str, rows: Iterable[Decided]) -> None:
    """The columns of the CSV, typed; raises like `write_csv` and `check_parquet`."""
    check_parquet()
    import pyarrow as arrow
    from pyarrow import parquet

    numbers = {name for name in COLUMNS if name.startswith("confidence") or name.endswith("_s")}
    schema = arrow.schema([(name, arrow.float64() if name in numbers else arrow.string()) for name in COLUMNS])
    values = (csv_values(row, decision) for row, decision in rows)
    with _replacing(path) as file, parquet.ParquetWriter(file, schema) as writer:
        writer.write_table(schema.empty_table())
        while group := list(islice(values, _PARQUET_ROWS)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def _harmless(value: object) -> object:
    """Text that a spreadsheet would run gets an apostrophe in front, which it shows as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


@contextmanager
def _replacing(path: Path | str) -> Iterator[IO[bytes]]:
    """A file that takes `path`'s place when all of it is written."""
    if isinstance(path, str):
        with tempfile.NamedTemporaryFile() as file:
            yield file
            file.flush()
            upload(Path(file.name), path)
        return
    try:
        with atomic_write(path) as file:
            yield file
    except OSError as error:
        raise LibraryError(
            f"{path} cannot be written ({error.strerror or error}).", hint="Check the folder and the disk space."
        ) from error
