"""The glossary of the page: every genre, in both languages."""

from __future__ import annotations

from acousticsense.i18n.glossary import GLOSSARY
from acousticsense.models.genres import GENRES


def test_every_genre_has_a_sentence_of_its_own_in_both_languages() -> None:
    assert tuple(GLOSSARY) == GENRES
    for english, chinese in GLOSSARY.values():
        assert "on the image" in english
        assert "图上" in chinese
        assert english.endswith(".")
        assert chinese.endswith("。")
