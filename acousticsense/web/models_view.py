"""What is installed, as a list to read: out of each model's own files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.models.catalog import Catalog, CatalogEntry
from acousticsense.models.figures import RecordedTest
from acousticsense.models.spec import ModelSpec
from acousticsense.web.html import number, percent, render
from acousticsense.web.model_names import plain_name


@dataclass(frozen=True)
class Tested:
    """One recorded test, in words: answers right at once, the genre among the best three, the interval."""

    right: str
    top3: str
    interval: str

    @classmethod
    def of(cls, test: RecordedTest, language: str) -> Tested | None:
        """None where one of these was not recorded."""
        if test.right is None or test.n is None or test.top3 is None or test.accuracy_interval is None:
            return None
        low, high = map(percent, test.accuracy_interval)
        return cls(
            right=ui_text("levels.counted", language, right=test.right, n=test.n),
            top3=percent(test.top3),
            interval=ui_text("models.interval", language, low=low, high=high),
        )


def models_html(
    entries: Iterable[CatalogEntry],
    catalog: Catalog,
    default: str,
    times_ms: Mapping[str, float],
    language: str,
) -> str:
    """One row a model, the default one first.

    Args:
        catalog: where their weights lie.
        default: name of the model that answers when none is named.
        times_ms: name -> milliseconds of an answer on this machine, for the models that were measured.
    """
    ordered = sorted(entries, key=lambda entry: (entry.name != default, entry.name))
    rows = [_row(entry, catalog, times_ms.get(entry.name), language) for entry in ordered]
    return render("models.html", language, rows=rows, default=default)


def _row(entry: CatalogEntry, catalog: Catalog, time_ms: float | None, language: str) -> dict[str, Any]:
    if entry.spec is None:
        return {"name": entry.name, "error": str(entry.error)}
    spec = entry.spec
    return {
        "name": entry.name,
        "error": "",
        "title": plain_name(spec, language),
        "music": Tested.of(spec.real_test, language),
        "songs": Tested.of(RecordedTest.of(spec.metrics, "songs_test"), language),
        "genres": _genres(spec.real_test),
        "size": _size(entry, catalog),
        "time": "" if time_ms is None else f"{time_ms:.0f} ms",
        "licence": spec.licence,
        "provenance": spec.provenance,
        "input": _input(spec, language),
        "labels": spec.labels,
    }


def _genres(test: RecordedTest) -> list[tuple[str, str, int]]:
    """Genre, share of its test recordings that were named right, and how many those are; best first."""
    if test.clips is None:
        return []
    best_first = sorted((test.recall or {}).items(), key=lambda entry: -entry[1])
    return [(label, percent(share), test.clips.get(label, 0)) for label, share in best_first]


def _size(entry: CatalogEntry, catalog: Catalog) -> str:
    try:
        return f"{catalog.find(entry.name).weights.stat().st_size / 1e6:.1f} MB"
    except (AcousticSenseError, OSError):
        return ""


def _input(spec: ModelSpec, language: str) -> str:
    """What the network is fed: image, rate, window and normalisation."""
    front_end, windows = spec.front_end, spec.windows
    return ui_text(
        "models.input",
        language,
        kinds=" / ".join(kind.upper() for kind in spec.kinds),
        rate=number(front_end.sample_rate_hz),
        window=number(windows.window_s),
        mean=", ".join(number(value) for value in front_end.mean),
        std=", ".join(number(value) for value in front_end.std),
    )
