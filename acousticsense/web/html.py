"""HTML from the templates in `templates/` and plain data; what is put into a template is escaped."""

from __future__ import annotations

import base64
import json
import re
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension

from acousticsense.audio.types import ClipInfo
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.i18n.refusals import refusal
from acousticsense.models.genres import display_name

#: Names of our models' folders -> what the page calls them; every other model goes by its folder.
_MODEL_NAMES: Final = {
    "vit_b_16_mel": "ViT-B/16",
    "vit_ti_16": "ViT-Ti/16",
    "vgg19_bn": "VGG19",
    "resnet50": "ResNet50",
    "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNet-B0",
    "mobilenetv3_large": "MobileNetV3",
    "efficientat_mn04": "EfficientAT",
    "musicnn": "musicnn",
}
_TEMPLATES: Final = Path(__file__).parent / "templates"
#: A line break beside a tag, with the indentation around it.
_BREAK_AT_TAG: Final = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{]|\Z)")
_BREAK: Final = re.compile(r"\s*\n\s*")


def render(template: str, language: str, **data: object) -> str:
    """The HTML of a template. It may use `data`, and in `language` ("en" or "zh"):

    `t(key, **values)` and `message(key, **values)` for sentences of the page and of results, `refusal(words)` for those
    of errors, `genre(label)`, `excerpt(clip)`, and the filters percent, clock, number, stem, shown_name and data_uri.

    Raises:
        jinja2.UndefinedError: the template uses a name that `data` does not have.
    """
    return _environment(language).get_template(template).render(**data)


def both_languages(template: str, **data: object) -> tuple[str, str]:
    """`render` in English and in Chinese."""
    return render(template, "en", **data), render(template, "zh", **data)


def asked(*values: object) -> str:
    """The values of a tab's controls as its answer carries them, for the page's script that marks old answers.

    Args:
        values: in the order of the controls; files by what Gradio tells of them.
    """
    return json.dumps(values, default=lambda file: {"path": file.path}, ensure_ascii=False)


def percent(probability: float) -> str:
    """A probability in 0..1 as people read it: "71.3%"; what would round to nothing is "<0.1%"."""
    return "<0.1%" if 0 < probability < 0.0005 else f"{100 * probability:.1f}%"


def clock(seconds: float) -> str:
    """A moment in a track: "0:08", "0:08.5", "3:05", "1:02:03"; tenths only within the first minute."""
    tenths = round(10 * seconds) if seconds < 60 else 10 * round(seconds)
    whole, tenth = divmod(tenths, 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    shown = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{shown}.{tenth}" if tenth else shown


def number(value: float) -> str:
    """A figure with thin groups of thousands and no needless decimals: "44 100", "0.5", "-13.8", "1e-06"."""
    if value and abs(value) < 0.01:
        return f"{value:g}"
    rounded = round(value, 2)
    shown = f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.2f}".rstrip("0")
    return shown.replace(",", "\u202f").replace("-", "\u2212")


def shown_name(model: str) -> str:
    """What people call a model that is installed as `model`."""
    return _MODEL_NAMES.get(model, model)


def excerpt(clip: ClipInfo, language: str) -> str:
    """Which part of the track was analysed."""
    start, end = clock(clip.offset_s), clock(clip.offset_s + clip.duration_s)
    if clip.track_duration_s is None:
        return ui_text("result.range", language, start=start, end=end)
    return ui_text("result.range_of", language, start=start, end=end, total=clock(clip.track_duration_s))


def run_on(language: str, *sentences: str) -> str:
    """Sentences one after the other; Chinese has no space between them."""
    return (" " if language == "en" else "").join(filter(None, sentences))


def stem(name: str) -> str:
    """A file's name without its suffix."""
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


class _WithoutBreaks(Extension):
    """Line breaks and indentation are for those who read a template: beside a tag they are dropped, else a space."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return _BREAK.sub(" ", _BREAK_AT_TAG.sub("", source))


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, extensions=[_WithoutBreaks]
    )
    for make in (percent, clock, number, stem, shown_name, data_uri):
        environment.filters[make.__name__] = make
    named: dict[str, Any] = {
        "t": lambda key, **values: ui_text(key, language, **values),
        "message": lambda key, **values: text(key, language, **values),
        "refusal": lambda words: refusal(words, language),
        "genre": lambda label: display_name(label, language),
        "excerpt": partial(excerpt, language=language),
    }
    environment.globals.update(named)
    return environment


def data_uri(png: bytes) -> str:
    """A PNG as an address that needs no request."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
