"""A model that is made out of corrections: how far it is, and what came of it."""

from __future__ import annotations

from acousticsense.i18n.page import ui_text
from acousticsense.serving.jobs import FinetuneJob
from acousticsense.web.html import render
from acousticsense.web.tags_view import told_of

#: Which part of the bar each stage takes: from, to.
_SHARES = {"files": (0.0, 0.05), "features": (0.05, 0.85), "parts": (0.85, 0.95), "saving": (0.95, 1.0)}


def finetune_html(job: FinetuneJob, language: str) -> str:
    """What stands below the button, in `language` ("en" or "zh")."""
    state, trouble = told_of(job, language)
    is_stopping = state == "stopped" and not job.finished  # until its process has ended, there is no other run
    stage = "stopping" if is_stopping else job.stage
    begin, end = _SHARES[job.stage]
    n, accuracy = job.figures.get("n", 0), job.figures.get("accuracy", 0.0)
    return render(
        "library_finetune.html",
        language,
        state="running" if is_stopping else state,
        trouble=trouble,
        share=begin + (end - begin) * job.done / max(1, job.total),
        words=ui_text(f"finetune.stage.{stage}", language, done=job.done + 1, total=job.total),
        name=job.name,
        counted=ui_text("levels.counted", language, right=round(n * accuracy), n=n),
    )
