"""The answer of an ensemble as the page shows it: consensus, table, a plot of every member, and the files to keep."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final

from acousticsense.analysis.ensemble_payload import ensemble_csv, ensemble_payload, guidance, member_name, sentences
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.inference.model_cache import LoadedModel
from acousticsense.inference.payload import advice_text
from acousticsense.inference.prediction import GenreScore, Prediction, ranked
from acousticsense.models.genres import display_name
from acousticsense.web.html import escape, percent
from acousticsense.web.result_html import range_text, trouble_html

__all__ = ["ensemble_html", "memory_html", "no_ensemble_html", "progress_html"]

#: Labels per row of the table.
_TOP: Final = 3
#: Genres in the plot: the rest are noise near zero.
_PLOTTED: Final = 8


def ensemble_html(result: EnsembleResult, name: str, language: str) -> str:
    """The answer for the file called `name`."""
    parts = [
        _head(result, name, language),
        _table(result, language),
        _plot(result, result.consensus, language) if result.consensus else "",
        _guidance(result, language),
        _downloads(result, name, language),
    ]
    state = result.consensus.verdict if result.consensus else "error"
    return f'<section class="as-card as-ensemble" data-state="{state}" aria-live="polite">{"".join(parts)}</section>'


def no_ensemble_html(language: str, error: AcousticSenseError | None = None, *, code: str = "") -> str:
    """The same card without an answer: the invitation, or what went wrong and what to do."""
    if error or code:
        words = trouble_html(error, language, code=code)
        return f'<section class="as-card as-ensemble" data-state="error">{words}</section>'
    return (
        '<section class="as-card as-ensemble" data-state="empty"><div class="as-answer">'
        f'<h2 class="as-best">{escape(ui_text("ensemble.empty", language))}</h2>'
        f'<p class="as-lead">{escape(ui_text("ensemble.empty.body", language))}</p></div></section>'
    )


def progress_html(states: Mapping[str, str], total: int, language: str) -> str:
    """What each model has come to; `states` maps its name to "loading", "analysing", "done" or "failed"."""
    done = sum(state in ("done", "failed") for state in states.values())
    rows = "".join(
        f'<li data-state="{state}"><span>{escape(name)}</span>'
        f"<span>{escape(ui_text(f'ensemble.state.{state}', language))}</span></li>"
        for name, state in states.items()
    )
    words = escape(ui_text("ensemble.progress", language, done=done, total=total))
    return (
        f'<section class="as-card as-ensemble" data-state="working"><p class="as-lead">{words}</p>'
        f'<progress max="{max(total, 1)}" value="{done}"></progress><ul class="as-states">{rows}</ul></section>'
    )


def memory_html(loaded: Sequence[LoadedModel], language: str) -> str:
    """How many models are in memory, and what they take."""
    megabytes = sum(resident.size_bytes for resident in loaded) / 1e6
    words = ui_text("ensemble.in_memory", language, n=len(loaded), megabytes=f"{megabytes:.0f}")
    return f'<p class="as-memory">{escape(words)}</p>'


def _head(result: EnsembleResult, name: str, language: str) -> str:
    file = f'<p class="as-file"><b>{escape(name)}</b> <span>{escape(range_text(result.clip, language))}</span></p>'
    said = sentences(result, language)
    if result.consensus is None:
        nobody = escape(ui_text("ensemble.nobody", language))
        return f'<div class="as-answer">{file}<h2 class="as-best">{nobody}</h2>{_list(said)}</div>'
    consensus = result.consensus
    best = consensus.top(1)[0]
    first, *rest = said
    verdict = escape(text(f"verdict.{consensus.verdict}", language))
    agreed = (
        ""
        if consensus.agreement is None
        else ui_text("ensemble.agreement", language, percent=percent(consensus.agreement))
    )
    advice = [advice_text(piece, language) for piece in consensus.advice if piece.code != "unmeasured"]
    return (
        f'<div class="as-answer">{file}<h2 class="as-best">{escape(display_name(best.label, language))} '
        f'<span class="as-share">{escape(percent(best.confidence))}</span></h2>'
        f'<p class="as-verdict">{verdict}</p> <span class="as-agreement" '
        f'title="{escape(ui_text("ensemble.agreement.title", language))}">{escape(agreed)}</span>'
        f'<p class="as-lead" data-testid="split">{escape(first)}</p>{_list([*rest, *advice])}</div>'
    )


def _list(words: Sequence[str]) -> str:
    return f'<ul class="as-advice">{"".join(f"<li>{escape(sentence)}</li>" for sentence in words)}</ul>'


def _table(result: EnsembleResult, language: str) -> str:
    heads = "".join(
        f'<th scope="col">{escape(ui_text(f"ensemble.column.{key}", language))}</th>'
        for key in ("model", "image", "first", "second", "third", "time", "memory")
    )
    averaged = result.consensus.members if result.consensus else ()
    rows = "".join(
        _row(member, result.consensus, language, averaged=index in averaged)
        for index, member in enumerate(result.members)
    )
    foot = _foot(result.consensus, language) if result.consensus else ""
    return (
        '<div class="as-scroll" tabindex="0" role="region" '
        f'aria-label="{escape(ui_text("ensemble.table", language))}"><table class="as-table" data-testid="members">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody><tfoot>{foot}</tfoot></table></div>"
    )


def _row(member: Member, consensus: Consensus | None, language: str, *, averaged: bool) -> str:
    who = f'<th scope="row">{escape(member.name)}</th><td>{escape(member.spectrogram)}</td>'
    if member.prediction is None:
        reason = escape(str(member.error))
        words = escape(ui_text("ensemble.failed", language))
        return f'<tr data-state="failed">{who}<td colspan="5"><b>{words}</b> {reason}</td></tr>'
    prediction: Prediction = member.prediction
    agreed = consensus.top(1)[0].label if consensus else ""
    cells = "".join(_cell(score, agreed, language) for score in prediction.top(_TOP))
    cells += "<td></td>" * (_TOP - len(prediction.probabilities))
    figures = (
        f'<td class="as-figure">{prediction.timing_ms.network:.0f} ms</td>'
        f'<td class="as-figure">{member.size_bytes / 1e6:.0f} MB</td>'
    )
    beside = f" <small>{escape(ui_text('ensemble.beside', language))}</small>" if not averaged else ""
    who = who.replace("</th>", f"{beside}</th>")
    return f'<tr data-state="{"averaged" if averaged else "beside"}">{who}{cells}{figures}</tr>'


def _foot(consensus: Consensus, language: str) -> str:
    key = "ensemble.calibrated" if consensus.calibrated else "ensemble.mean"
    cells = "".join(_cell(score, consensus.top(1)[0].label, language) for score in consensus.top(_TOP))
    title = escape(ui_text(key, language))
    return f'<tr data-state="consensus"><th scope="row" colspan="2">{title}</th>{cells}<td></td><td></td></tr>'


def _cell(score: GenreScore, agreed: str, language: str) -> str:
    """A label and its probability; the deeper the colour, the surer, and the consensus has one of its own."""
    mark = "agreed" if score.label == agreed else "other"
    return (
        f'<td class="as-score" data-mark="{mark}" style="--share:{score.confidence:.4f}">'
        f"{escape(display_name(score.label, language))} <b>{escape(percent(score.confidence))}</b></td>"
    )


def _plot(result: EnsembleResult, consensus: Consensus, language: str) -> str:
    """A row per genre, the likeliest first: a mark per member at its probability, a line at the mean."""
    members = [result.members[index] for index in consensus.members]
    rows = "".join(
        f'<li><span class="as-label">{escape(display_name(score.label, language))}</span>'
        f"{_marks(score, members, language)}"
        f'<span class="as-value">{escape(percent(score.confidence))}</span></li>'
        for score in ranked(consensus.probabilities, _PLOTTED)
    )
    title = escape(ui_text("ensemble.plot", language, n=min(_PLOTTED, len(consensus.probabilities))))
    legend = escape(ui_text("ensemble.plot.legend", language))
    return f'<div class="as-members"><h3>{title}</h3><p>{legend}</p><ul data-testid="plot">{rows}</ul></div>'


def _marks(mean: GenreScore, members: Sequence[Member], language: str) -> str:
    marks = []
    for member in members:
        share = member.prediction.probabilities[mean.label] if member.prediction else 0.0
        told = escape(f"{member_name(member)}: {percent(share)}")
        marks.append(
            f'<circle class="as-{escape(member.spectrogram)}" cx="{100 * share:.2f}%" cy="50%" r="5">'
            f"<title>{told}</title></circle>"
        )
    line = f'<line x1="{100 * mean.confidence:.2f}%" x2="{100 * mean.confidence:.2f}%" y1="2" y2="22"/>'
    alt = escape(ui_text("ensemble.plot.alt", language, label=display_name(mean.label, language)))
    return f'<svg role="img" aria-label="{alt}"><rect width="100%" height="2" y="11"/>{"".join(marks)}{line}</svg>'


def _guidance(result: EnsembleResult, language: str) -> str:
    entries = guidance(result, language)
    if not entries:
        return ""
    title = escape(ui_text("ensemble.guidance", language))
    return f'<div class="as-guidance"><h3>{title}</h3>{_list([entry["message"] for entry in entries])}</div>'


def _downloads(result: EnsembleResult, name: str, language: str) -> str:
    stem = escape(name.rpartition(".")[0] or name)
    body = json.dumps(ensemble_payload(result, language=language), ensure_ascii=False, indent=2)
    # A byte-order mark tells spreadsheets that the file is UTF-8.
    files = (
        ("ensemble.csv", "text/csv", "\ufeff" + ensemble_csv(result)),
        ("ensemble.json", "application/json", body),
    )
    links = "".join(
        f'<a href="data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode()).decode()}" '
        f'download="{stem}-{key}">{escape(ui_text(key, language))}</a>'
        for key, kind, content in files
    )
    return f'<div class="as-tools">{links}</div>'
