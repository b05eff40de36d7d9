"""The answer as the page shows it: verdict, Top-5, all probabilities, notes, and which model said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from acousticsense.audio import ClipInfo, HealthReport
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import UI_TEXTS, ui_text
from acousticsense.inference.payload import advice_text, health_text
from acousticsense.inference.prediction import GenreScore, Prediction
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock, escape, percent

__all__ = ["empty_html", "error_html", "identity_html", "range_text", "result_html", "trouble_html"]

_TOP: Final = 5


def result_html(prediction: Prediction, name: str, language: str) -> str:
    """The answer for the file called `name`."""
    return _card(
        _answer(prediction, name, language),
        _top(prediction.top(_TOP), language),
        _bars(prediction.probabilities, language),
        _health(prediction.health, language),
        n_labels=len(prediction.probabilities),
        state=prediction.verdict,
        language=language,
    )


def empty_html(labels: Sequence[str], language: str) -> str:
    """The same card before there is an answer, of the same size, so that nothing jumps when one comes."""
    head = (
        f'<div class="as-answer"><h2 class="as-best">{escape(ui_text("empty.title", language))}</h2>'
        f'<p class="as-lead">{escape(ui_text("empty.body", language))}</p></div>'
    )
    return _blank_card(head, labels, language, state="empty")


def error_html(error: AcousticSenseError | None, labels: Sequence[str], language: str, *, code: str = "") -> str:
    """What went wrong and what to do, in the reader's language; the error's own words give the detail.

    Args:
        error: what was raised; None for a trouble that only has a code.
        labels: of the bars, which stay in place.
        language: "en" or "zh".
        code: names the texts, when there is no error.
    """
    return _blank_card(trouble_html(error, language, code=code), labels, language, state="error")


def trouble_html(error: AcousticSenseError | None, language: str, *, code: str = "") -> str:
    """The words of `error_html`, for any card."""
    code = _known_code(error) if error else code
    hint = ui_text(f"error.{code}.hint", language) if f"error.{code}.hint" in UI_TEXTS else ""
    detail = ""
    if error:
        hint = error.hint if language == "en" and error.hint else hint or error.hint
        detail = f'<p class="as-detail">{escape(error.message)}</p>'
    return (
        f'<div class="as-answer" role="alert"><h2 class="as-best">{escape(ui_text(f"error.{code}", language))}</h2>'
        f'<p class="as-lead">{escape(hint)}</p>{detail}</div>'
    )


def _known_code(error: AcousticSenseError) -> str:
    """The code of the error or of its nearest ancestor that has words of its own."""
    codes = (getattr(cls, "code", "error") for cls in type(error).__mro__)
    return next((code for code in codes if f"error.{code}" in UI_TEXTS), "error")


def range_text(clip: ClipInfo, language: str) -> str:
    """Which excerpt of the track was analysed."""
    start, end = clock(clip.offset_s), clock(clip.offset_s + clip.duration_s)
    if clip.track_duration_s is None:
        return ui_text("result.range", language, start=start, end=end)
    return ui_text("result.range_of", language, start=start, end=end, total=clock(clip.track_duration_s))


def identity_html(prediction: Prediction, language: str) -> str:
    """Which weights answered, and how long each stage took."""
    model, timing = prediction.model, prediction.timing_ms
    digest = model.weights_sha256
    shown = (
        ui_text("identity.hash", language, hash=digest[:12]) if digest else ui_text("identity.hash_unknown", language)
    )
    times = ui_text(
        "identity.timing",
        language,
        decode=f"{timing.decode:.0f}",
        spectrogram=f"{timing.spectrogram:.0f}",
        network=f"{timing.network:.0f}",
    )
    return (
        f'<p class="as-identity"><span>{escape(ui_text("identity", language))} <b>{escape(model.name)}</b></span>'
        f"<span>{escape(model.architecture)}, {escape(model.backend)}</span>"
        f'<span title="{escape(digest)}"><code>{escape(shown)}</code></span><span>{escape(times)}</span></p>'
    )


def _answer(prediction: Prediction, name: str, language: str) -> str:
    verdict = text(f"verdict.{prediction.verdict}", language)
    best = prediction.top(1)[0]
    label, share = display_name(best.label, language), percent(best.confidence)
    if prediction.verdict == "not_music":
        closest = ui_text("result.closest", language, label=label, percent=share)
        heading = f'<h2 class="as-best">{escape(verdict)}</h2><p class="as-closest">{escape(closest)}</p>'
    else:
        heading = (
            f'<h2 class="as-best">{escape(label)} <span class="as-share">{escape(share)}</span></h2>'
            f'<p class="as-verdict">{escape(verdict)}</p>'
        )
    first, *rest = [advice_text(advice, language) for advice in prediction.advice] or [""]
    advice = "".join(f"<li>{escape(sentence)}</li>" for sentence in rest)
    return (
        f'<div class="as-answer"><p class="as-file"><b>{escape(name)}</b> '
        f"<span>{escape(range_text(prediction.clip, language))}</span></p>"
        f'{heading}<p class="as-lead">{escape(first)}</p><ul class="as-advice">{advice}</ul></div>'
    )


def _top(scores: Sequence[GenreScore], language: str) -> str:
    rows = "".join(
        f'<li><span class="as-label">{escape(display_name(score.label, language))}</span>'
        f'<span class="as-value">{escape(percent(score.confidence))}</span></li>'
        for score in scores
    )
    return f'<ol class="as-top" data-testid="top">{rows}</ol>'


def _bars(probabilities: Mapping[str, float], language: str) -> str:
    """One row per label, in the model's order; `--rank` lets the style sheet sort them without the server."""
    ranked = sorted(probabilities, key=lambda label: -probabilities[label])
    rows = "".join(
        _bar(display_name(label, language), probabilities[label], ranked.index(label)) for label in probabilities
    )
    return f'<ul class="as-bars" data-testid="bars">{rows}</ul>'


def _bar(label: str, probability: float, rank: int) -> str:
    return (
        f'<li class="as-bar" data-rank="{rank}" style="--share:{probability:.4f};--rank:{rank}">'
        f'<span class="as-label">{escape(label)}</span><span class="as-track" aria-hidden="true"><i></i></span>'
        f'<span class="as-value">{escape(percent(probability))}</span></li>'
    )


def _health(report: HealthReport, language: str) -> str:
    if not report.notes:
        return ""
    rows = "".join(
        f'<li data-severity="{note.severity}"><b>{escape(ui_text(f"severity.{note.severity}", language))}</b> '
        f"<span>{escape(health_text(note, language))}</span></li>"
        for note in report.notes
    )
    return f'<div class="as-health"><h3>{escape(ui_text("health.title", language))}</h3><ul>{rows}</ul></div>'


def _blank_card(head: str, labels: Sequence[str], language: str, *, state: str) -> str:
    blank = '<li><span class="as-label">&ndash;</span><span class="as-value"></span></li>'
    bars = "".join(
        f'<li class="as-bar" style="--share:0;--rank:{rank}"><span class="as-label">'
        f'{escape(display_name(label, language))}</span><span class="as-track" aria-hidden="true"><i></i></span>'
        f'<span class="as-value"></span></li>'
        for rank, label in enumerate(labels)
    )
    return _card(
        head,
        f'<ol class="as-top" aria-hidden="true">{blank * _TOP}</ol>',
        f'<ul class="as-bars">{bars}</ul>',
        "",
        n_labels=len(labels),
        state=state,
        language=language,
    )


def _card(head: str, top: str, bars: str, health: str, *, n_labels: int, state: str, language: str) -> str:
    return (
        f'<section class="as-card as-result" data-state="{state}" aria-live="polite">{head}'
        f'<div class="as-numbers"><div><h3>{escape(ui_text("top.title", language))}</h3>{top}{health}</div>'
        f'<div><div class="as-bars-head"><h3>{escape(ui_text("bars.title", language, n=n_labels))}</h3>'
        f"{_order_button(language)}</div>{bars}</div></div></section>"
    )


def _order_button(language: str) -> str:
    """Says what a click does; the page's script keeps the choice, so that it outlives the answer."""
    return (
        '<button type="button" class="as-order" data-as-order>'
        f"<span>{escape(ui_text('bars.by_probability', language))}</span>"
        f"<span>{escape(ui_text('bars.by_name', language))}</span></button>"
    )
