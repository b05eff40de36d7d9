"""Every sentence of the page and of results exists in both languages, fits in both, and keeps to our words."""

from __future__ import annotations

import re
import string

import pytest

from acousticsense.i18n.messages import TEXTS
from acousticsense.i18n.page import UI_TEXTS

ALL = {**TEXTS, **UI_TEXTS}
#: Characters that Simplified Chinese writes otherwise, out of words that music, models and errors need.
TRADITIONAL = set(
    "樂風聲頻譜圖時間軸網絡機學習這個們為與從來對開關閉點擊選擇檔記錄錯誤讀寫無還過進運輸歸類識別顯擴張鏈權視處國樣號單雙環電腦"
)
ENGLISH_WORDS = re.compile(r"\b(picture|voice|judge\w*|judging|seat|colleague|lesson|stretch|BatchPredictor)\b", re.I)


def test_a_key_means_one_sentence() -> None:
    assert TEXTS.keys() & UI_TEXTS.keys() == set()


@pytest.mark.parametrize("key", sorted(ALL))
def test_both_languages_are_there_and_use_the_same_marks(key: str) -> None:
    marks = [{name for _, name, _, _ in string.Formatter().parse(words) if name} for words in ALL[key]]
    assert all(ALL[key])
    assert marks[0] == marks[1]


@pytest.mark.parametrize("key", sorted(ALL))
def test_chinese_is_simplified_and_punctuated_as_chinese(key: str) -> None:
    chinese = ALL[key][1]
    assert not TRADITIONAL & set(chinese)
    assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[,;?!][\u4e00-\u9fff]", chinese)


def test_words_are_those_of_the_field() -> None:
    assert {key for key, (english, _) in ALL.items() if ENGLISH_WORDS.search(english)} == set()
    assert {key for key, (_, chinese) in ALL.items() if re.search("个声音|各声音|种声音", chinese)} == set()
