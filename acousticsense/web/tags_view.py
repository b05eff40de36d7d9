"""Genres for the files of a batch: how far the work is, what would be written, and what was."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import CancelledError
from typing import Final, Literal

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.i18n.refusals import refusal
from acousticsense.library.tags import TagPlan
from acousticsense.serving.jobs import Job, TagJob
from acousticsense.web.html import number, render
from acousticsense.web.message_view import Trouble, trouble_of

State = Literal["running", "stopped", "ready", "error"]

_log: Final = logging.getLogger(__name__)


def told_of(job: Job[None], language: str) -> tuple[State, Trouble | None]:
    """What a card says of a job, and what went wrong."""
    if not job.finished:
        return "stopped" if job.cancelled else "running", None
    try:
        job.result()
    except CancelledError:
        return "stopped", None
    except AcousticSenseError as error:
        return "error", trouble_of(error, language)
    except Exception:  # noqa: BLE001 - a fault of ours: the log has it in full, the card says so
        _log.exception("a job of the library failed")
        return "error", trouble_of(None, language, code="unexpected")
    return "ready", None


def tags_html(job: TagJob, zip_url: str, language: str) -> str:
    """What stands below the buttons.

    Args:
        zip_url: where the copies can be fetched.
    """
    state, trouble = told_of(job, language)
    plans = list(job.plans)
    counts = Counter(plan.action for plan in plans)
    kind = "written" if job.writes else "planned"
    has_zip = state == "ready" and job.zip is not None and job.zip.is_file()
    return render(
        "library_tags.html",
        language,
        state=state,
        trouble=trouble,
        writes=job.writes,
        is_waiting=not job.started,
        share=len(plans) / job.total,
        words=ui_text("library.progress", language, done=len(plans), total=job.total),
        summary=ui_text(f"tags.{kind}", language, write=counts["write"], keep=counts["keep"], refuse=counts["refuse"]),
        n_write=counts["write"],
        zip_url=zip_url if has_zip and counts["write"] else "",
        megabytes=number(round(job.zip.stat().st_size / 1e6, 1)) if has_zip and job.zip else "",
        plans=[(plan, _result(plan, language, writes=job.writes)) for plan in plans] if state == "ready" else [],
    )


def _result(plan: TagPlan, language: str, *, writes: bool) -> str:
    if plan.action == "write":
        return ui_text("tags.result.written" if writes else "tags.result.planned", language)
    if plan.action == "keep":
        return ui_text("tags.result.same" if plan.old == plan.new else "tags.result.other", language)
    return refusal(plan.reason, language) or ui_text("error.error", language)
