"""Genres for files that were sent together: what would be written, and copies that have them, in a zip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import ZipFile

from acousticsense.errors import AcousticSenseError, LibraryError
from acousticsense.library.batch import Batch
from acousticsense.library.routing import decide
from acousticsense.library.tag_task import TagTask
from acousticsense.library.tags import TagPlan

__all__ = ["UNDO_NAME", "genres_to_write", "planned_tags", "tagged_copies"]

#: The undo record in the zip; its paths are those of the copies beside it.
UNDO_NAME: Final = "acousticsense-undo.jsonl"

#: Carries a task out where a damaged file does no harm.
Tag = Callable[[TagTask], TagPlan]


def genres_to_write(batch: Batch, accept: float | None) -> dict[int, str]:
    """Place of a file -> its genre: what people corrected or confirmed, and answers that are accepted."""
    accepted = {
        place: row.genre for place, row in batch.arrived() if accept is not None and decide(row, accept) == "accepted"
    }
    return dict(sorted({**accepted, **batch.corrections}.items()))


def planned_tags(
    batch: Batch, genres: Mapping[int, str], *, overwrite: bool, tag: Tag
) -> Generator[TagPlan, None, None]:
    """What writing the genres would do, file by file; nothing is written.

    Args:
        batch: the files, which have their rows.
        genres: place of a file -> its genre.
        overwrite: replace genres that are there.
        tag: see `Tag`.
    """
    with closing(batch.files), tempfile.TemporaryDirectory(prefix="acousticsense-tags-") as folder:
        for place, genre in genres.items():
            yield _plan(batch, place, genre, Path(folder), overwrite=overwrite, record=None, tag=tag)[0]


def tagged_copies(
    batch: Batch,
    genres: Mapping[int, str],
    *,
    overwrite: bool,
    tag: Tag,
    target: Path,
    room: Callable[[int], None],
) -> Generator[TagPlan, None, None]:
    """Writes the genres into copies, which are checked one by one and packed; the files themselves stay as they are.

    At any time one copy lies beside the zip.

    Args:
        batch: the files, which have their rows.
        genres: place of a file -> its genre.
        overwrite: replace genres that are there.
        tag: see `Tag`.
        target: the zip: the copies that were written, and the record that takes their genres back.
        room: called with the bytes that the zip will grow by; what it raises ends the work.

    Raises:
        OSError: the zip cannot be written.
    """
    with (
        closing(batch.files),
        tempfile.TemporaryDirectory(prefix="acousticsense-tags-") as folder,
        ZipFile(target, "w", strict_timestamps=False) as packed,
    ):
        record = Path(folder, UNDO_NAME)
        for place, genre in genres.items():
            plan, copy = _plan(batch, place, genre, Path(folder), overwrite=overwrite, record=record, tag=tag)
            if plan.action == "write" and copy:
                room(copy.stat().st_size)
                packed.write(copy, plan.path)
            if copy:
                copy.unlink()
            yield plan
        if record.exists():
            packed.write(record, UNDO_NAME)


def _plan(
    batch: Batch, place: int, genre: str, folder: Path, *, overwrite: bool, record: Path | None, tag: Tag
) -> tuple[TagPlan, Path | None]:
    """What is planned or was done, and where the copy lies."""
    name = batch.files.name(place)
    try:
        path = batch.files.fetch(place, folder / f"{place}{PurePosixPath(name).suffix}", copy=record is not None)
        task = TagTask(path=str(path), name=name, genre=genre, overwrite=overwrite, record=record)
        return tag(task), path if path.parent == folder else None
    except (AcousticSenseError, OSError) as error:
        reason = str(error if isinstance(error, AcousticSenseError) else LibraryError(f"It cannot be copied: {error}."))
        return TagPlan(path=name, action="refuse", old="", new=genre, reason=reason), None
