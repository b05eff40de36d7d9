"""Genres of a batch's files on a server: planned, or written into copies that lie among the uploads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext

from acousticsense.errors import LibraryError
from acousticsense.library.batch import Batch
from acousticsense.library.copies import Tag, tagged
from acousticsense.serving.jobs import TagJob
from acousticsense.serving.temporary import UploadFolder


def run_tags(
    job: TagJob,
    batch: Batch,
    genres: Mapping[int, str],
    *,
    overwrite: bool,
    tag: Tag,
    uploads: UploadFolder,
    between: Callable[[], None],
) -> None:
    """Does what a job is for and notes it there.

    Args:
        batch: the files and their rows.
        genres: place of a file -> the genre to write.
        tag: carries one task out.
        uploads: where the zip lies; it takes the room of uploads and goes with their age.
        between: called after each file; what it raises ends the work, and leaves no zip behind.

    Raises:
        OverloadError: there is no room for the zip.
        LibraryError: it cannot be written.
    """
    zip_file = uploads.making("tagged.zip") if job.writes else nullcontext((None, None))
    try:
        with zip_file as (target, count):
            made = tagged(batch, genres, overwrite=overwrite, tag=tag, target=target, room=count)
            with closing(made) as plans:
                for plan in plans:
                    job.plans.append(plan)
                    between()
            job.zip = target
    except OSError as error:
        if not job.writes:
            raise
        raise LibraryError(
            f"The copies cannot be written ({error.strerror or error}).", hint="Try again later, or with fewer files."
        ) from error
