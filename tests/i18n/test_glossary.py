"""The glossary of the page: every genre, in both languages."""

from __future__ import annotations

from acousticsense.i18n.page import UI_TEXTS
from acousticsense.models.genres import GENRES


def test_every_genre_has_a_sentence_of_its_own_in_both_languages() -> None:
    for genre in GENRES:
        english, chinese = UI_TEXTS[f"glossary.{genre}"]
        assert "on the image" in english
        assert "图上" in chinese
        assert english.endswith(".")
        assert chinese.endswith("。")
