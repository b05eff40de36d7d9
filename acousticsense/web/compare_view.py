"""Two versions as the page shows them: what moved, in words, bars and figures, and both images."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from acousticsense.analysis.compare import Comparison, comparison_csv, comparison_payload, comparison_sentences
from acousticsense.analysis.figures import level_grid, loudest_db
from acousticsense.i18n.page import ui_text
from acousticsense.library.batch import Upload
from acousticsense.web.downloads import downloads_of, dumped
from acousticsense.web.html import excerpt, number, render
from acousticsense.web.plot_view import plot_of

__all__ = ["comparison_html"]

#: The players of the two versions.
_PLAYERS: Final = (".as-version-a", ".as-version-b")


def comparison_html(comparison: Comparison, files: tuple[Upload, Upload], language: str) -> str:
    """Everything about the two files."""
    return render(
        "compare.html",
        language,
        comparison=comparison,
        moved=comparison_sentences(comparison, language),
        versions=_versions(comparison, (files[0].name, files[1].name), language),
        rows=_genres(comparison),
        sound=_sound(comparison, language),
        shared=_share_a_reference(comparison),
        sources=[f"gradio_api/file={quote(str(file.path))}" for file in files],
        volumes=_volumes(comparison),
        downloads=downloads_of(
            ("compare.csv", "text/csv", "\ufeff" + comparison_csv(comparison)),
            ("compare.json", "application/json", dumped(comparison_payload(comparison, language=language))),
        ),
    )


def _volumes(comparison: Comparison) -> list[float]:
    """Factors, at most 1, that make both versions as loud as the softer one; 1 where loudness is not known."""
    a, b = comparison.sound_a.loudness_lufs, comparison.sound_b.loudness_lufs
    if a is None or b is None:
        return [1.0, 1.0]
    return [10 ** ((min(a, b) - loudness) / 20) for loudness in (a, b)]


def _versions(comparison: Comparison, names: tuple[str, str], language: str) -> list[dict[str, object]]:
    analyses = comparison.a, comparison.b
    reference_db = None
    if _share_a_reference(comparison):
        reference_db = max(loudest_db(analysis.images) for analysis in analyses)
    versions: list[dict[str, object]] = []
    for letter, name, player, analysis in zip("ab", names, _PLAYERS, analyses, strict=True):
        clip = analysis.prediction.clip
        alt = ui_text("spectrogram.alt", language, name=name, range=excerpt(clip, language))
        grid = level_grid(analysis.images, reference_db=reference_db)
        versions.append(
            {
                "title": ui_text(f"version.{letter}", language),
                "name": name,
                "prediction": analysis.prediction,
                "plot": plot_of(grid, clip, alt=alt, player=player),
            }
        )
    return versions


def _share_a_reference(comparison: Comparison) -> bool:
    """Recipes in decibels of their own can't share what is called loudest."""
    return comparison.a.images.front_end.style == "native"


def _genres(comparison: Comparison) -> list[dict[str, object]]:
    """One row per label, those with the highest probability in either version first."""
    before, after = comparison.a.prediction.probabilities, comparison.b.prediction.probabilities
    rows: list[dict[str, object]] = []
    for label in sorted(before, key=lambda label: -max(before[label], after[label])):
        change = after[label] - before[label]
        rows.append(
            {
                "label": label,
                "before": before[label],
                "after": after[label],
                "change": change,
                "moved": abs(change) > comparison.threshold,
                "points": f"{100 * change:+.1f}".replace("-", "−") if abs(change) >= 0.0005 else "0.0",
            }
        )
    return rows


def _sound(comparison: Comparison, language: str) -> list[tuple[str, list[str]]]:
    a, b = comparison.sound_a, comparison.sound_b
    return [
        ("compare.loudness", _measured(a.loudness_lufs, b.loudness_lufs, 1, language)),
        ("compare.brightness", _measured(a.brightness_hz, b.brightness_hz, 0, language)),
    ]


def _measured(a: float | None, b: float | None, decimals: int, language: str) -> list[str]:
    """Both values and their difference."""
    unknown = ui_text("compare.unknown", language)
    shown = [unknown if value is None else number(round(value, decimals)) for value in (a, b)]
    if a is None or b is None:
        return [*shown, unknown]
    difference = round(b - a, decimals)
    return [*shown, ("+" if difference > 0 else "") + number(difference)]
