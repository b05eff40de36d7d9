"""The answer of an ensemble as the page shows it: consensus, table, a plot of every member, and the files to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.analysis.ensemble_table import ensemble_csv
from acousticsense.analysis.ensemble_words import guidance, member_name, sentences
from acousticsense.analysis.results import Consensus, EnsembleResult, Member
from acousticsense.analysis.whole_song import NO_GENRE
from acousticsense.i18n.page import ui_text
from acousticsense.inference.model_cache import LoadedModel
from acousticsense.inference.payload import advice_text
from acousticsense.inference.prediction import GenreScore
from acousticsense.web.downloads import downloads_of, dumped
from acousticsense.web.html import percent, render, shown_name
from acousticsense.web.result_view import state_of

#: Genres in the plot: the rest are noise near zero.
_PLOTTED: Final = 8


def ensemble_html(result: EnsembleResult, name: str, language: str, *, asked: str = "[]") -> str:
    """The answer for the file called `name`; `asked`: see `html.asked`."""
    consensus = result.consensus
    advice = consensus.advice if consensus else ()
    state = state_of(result.health, consensus.verdict) if consensus else "error"
    return render(
        "ensemble.html",
        language,
        asked=asked,
        result=result,
        name=name,
        state=state,
        has_genre=state not in NO_GENRE,
        consensus=consensus,
        best=consensus.top(1)[0] if consensus else None,
        said=sentences(result, language, called=_plain),
        advice=[advice_text(piece, language) for piece in advice if piece.code != "unmeasured"],
        plotted=_plotted(result, consensus) if consensus else [],
        guidance=[entry["message"] for entry in guidance(result, language, called=_plain)],
        downloads=downloads_of(
            # A byte-order mark tells spreadsheets that the file is UTF-8.
            ("ensemble.csv", "text/csv", "\ufeff" + ensemble_csv(result)),
            ("ensemble.json", "application/json", dumped(ensemble_payload(result, language=language))),
        ),
    )


def progress_html(states: Mapping[str, str], total: int, language: str) -> str:
    """What each model has come to; `states` maps its name to "loading", "analysing", "done" or "failed"."""
    done = sum(state in ("done", "failed") for state in states.values())
    return render("ensemble_progress.html", language, states=states, done=done, total=total)


def memory_html(loaded: Sequence[LoadedModel], language: str) -> str:
    """How many models are in memory, and what they take."""
    megabytes = sum(model.size_bytes for model in loaded) / 1e6
    words = ui_text("ensemble.in_memory", language, n=len(loaded), megabytes=f"{megabytes:.0f}")
    return render("note.html", language, kind="as-memory", words=words)


def _plain(member: Member) -> str:
    """What people call a member: "ViT-B/16 · mel"."""
    return member_name(replace(member, name=shown_name(member.name)))


def _plotted(result: EnsembleResult, consensus: Consensus) -> list[tuple[GenreScore, list[tuple[str, float, str]]]]:
    """The likeliest genres of the answer, each with a mark per member: kind of image, probability, words."""
    members = [result.members[index] for index in consensus.members]
    rows = []
    for score in consensus.top(_PLOTTED):
        shares = [member.prediction.probabilities[score.label] if member.prediction else 0.0 for member in members]
        marks = [
            (member.spectrogram, share, f"{_plain(member)}: {percent(share)}")
            for member, share in zip(members, shares, strict=True)
        ]
        rows.append((score, marks))
    return rows
