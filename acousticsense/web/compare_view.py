"""Versions as the page shows them: what moved, in words, bars and figures, how they sound, and their images."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from acousticsense.analysis.compare import Comparison, Sound, analyses_of
from acousticsense.analysis.compare_payload import comparison_csv, comparison_payload, comparison_sentences
from acousticsense.analysis.figures import level_grid, loudest_db
from acousticsense.analysis.whole_song import NO_GENRE
from acousticsense.i18n.page import ui_text
from acousticsense.library.uploads import Upload
from acousticsense.web.downloads import downloads_of, dumped
from acousticsense.web.html import excerpt, number, render
from acousticsense.web.plot_view import plot_of
from acousticsense.web.result_view import state_of


def comparison_html(
    comparisons: Sequence[Comparison], files: Sequence[Upload], language: str, *, asked: str = "[]"
) -> str:
    """Everything about the files, of which the first is the reference; `asked`: see `html.asked`."""
    sounds = [comparisons[0].sound_a, *(comparison.sound_b for comparison in comparisons)]
    return render(
        "compare.html",
        language,
        asked=asked,
        comparisons=comparisons,
        changes=[(comparison, comparison_sentences(comparison, language)) for comparison in comparisons],
        no_genre=NO_GENRE,
        versions=_versions(comparisons, files, _volumes(sounds), language),
        rows=_genres(comparisons),
        sound=_sound(sounds, language),
        shared=_share_a_reference(comparisons),
        downloads=downloads_of(
            ("compare.csv", "text/csv", "\ufeff" + comparison_csv(*comparisons)),
            ("compare.json", "application/json", dumped(comparison_payload(*comparisons, language=language))),
        ),
    )


def _volumes(sounds: Sequence[Sound]) -> list[float]:
    """Factors, at most 1, that make every version as loud as the softest one; 1 where loudness is not known."""
    levels = [sound.loudness_lufs for sound in sounds]
    softest = min((level for level in levels if level is not None), default=0.0)
    return [1.0 if level is None else 10 ** ((softest - level) / 20) for level in levels]


def _versions(
    comparisons: Sequence[Comparison], files: Sequence[Upload], volumes: Sequence[float], language: str
) -> list[dict[str, object]]:
    analyses = analyses_of(comparisons)
    reference_db = None
    if _share_a_reference(comparisons):
        reference_db = max(loudest_db(analysis.images) for analysis in analyses.values())
    versions: list[dict[str, object]] = []
    for (letter, analysis), file, volume in zip(analyses.items(), files, volumes, strict=True):
        clip, player = analysis.prediction.clip, f"as-version-{letter}"
        alt = ui_text("spectrogram.alt", language, name=file.name, range=excerpt(clip, language))
        grid = level_grid(analysis.images, reference_db=reference_db)
        versions.append(
            {
                "letter": letter.upper(),
                "title": ui_text(f"version.{letter}", language),
                "name": file.name,
                "source": f"gradio_api/file={quote(str(file.path))}",
                "volume": volume,
                "player": player,
                "prediction": analysis.prediction,
                "state": state_of(analysis.prediction.health, analysis.prediction.verdict),
                "plot": plot_of(grid, clip, alt=alt, player=f".{player}"),
            }
        )
    return versions


def _share_a_reference(comparisons: Sequence[Comparison]) -> bool:
    """Recipes in decibels of their own can't share what is called loudest."""
    return comparisons[0].a.images.front_end.style == "native"


def _genres(comparisons: Sequence[Comparison]) -> list[dict[str, object]]:
    """One row per label, those with the highest probability in any version first."""
    before = comparisons[0].a.prediction.probabilities
    rows: list[dict[str, object]] = []
    for label, share in before.items():
        cells = [_cell(comparison, label) for comparison in comparisons]
        rows.append({"label": label, "share": share, "cells": cells})
    return sorted(rows, key=lambda row: -_highest(comparisons, str(row["label"])))


def _highest(comparisons: Sequence[Comparison], label: str) -> float:
    return max(analysis.prediction.probabilities[label] for analysis in analyses_of(comparisons).values())


def _cell(comparison: Comparison, label: str) -> dict[str, object]:
    """What one version says of a label, and how far that is from what the reference says."""
    change = comparison.differences[label]
    return {
        "share": comparison.b.prediction.probabilities[label],
        "change": change,
        "moved": abs(change) > comparison.threshold,
        "points": f"{100 * change:+.1f}".replace("-", "−") if abs(change) >= 0.0005 else "0.0",
    }


def _sound(sounds: Sequence[Sound], language: str) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        ("compare.loudness", _measured([sound.loudness_lufs for sound in sounds], 1, language)),
        ("compare.brightness", _measured([sound.brightness_hz for sound in sounds], 0, language)),
    ]


def _measured(values: Sequence[float | None], decimals: int, language: str) -> list[tuple[str, str]]:
    """(value, difference to the first) of each version; the first has no difference."""
    unknown = ui_text("compare.unknown", language)
    shown = [(unknown if value is None else number(round(value, decimals)), "") for value in values[:1]]
    for value in values[1:]:
        if value is None:
            shown.append((unknown, ""))
            continue
        difference = None if values[0] is None else round(value - values[0], decimals)
        sign = "+" if difference is not None and difference > 0 else ""
        shown.append((number(round(value, decimals)), "" if difference is None else sign + number(difference)))
    return shown
