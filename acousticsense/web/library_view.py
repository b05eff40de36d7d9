"""Many files on the page: how far the work is, the frame that `library.js` fills, and each row as it wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, get_args

from acousticsense.i18n.messages import text
from acousticsense.i18n.page import UI_TEXTS, ui_text
from acousticsense.i18n.refusals import refusal
from acousticsense.inference.prediction import Verdict
from acousticsense.library.batch import Batch
from acousticsense.library.routing import Decision
from acousticsense.library.rows import Row
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, percent, render

#: The rank of a verdict in a sorted table; what could not be analysed comes last.
_VERDICTS: Final = (*get_args(Verdict), "error")
_TOP: Final = 5


def library_html(
    batch: Batch, batch_id: str, state: str, language: str, *, worked_s: float = 0.0, place: int = 0
) -> str:
    """How far a batch is.

    Args:
        batch_id: where the page's script fetches its rows.
        state: "waiting", "running", "stopped" or "ready".
        worked_s: seconds since it began.
        place: in the queue, from 1; 0 when it has begun.
    """
    done, failed, total = batch.done, batch.failed, batch.files.total
    details = [ui_text("queue.place", language, n=place)] if place else []
    details += [ui_text("library.failed", language, n=f"{failed:,}")] if failed else []
    details += [ui_text("library.ignored", language, n=f"{ignored:,}")] if (ignored := batch.files.ignored) else []
    if done and worked_s > 0:
        details.append(ui_text("library.rate", language, rate=f"{done / worked_s:.1f}"))
        if state == "running" and total:
            details.append(ui_text("timeline.left", language, left=clock(round(worked_s * (total - done) / done))))
    return render(
        "library.html",
        language,
        batch_id=batch_id,
        state=state,
        done=done,
        share=done / total if total else 0.0,
        words=ui_text("library.progress", language, done=f"{done:,}", total="?" if total is None else f"{total:,}"),
        details=details,
    )


def library_frame_html(language: str, *, may_finetune: bool = False) -> str:
    """The card for rows: tools, distribution, filters, panels and the head of the table.

    Args:
        may_finetune: whether the server makes models out of corrections.
    """
    chips = [("", ui_text("library.all", language)), *((name, _verdict_text(name, language)) for name in _VERDICTS)]
    chips += [(name, ui_text(f"decision.{name}", language)) for name in get_args(Decision)]
    return render("library_frame.html", language, chips=chips, may_finetune=may_finetune)


def row_values(place: int, row: Row, decision: Decision | None, language: str) -> dict[str, Any]:
    """One row for the page's script: words in `language`, and what rows are sorted and filtered by."""
    verdict = "error" if row.error else str(row.verdict)
    top = [f"{display_name(score.label, language)} {percent(score.confidence)}" for score in row.top(_TOP)]
    return {
        "place": place,
        "path": row.path,
        "genre": display_name(row.genre, language),
        "confidence": row.confidence,
        "percent": "" if row.confidence is None else percent(row.confidence),
        "verdict": verdict,
        "verdictRank": _VERDICTS.index(verdict),
        "verdictText": _verdict_text(verdict, language),
        "top": " · ".join(top),
        "decision": decision,
        "decisionText": ui_text(f"decision.{decision}", language) if decision else "",
        "notes": list(_notes(row, language)),
    }


def _notes(row: Row, language: str) -> Iterable[str]:
    if row.error is None:
        return row.health_messages(language)
    code = row.error.code if f"error.{row.error.code}" in UI_TEXTS else "audio_error"
    return filter(None, (ui_text(f"error.{code}", language), refusal(row.error.message, language)))


def _verdict_text(verdict: str, language: str) -> str:
    return ui_text("library.error", language) if verdict == "error" else text(f"verdict.{verdict}", language)
