"""A card without an answer: an invitation, or what went wrong and what to do, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import UI_TEXTS, ui_text
from acousticsense.i18n.refusals import refusal
from acousticsense.web.html import render


@dataclass(frozen=True)
class Trouble:
    """A heading, what to do, and the error's own words where there are any."""

    title: str
    hint: str
    detail: str = ""


def message_html(
    card: str,
    language: str,
    error: AcousticSenseError | None = None,
    *,
    code: str = "",
    key: str = "empty",
) -> str:
    """The card of a tab without an answer.

    Args:
        card: "ensemble", "timeline", "compare", "library" or "similar".
        code: names the words of a trouble that is no error.
        key: names the words where there is no trouble: CARD.KEY and CARD.KEY.body.
    """
    return render(
        "message.html",
        language,
        card=f"as-{card}",
        trouble=trouble_of(error, language, code=code),
        title=ui_text(f"{card}.{key}", language),
        body=ui_text(f"{card}.{key}.body", language),
    )


def trouble_of(error: AcousticSenseError | None, language: str, *, code: str = "") -> Trouble | None:
    """The words for `error`, or for a `code` that no error stands behind; None where there is neither."""
    if error is None and not code:
        return None
    code = _known_code(error) if error else code
    hint = ui_text(f"error.{code}.hint", language) if f"error.{code}.hint" in UI_TEXTS else ""
    if error is None:
        return Trouble(ui_text(f"error.{code}", language), hint)
    detail = refusal(error.message, language)
    return Trouble(ui_text(f"error.{code}", language), refusal(error.hint, language) or hint, detail)


def sentence_of(error: AcousticSenseError, language: str) -> str:
    """What was wrong and what to do, on one line, as `str(error)` in English."""
    trouble = trouble_of(error, language)
    return str(error) if trouble is None or language == "en" else (trouble.detail or trouble.title) + trouble.hint


def _known_code(error: AcousticSenseError) -> str:
    """The code of the error or of its nearest ancestor that has words of its own."""
    codes = (getattr(cls, "code", "error") for cls in type(error).__mro__)
    return next((code for code in codes if f"error.{code}" in UI_TEXTS), "error")
