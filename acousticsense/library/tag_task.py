"""The genre of one file as a task, here or for a process of its own: looked at, or written and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from acousticsense.errors import TagError
from acousticsense.library.tags import TagPlan, plan_tag, write_tag
from acousticsense.library.undo import record_undo


@dataclass(frozen=True, kw_only=True)
class TagTask:
    """What is to be done with one file.

    Attributes:
        path: the file; text, because a Path would shorten the slashes of a URL.
        name: what people call it, in the plan and in the record. Empty: the plan has the path as it is, the record
            without symbolic links, which undoing would replace.
        overwrite: replace another genre that is there.
        record: undo record to add to; None only looks.
    """

    path: str
    name: str = ""
    genre: str
    overwrite: bool
    keep_mtime: bool = False
    record: Path | None


def carry_out(task: TagTask) -> TagPlan:
    """What would be done, or with a record what was: "write" then means that it is written and was verified.

    A file that cannot be read is refused, whatever its bytes provoke in the libraries that read them.
    """
    try:
        return _carried_out(task)
    except Exception as error:  # noqa: BLE001 - one damaged file must not end the work on thousands
        reason = str(TagError(f"It is damaged, or too large to be read ({error!r}).", hint="The file is as it was."))
        return TagPlan(path=task.name or task.path, action="refuse", old="", new=task.genre, reason=reason)


def _carried_out(task: TagTask) -> TagPlan:
    plan = plan_tag(task.path, task.genre, overwrite=task.overwrite)
    named = replace(plan, path=task.name or task.path)
    if plan.action != "write" or task.record is None:
        return named
    try:
        note = partial(record_undo, task.record, name=task.name)
        write_tag(plan, keep_mtime=task.keep_mtime, before_replace=note)
    except TagError as error:
        return replace(named, action="refuse", reason=str(error))
    return named
