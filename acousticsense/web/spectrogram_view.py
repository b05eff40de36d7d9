"""The spectrogram card of the page: the image to read, other views of the same clip, and the images to keep."""

from __future__ import annotations

from acousticsense.analysis.figures import level_grid
from acousticsense.audio.types import ClipInfo
from acousticsense.i18n.page import ui_text
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.windows import SpectrogramImages
from acousticsense.web.html import excerpt, render, run_on
from acousticsense.web.plot_view import input_image, plot_of

#: The player of the first tab.
SONG_PLAYER = ".as-song"


def spectrogram_html(
    clip: ClipInfo, images: SpectrogramImages, spec: ModelSpec, *, model: str, image_id: str, name: str, language: str
) -> str:
    """The card.

    Args:
        spec: of the model that analysed the clip, maybe by an image of another kind.
        model: the name by which a request asks for that model; "" is the default.
        image_id: names the PNG that can be downloaded.
    """
    alt = ui_text("spectrogram.alt", language, name=name, range=excerpt(clip, language))
    return render(
        "spectrogram.html",
        language,
        clip=clip,
        model=model,
        name=name,
        image_id=image_id,
        kind=images.front_end.kind,
        kinds=dict.fromkeys(("mel", "cqt", spec.front_end.kind)),
        caption=_caption(images, spec, language),
        plot=plot_of(level_grid(images), clip, alt=alt, player=SONG_PLAYER),
        input=input_image(images, 0, name) if _is_input(images, spec) and images.front_end.reads_images else None,
    )


def _is_input(images: SpectrogramImages, spec: ModelSpec) -> bool:
    """Whether the model takes images made by this recipe."""
    return images.front_end in (spec.front_end, *(other.front_end for other in spec.alternatives))


def _caption(images: SpectrogramImages, spec: ModelSpec, language: str) -> str:
    axes = ui_text(
        "spectrogram.caption_chroma" if images.front_end.kind == "chroma" else "spectrogram.caption", language
    )
    if _is_input(images, spec):
        return axes
    kind = ui_text(f"kind.{spec.front_end.kind}", language)
    return run_on(language, axes, ui_text("spectrogram.only_to_look", language, kind=kind))
