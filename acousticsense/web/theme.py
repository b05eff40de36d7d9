"""How the page looks: theme, style sheet and scripts, all served from here; only the system's own fonts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gradio as gr

from acousticsense.i18n.page import UI_TEXTS

_HERE: Final = Path(__file__).parent
_FONTS: Final = (
    "ui-sans-serif",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
_MONO: Final = ("ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "monospace")

_SCRIPTS: Final = _HERE / "scripts"
#: Scripts that come before the others, whose order does not matter: `files` sees what is dropped before `player` does.
_FIRST: Final = ("page", "files")
#: The parts of the one that spectrograms are read with, in order.
_SPECTROGRAM: Final = ("levels", "player", "axes", "readout", "plot", "gestures", "main")

FAVICON: Final = _HERE / "favicon.svg"


def build_theme() -> Any:
    """Gradio's plainest theme in our colours; `style.css` defines them for light and dark."""
    theme = gr.themes.Base(font=_FONTS, font_mono=_MONO, radius_size="sm", text_size="md", spacing_size="md")
    surfaces = {
        "body_background_fill": "var(--as-ground)",
        "background_fill_primary": "var(--as-panel)",
        "background_fill_secondary": "var(--as-ground)",
        "block_background_fill": "var(--as-panel)",
        "block_border_color": "var(--as-line)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--as-ink-2)",
        "block_title_text_color": "var(--as-ink-2)",
        "body_text_color": "var(--as-ink)",
        "body_text_color_subdued": "var(--as-ink-2)",
        "border_color_primary": "var(--as-line)",
        "border_color_accent": "var(--as-accent)",
        "color_accent_soft": "var(--as-accent-soft)",
        "button_primary_background_fill": "var(--as-accent)",
        "button_primary_background_fill_hover": "var(--as-accent-strong)",
        "button_primary_border_color": "transparent",
        "button_primary_text_color": "var(--as-on-accent)",
        "button_secondary_background_fill": "var(--as-panel)",
        "button_secondary_border_color": "var(--as-line)",
        "button_secondary_text_color": "var(--as-ink)",
        "checkbox_background_color": "var(--as-panel)",
        "checkbox_background_color_selected": "var(--as-accent)",
        "checkbox_border_color": "var(--as-ink-3)",
        "checkbox_border_color_selected": "var(--as-accent)",
        "input_background_fill": "var(--as-panel)",
        "input_border_color": "var(--as-line)",
        "input_border_color_focus": "var(--as-accent)",
        "slider_color": "var(--as-accent)",
        "link_text_color": "var(--as-accent)",
        "link_text_color_hover": "var(--as-accent-strong)",
        "link_text_color_active": "var(--as-accent)",
        "link_text_color_visited": "var(--as-accent)",
        "loader_color": "var(--as-accent)",
    }
    both = {**surfaces, **{f"{name}_dark": value for name, value in surfaces.items()}}
    return theme.set(color_accent="var(--as-accent)", block_shadow="none", block_shadow_dark="none", **both)


def read_css() -> str:
    """The style sheet."""
    return (_HERE / "style.css").read_text(encoding="utf-8")


def read_head() -> str:
    """What goes into the page's head: its scripts, the style sheet for paper, and the schemes that it knows."""
    others = sorted(path.stem for path in _SCRIPTS.glob("*.js") if path.stem not in _FIRST)
    scripts = [(_SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in (*_FIRST, *others)]
    parts = [(_SCRIPTS / "spectrogram" / f"{name}.js").read_text(encoding="utf-8") for name in _SPECTROGRAM]
    scripts.append(f'(() => {{\n"use strict";\n{"".join(parts)}}})();')
    tags = "".join(f"<script>{script}</script>" for script in scripts)
    paper = (_HERE / "print.css").read_text(encoding="utf-8")
    return f'<meta name="color-scheme" content="light dark"><style media="print">{paper}</style>{tags}'


def build_i18n(blocks_of_html: dict[str, tuple[str, str]]) -> Any:
    """The texts that the browser chooses by its own language: labels, and whole pieces of HTML by key."""
    every = {**UI_TEXTS, **blocks_of_html}
    english = {key: pair[0] for key, pair in every.items()}
    chinese = {key: pair[1] for key, pair in every.items()}
    return gr.I18n(**{"en": english, "zh": chinese, "zh-CN": chinese, "zh-TW": chinese})
