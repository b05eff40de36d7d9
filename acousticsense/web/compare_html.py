"""Two versions as the page shows them: what moved, in words, bars and figures, and both images."""

from __future__ import annotations

from acousticsense.analysis.compare import Comparison, comparison_sentences
from acousticsense.analysis.figures import level_grid, loudest_db
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.inference.classifier import Analysis
from acousticsense.models.genres import display_name
from acousticsense.web.html import escape, number, percent
from acousticsense.web.plot_html import plot_html
from acousticsense.web.result_html import range_text, trouble_html

__all__ = ["PLAYERS", "comparison_html", "empty_comparison_html", "failed_comparison_html"]

#: The players of the two versions.
PLAYERS = (".as-version-a", ".as-version-b")


def comparison_html(comparison: Comparison, names: tuple[str, str], language: str) -> str:
    """Everything about the two files called `names`."""
    sentences = "".join(f"<li>{escape(words)}</li>" for words in comparison_sentences(comparison, language))
    return (
        '<section class="as-card as-compared" data-state="ready" aria-live="polite">'
        f"<h3>{escape(ui_text('compare.title', language))}</h3>"
        f'<ul class="as-moved" data-testid="moved">{sentences}</ul>'
        f"{_versions(comparison, names, language)}{_genres(comparison, language)}{_sound(comparison, language)}"
        f"</section>{_images(comparison, names, language)}"
    )


def empty_comparison_html(language: str) -> str:
    """The card before two versions were compared."""
    return (
        '<section class="as-card as-compared" data-state="empty">'
        f'<p class="as-lead">{escape(ui_text("compare.intro", language))}</p></section>'
    )


def failed_comparison_html(error: AcousticSenseError | None, language: str, *, code: str = "") -> str:
    """What went wrong and what to do; `code` names the words when there is no error."""
    trouble = trouble_html(error, language, code=code)
    return f'<section class="as-card as-compared" data-state="error">{trouble}</section>'


def _versions(comparison: Comparison, names: tuple[str, str], language: str) -> str:
    shown = zip("ab", names, (comparison.a, comparison.b), strict=True)
    return f'<div class="as-versions">{"".join(_version(*version, language) for version in shown)}</div>'


def _version(letter: str, name: str, analysis: Analysis, language: str) -> str:
    prediction = analysis.prediction
    best = prediction.top(1)[0]
    return (
        f'<div><p class="as-file"><b>{escape(ui_text(f"version.{letter}", language))}</b> {escape(name)} '
        f"<span>{escape(range_text(prediction.clip, language))}</span></p>"
        f'<p class="as-winner">{escape(display_name(best.label, language))} '
        f"<span>{escape(percent(best.confidence))}</span> "
        f"<small>{escape(text(f'verdict.{prediction.verdict}', language))}</small></p></div>"
    )


def _genres(comparison: Comparison, language: str) -> str:
    before, after = comparison.a.prediction.probabilities, comparison.b.prediction.probabilities
    ranked = sorted(before, key=lambda label: -max(before[label], after[label]))
    rows = "".join(_row(label, before[label], after[label], comparison.threshold, language) for label in ranked)
    noise = ui_text("compare.noise", language, noise=100 * comparison.noise, threshold=100 * comparison.threshold)
    return (
        f'<table class="as-changes"><thead><tr><th scope="col">{escape(ui_text("compare.genres", language))}</th>'
        f'<th scope="col">A</th><th scope="col">B</th><th></th>'
        f'<th scope="col">{escape(ui_text("compare.change", language))}</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="as-hint">{escape(noise)}</p>'
    )


def _row(label: str, before: float, after: float, threshold: float, language: str) -> str:
    """One label: both probabilities, and a bar from the middle whose half is 100 points."""
    change = after - before
    direction = "up" if change > 0 else "down"
    shown = f"{100 * change:+.1f}".replace("-", "−") if abs(change) >= 0.0005 else "0.0"
    return (
        f'<tr data-label="{escape(label)}" data-moved="{str(abs(change) > threshold).lower()}">'
        f'<th scope="row">{escape(display_name(label, language))}</th>'
        f"<td>{escape(percent(before))}</td><td>{escape(percent(after))}</td>"
        f'<td class="as-change" data-direction="{direction}" style="--share:{abs(change):.4f}" aria-hidden="true">'
        f"<i></i></td><td>{shown}</td></tr>"
    )


def _sound(comparison: Comparison, language: str) -> str:
    a, b = comparison.sound_a, comparison.sound_b
    rows = "".join(
        _sound_row(key, before, after, decimals, language)
        for key, before, after, decimals in (
            ("compare.loudness", a.loudness_lufs, b.loudness_lufs, 1),
            ("compare.brightness", a.brightness_hz, b.brightness_hz, 0),
        )
    )
    return (
        f'<table class="as-changes as-sound"><thead><tr><th scope="col">{escape(ui_text("compare.sound", language))}'
        f'</th><th scope="col">A</th><th scope="col">B</th><th scope="col">B − A</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _sound_row(key: str, a: float | None, b: float | None, decimals: int, language: str) -> str:
    unknown = ui_text("compare.unknown", language)
    shown = [unknown if value is None else number(round(value, decimals)) for value in (a, b)]
    change = unknown
    if a is not None and b is not None:
        difference = round(b - a, decimals)
        change = ("+" if difference > 0 else "") + number(difference)
    cells = "".join(f"<td>{escape(value)}</td>" for value in (*shown, change))
    return f'<tr data-measure="{key}"><th scope="row">{escape(ui_text(key, language))}</th>{cells}</tr>'


def _images(comparison: Comparison, names: tuple[str, str], language: str) -> str:
    """Both spectrograms; recipes in decibels of their own can't share what is called loudest."""
    images = comparison.a.images, comparison.b.images
    shared = images[0].front_end.style == "native"
    reference_db = max(loudest_db(clip) for clip in images) if shared else None
    figures = []
    for letter, name, player, analysis in zip("ab", names, PLAYERS, (comparison.a, comparison.b), strict=True):
        clip = analysis.prediction.clip
        alt = ui_text("spectrogram.alt", language, name=name, range=range_text(clip, language))
        grid = level_grid(analysis.images, reference_db=reference_db)
        figures.append(
            f'<figure class="as-spectrogram"><figcaption><h3>{escape(ui_text(f"version.{letter}", language))}</h3>'
            f"</figcaption>{plot_html(grid, clip, alt=alt, player=player, language=language)}</figure>"
        )
    caption = ui_text("compare.images" if shared else "compare.images_own", language)
    return (
        f'<section class="as-card as-pair"><div>{"".join(figures)}</div>'
        f'<p class="as-hint">{escape(caption)}</p></section>'
    )
