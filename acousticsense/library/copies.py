"""Genres for files that were sent together: what would be written, and copies that have them, in a zip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import ZipFile

from acousticsense.errors import AcousticSenseError, LibraryError
from acousticsense.library.batch import Batch
from acousticsense.library.routing import decide
from acousticsense.library.tag_task import TagTask
from acousticsense.library.tags import TagPlan

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


def tagged(
    batch: Batch,
    genres: Mapping[int, str],
    *,
    overwrite: bool,
    tag: Tag,
    target: Path | None = None,
    room: Callable[[int], None] | None = None,
) -> Generator[TagPlan, None, None]:
    """The genres, file by file: only planned, or written into copies, which are checked and packed one by one.

    The files themselves stay as they are, and at any time there is one copy, or one file out of an archive.

    Args:
        batch: the files, which have their rows.
        genres: place of a file -> its genre.
        overwrite: replace genres that are there.
        tag: see `Tag`.
        target: the zip: the copies that were written, and the record that takes their genres back. None only plans.
        room: called with the bytes that the zip will grow by; what it raises ends the work.

    Raises:
        OSError: the zip cannot be written.
    """
    with ExitStack() as stack:
        stack.enter_context(closing(batch.files))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acousticsense-tags-")))
        packed = stack.enter_context(ZipFile(target, "w", strict_timestamps=False)) if target else None
        record = folder / UNDO_NAME if packed else None
        for place, genre in genres.items():
            copy = folder / f"{place}{PurePosixPath(batch.files.name(place)).suffix}"
            plan = _carried_out(batch, place, genre, copy, overwrite=overwrite, record=record, tag=tag)
            if packed and plan.action == "write":
                if room:
                    room(copy.stat().st_size)
                packed.write(copy, plan.path)
            copy.unlink(missing_ok=True)
            yield plan
        if packed and record and record.exists():
            packed.write(record, UNDO_NAME)


def _carried_out(
    batch: Batch, place: int, genre: str, copy: Path, *, overwrite: bool, record: Path | None, tag: Tag
) -> TagPlan:
    """What is planned or was done with one file."""
    name = batch.files.name(place)
    try:
        path = batch.files.fetch(place, copy, copy=record is not None)
        return tag(TagTask(path=str(path), name=name, genre=genre, overwrite=overwrite, record=record))
    except (AcousticSenseError, OSError) as error:
        reason = str(error if isinstance(error, AcousticSenseError) else LibraryError(f"It cannot be copied: {error}."))
        return TagPlan(path=name, action="refuse", old="", new=genre, reason=reason)
