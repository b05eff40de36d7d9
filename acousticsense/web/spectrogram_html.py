"""The spectrogram card of the page: the image to read, other views of the same clip, and the images to keep."""

from __future__ import annotations

from acousticsense.analysis.figures import input_png, level_grid
from acousticsense.audio import ClipInfo
from acousticsense.i18n.page import ui_text
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.spectrogram.images import SpectrogramImages
from acousticsense.web.html import data_uri, escape
from acousticsense.web.plot_html import plot_html
from acousticsense.web.result_html import range_text

__all__ = ["SONG_PLAYER", "empty_spectrogram_html", "event_data", "input_download", "spectrogram_html", "stem"]

#: The player of the first tab.
SONG_PLAYER = ".as-song"
_ZOOMS = (("out", "−"), ("in", "+"), ("reset", "1:1"))


def spectrogram_html(
    clip: ClipInfo, images: SpectrogramImages, spec: ModelSpec, *, model: str, image_id: str, name: str, language: str
) -> str:
    """The card.

    Args:
        clip: which excerpt is shown.
        images: of it, of any kind.
        spec: of the model that analysed the clip, maybe by a image of another kind.
        model: the name by which a request asks for that model; "" is the default.
        image_id: names the PNG that can be downloaded.
        name: of the file.
        language: "en" or "zh".
    """
    kind = images.front_end.kind
    shown_range = range_text(clip, language)
    alt = ui_text("spectrogram.alt", language, name=name, range=shown_range)
    return (
        f'<figure class="as-card as-spectrogram" data-state="ready" {event_data(clip, model, name)}><figcaption>'
        f"<div><h3>{escape(ui_text('spectrogram.title', language))}</h3>"
        f"<p>{escape(_caption(images, spec, language))}</p></div>"
        f'<div class="as-tools">{_views(kind, spec, language)}{_zooms(language)}'
        f'<button type="button" data-as-enlarge data-close="{escape(ui_text("spectrogram.close", language))}">'
        f"{escape(ui_text('spectrogram.enlarge', language))}</button>"
        f'<a href="api/spectrograms/{escape(image_id)}.png" download="{escape(stem(name))}-{kind}-spectrogram.png">'
        f"{escape(ui_text('spectrogram.download', language))}</a>"
        f"{input_download(images, 0, name, language) if _is_fed(images, spec) else ''}</div></figcaption>"
        f"{plot_html(level_grid(images), clip, alt=alt, player=SONG_PLAYER, language=language)}"
        f'<p class="as-hint">{escape(ui_text("spectrogram.hint", language))}</p></figure>'
    )


def empty_spectrogram_html(language: str) -> str:
    """The same space before there is a spectrogram."""
    return (
        '<figure class="as-card as-spectrogram" data-state="empty"><figcaption>'
        f"<div><h3>{escape(ui_text('spectrogram.title', language))}</h3>"
        f"<p>{escape(ui_text('spectrogram.empty', language))}</p></div></figcaption>"
        '<div class="as-plot"><div class="as-blank"></div></div></figure>'
    )


def input_download(images: SpectrogramImages, index: int, name: str, language: str) -> str:
    """A link that saves window `index` exactly as the network gets it."""
    size = images.front_end.image_size
    file = f"{stem(name)}-{images.front_end.kind}-input-{index + 1}.png"
    return (
        f'<a href="{data_uri(input_png(images, index))}" download="{escape(file)}">'
        f"{escape(ui_text('spectrogram.input', language, size=size))}</a>"
    )


def event_data(clip: ClipInfo, model: str, name: str) -> str:
    """What a handler needs to show the same excerpt in another way, whatever the controls say by then."""
    values = {"offset": clip.offset_s, "duration": clip.duration_s, "model": model, "name": name}
    return " ".join(f'data-{key}="{escape(str(value))}"' for key, value in values.items())


def _is_fed(images: SpectrogramImages, spec: ModelSpec) -> bool:
    """Whether the model predicts images made by this recipe."""
    return images.front_end in (spec.front_end, *(other.front_end for other in spec.alternatives))


def _caption(images: SpectrogramImages, spec: ModelSpec, language: str) -> str:
    key = "spectrogram.caption_chroma" if images.front_end.kind == "chroma" else "spectrogram.caption"
    if _is_fed(images, spec):
        return ui_text(key, language)
    other = ui_text("spectrogram.only_to_look", language, kind=ui_text(f"kind.{spec.front_end.kind}", language))
    return ui_text(key, language) + (" " if language == "en" else "") + other


def _views(shown: SpectrogramKind, spec: ModelSpec, language: str) -> str:
    """One button per kind of image; the page's handler answers a press with the card of that kind."""
    kinds = dict.fromkeys(("mel", "cqt", spec.front_end.kind))
    buttons = "".join(
        f'<button type="button" data-as-kind="{kind}" aria-pressed="{str(kind == shown).lower()}">'
        f"{escape(ui_text(f'kind.{kind}', language))}</button>"
        for kind in kinds
    )
    return (
        f'<span class="as-group" role="group" aria-label="{escape(ui_text("kind.title", language))}">{buttons}</span>'
    )


def _zooms(language: str) -> str:
    buttons = "".join(
        f'<button type="button" data-as-zoom="{name}" aria-label="{escape(ui_text(f"zoom.{name}", language))}" '
        f'title="{escape(ui_text(f"zoom.{name}", language))}">{sign}</button>'
        for name, sign in _ZOOMS
    )
    return f'<span class="as-group" role="group">{buttons}</span>'


def stem(name: str) -> str:
    """A file's name without its suffix."""
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name
