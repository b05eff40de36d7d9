"""Many files on the page: how far the work is, the frame that `library.js` fills, and each row as it wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, get_args

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import UI_TEXTS, ui_text
from acousticsense.inference.prediction import Verdict
from acousticsense.library.batch import Batch
from acousticsense.library.routing import Decision
from acousticsense.library.rows import Row
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, escape, percent
from acousticsense.web.result_html import trouble_html

__all__ = ["empty_library_html", "library_error_html", "library_frame_html", "library_html", "row_values"]

#: The rank of a verdict in a sorted table; what could not be analysed comes last.
_VERDICTS: Final = (*get_args(Verdict), "error")
_COLUMNS: Final = ("path", "genre", "confidence", "verdict")
_TOP: Final = 5


def empty_library_html(language: str) -> str:
    """The card before anything was sent."""
    return (
        f'<section class="as-card as-library" data-state="empty"><h2 class="as-best">'
        f"{escape(ui_text('library.empty', language))}</h2>"
        f'<p class="as-lead">{escape(ui_text("library.empty.body", language))}</p></section>'
    )


def library_error_html(error: AcousticSenseError | None, language: str, *, code: str = "") -> str:
    """What went wrong and what to do; `code` names the texts when there is no error."""
    words = trouble_html(error, language, code=code)
    return f'<section class="as-card as-library" data-state="error">{words}</section>'


def library_html(batch: Batch, batch_id: str, state: str, language: str, *, worked_s: float = 0.0) -> str:
    """How far a batch is.

    Args:
        batch: the work.
        batch_id: where the page's script fetches its rows.
        state: "waiting", "running", "stopped" or "ready".
        language: "en" or "zh".
        worked_s: seconds since it began.
    """
    done, failed, total = batch.done, batch.failed, batch.total
    share = done / total if total else 0.0
    words = ui_text("library.progress", language, done=f"{done:,}", total="?" if total is None else f"{total:,}")
    details = [ui_text("library.failed", language, n=f"{failed:,}")] if failed else []
    details += [ui_text("library.ignored", language, n=f"{batch.ignored:,}")] if batch.ignored else []
    if done and worked_s > 0:
        details.append(ui_text("library.rate", language, rate=f"{done / worked_s:.1f}"))
        if state == "running" and total:
            details.append(ui_text("timeline.left", language, left=clock(round(worked_s * (total - done) / done))))
    return (
        f'<section class="as-card as-library" data-state="{state}" data-as-batch="{escape(batch_id)}" '
        f'data-done="{done}"><h2 class="as-best">{escape(ui_text(f"library.{state}", language))}</h2>'
        f'<div class="as-progress" role="progressbar" aria-label="{escape(ui_text("tab.library", language))}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{100 * share:.0f}" aria-valuetext="{escape(words)}">'
        f'<i style="width:{100 * share:.2f}%"></i></div><p class="as-lead">{escape(words)}</p>'
        f'<p class="as-detail">{escape(" · ".join(details))}</p></section>'
    )


def library_frame_html(language: str) -> str:
    """The card for rows, hidden until there is one: tools, distribution, filters and the head of the table."""
    shown = ui_text("library.shown", language, shown="{shown}", total="{total}")  # the script has the numbers
    return (
        f'<section class="as-card as-rows" hidden>{_tools(language)}{_distribution(language)}'
        f'<div class="as-filters">{_filters(language)}</div>'
        f'<p class="as-detail" data-as-expected aria-live="polite"></p>{_table(language)}'
        f'<p class="as-detail" data-as-shown="{escape(shown)}" aria-live="polite"></p>'
        "</section>"
    )


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
    return (ui_text(f"error.{code}", language), row.error.message)


def _verdict_text(verdict: str, language: str) -> str:
    return ui_text("library.error", language) if verdict == "error" else text(f"verdict.{verdict}", language)


def _tools(language: str) -> str:
    links = "".join(
        f'<a data-as-file="{kind}" download="genres.{kind}">{escape(ui_text(f"ensemble.{kind}", language))}</a>'
        for kind in ("csv", "json")
    )
    return f'<div class="as-tools as-rows-tools">{links}</div>'


def _distribution(language: str) -> str:
    """The script adds a bar per genre."""
    return (
        f'<div class="as-distribution"><h3>{escape(ui_text("library.distribution", language))}</h3>'
        f'<ul data-testid="distribution" data-not-music="{escape(text("verdict.not_music", language))}" '
        f'data-error="{escape(ui_text("library.error", language))}"></ul></div>'
    )


def _filters(language: str) -> str:
    every = [("", ui_text("library.all", language)), *((name, _verdict_text(name, language)) for name in _VERDICTS)]
    every += [(name, ui_text(f"decision.{name}", language)) for name in get_args(Decision)]
    chips = "".join(
        f'<button type="button" data-as-chip="{name}" aria-pressed="{str(not name).lower()}">'
        f"{escape(words)} <b></b></button>"
        for name, words in every
    )
    sorts = "".join(
        f'<option value="{name}">{escape(ui_text(f"library.{name}", language))}</option>'
        for name in ("place", *_COLUMNS)
    )
    return (
        f'<div class="as-chips" role="group" aria-label="{escape(ui_text("library.filter", language))}">{chips}</div>'
        f'<label class="as-find"><span>{escape(ui_text("library.find", language))}</span>'
        f'<input type="search" data-as-find></label>'
        f'<label class="as-sort"><span>{escape(ui_text("library.sort", language))}</span>'
        f"<select data-as-sort>{sorts}</select></label>"
        f'<label class="as-accept"><span>{escape(ui_text("library.accept", language))}</span>'
        f'<input type="number" min="0" max="100" step="1" data-as-accept placeholder="–"><span>%</span></label>'
    )


def _table(language: str) -> str:
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" data-as-column="{name}">'
        f"{escape(ui_text(f'library.{name}', language))}</button></th>"
        for name in _COLUMNS
    )
    heads += "".join(f'<th scope="col">{escape(ui_text(key, language))}</th>' for key in ("top.title", "library.notes"))
    return (
        f'<div class="as-scroll as-rows-scroll" tabindex="0" role="region" '
        f'aria-label="{escape(ui_text("tab.library", language))}"><table class="as-table" data-testid="rows">'
        f"<thead><tr>{heads}</tr></thead><tbody></tbody></table></div>"
    )
