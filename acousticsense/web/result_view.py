"""The answer as the page shows it: verdict, Top-5, all probabilities, notes, and which model said so."""

from __future__ import annotations

from collections.abc import Sequence

from acousticsense.analysis.whole_song import NO_GENRE
from acousticsense.audio.types import HealthReport
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.inference.payload import advice_text, health_text
from acousticsense.inference.prediction import Prediction, Verdict
from acousticsense.models.genres import display_name
from acousticsense.web.html import excerpt, percent, render
from acousticsense.web.kept_answer import Asked, KeptAnswer, kept_json
from acousticsense.web.message_view import trouble_of


def result_html(
    prediction: Prediction, name: str, language: str, *, asked: Asked | None = None, recalled: str = ""
) -> str:
    """The answer for the file called `name`.

    Args:
        asked: the controls when it was asked for; without them no browser keeps the answer.
        recalled: names an answer that a browser kept.
    """
    lead, *advice = [advice_text(advice, language) for advice in prediction.advice] or [""]
    ranked = prediction.top(len(prediction.probabilities))
    state = state_of(prediction.health, prediction.verdict)
    has_genre = state not in NO_GENRE
    said = _line(prediction, language) if has_genre else ui_text(f"result.{state}", language)
    return render(
        "result.html",
        language,
        prediction=prediction,
        name=name,
        kept=kept_json(KeptAnswer(name=name, asked=asked, prediction=prediction)) if asked else "",
        recalled=recalled,
        line=ui_text("share.line", language, song=name, range=excerpt(prediction.clip, language), said=said),
        state=state,
        has_genre=has_genre,
        best=ranked[0],
        labels=[score.label for score in ranked],
        lead=ui_text("result.no_genre", language) if not has_genre else lead,
        advice=advice if has_genre else [],
        notes=[(note.severity, health_text(note, language)) for note in prediction.health.notes],
    )


def _line(prediction: Prediction, language: str) -> str:
    """Genre, level and Top-5 in one line."""
    best, *_ = top = prediction.top(5)
    return ui_text(
        "share.genre",
        language,
        genre=display_name(best.label, language),
        percent=percent(best.confidence),
        level=text(f"verdict.{prediction.verdict}", language),
        top=ui_text("share.comma", language).join(
            f"{display_name(score.label, language)} {percent(score.confidence)}" for score in top
        ),
    )


def state_of(health: HealthReport, verdict: Verdict) -> str:
    """The verdict of an answer, or "silence"; see `NO_GENRE`."""
    return "silence" if any(note.code == "silence" for note in health.notes) else verdict


def blank_html(
    labels: Sequence[str],
    language: str,
    *,
    error: AcousticSenseError | None = None,
    code: str = "",
    opens: bool = False,
    progress: tuple[str, float] | None = None,
    is_stopped: bool = False,
) -> str:
    """The same card without an answer, of the same size: the invitation, how far it is, or what went wrong.

    Args:
        labels: of the bars, which stay in place.
        code: names the words of a trouble that is no error.
        opens: whether the trouble is offered a way out: the song in the tab "Timeline".
        progress: how far an answer is, in words and as a share.
        is_stopped: whether somebody gave it up.
    """
    trouble = trouble_of(error, language, code=code)
    return render(
        "result_blank.html",
        language,
        labels=labels,
        trouble=trouble,
        opens=opens,
        progress=progress and {"words": progress[0], "share": progress[1]},
        is_stopped=is_stopped,
        state="error" if trouble else "running" if progress else "empty",
        has_genre=True,
    )


def identity_html(prediction: Prediction, language: str) -> str:
    """Which weights answered, and how long each stage took."""
    return render("identity.html", language, model=prediction.model, timing=prediction.timing_ms)
