"""The genre of one file as a task for a process of its own: looked at, or written into a copy and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from acousticsense.errors import TagError
from acousticsense.library.tags import TagPlan, plan_tag, write_tag
from acousticsense.library.undo import UndoRecord

__all__ = ["TagTask", "carry_out"]


@dataclass(frozen=True, kw_only=True)
class TagTask:
    """What is to be done with one file.

    Attributes:
        path: the file.
        name: what people call it, in the plan and in the record.
        genre: the genre to write.
        overwrite: replace another genre that is there.
        record: undo record to add to; None only looks.
    """

    path: Path
    name: str
    genre: str
    overwrite: bool
    record: Path | None


def carry_out(task: TagTask) -> TagPlan:
    """What would be done, or with a record what was: "write" then means that it is written and was verified."""
    plan = replace(plan_tag(str(task.path), task.genre, overwrite=task.overwrite), path=task.name)
    if plan.action != "write" or task.record is None:
        return plan
    try:
        with UndoRecord(task.record) as record:
            write_tag(
                replace(plan, path=str(task.path)),
                before_replace=lambda old, new: record.add(old, new, name=task.name),
            )
    except TagError as error:
        return replace(plan, action="refuse", reason=str(error))
    return plan
