"""Every sentence exists in both languages, fits in both, and keeps to our words."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from pathlib import Path

import acousticsense.i18n
from acousticsense.i18n.messages import TEXTS
from acousticsense.i18n.page import GRADIO_LABELS, UI_TEXTS
from acousticsense.i18n.refusals import REFUSALS

ALL = {**TEXTS, **UI_TEXTS}
#: Characters that Simplified Chinese writes otherwise, out of words that music, models and errors need.
TRADITIONAL = set(
    "樂風聲頻譜圖時間軸網絡機學習這個們為與從來對開關閉點擊選擇檔記錄錯誤讀寫無還過進運輸歸類識別顯擴張鏈權視處國樣號單雙環電腦"
)
ENGLISH_WORDS = re.compile(r"\b(picture|voice|judge\w*|judging|seat|colleague|lesson|stretch|BatchPredictor)\b", re.I)
#: Western punctuation beside a Chinese character.
WESTERN = re.compile(r"[\u4e00-\u9fff][,;:?!]|[,;?!][\u4e00-\u9fff]")


def marks(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}


def test_no_key_stands_twice_in_a_file_or_in_two() -> None:
    keys: Counter[str] = Counter()

    def count(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if {name for name, _ in pairs} != {"en", "zh"}:
            keys.update(name for name, _ in pairs)
        return dict(pairs)

    for file in Path(acousticsense.i18n.__file__).parent.glob("data/*.json"):
        json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=count)
    assert {key for key in {**ALL, **GRADIO_LABELS, **REFUSALS} if keys[key] != 1} == set()


def test_both_languages_are_there_and_use_the_same_marks() -> None:
    assert {key for key, pair in ALL.items() if not all(pair)} == set()
    assert {key for key, (english, chinese) in ALL.items() if marks(english) != marks(chinese)} == set()


def test_chinese_is_simplified_and_punctuated_as_chinese() -> None:
    chinese = {**{key: pair[1] for key, pair in ALL.items()}, **REFUSALS}
    assert {key for key, words in chinese.items() if TRADITIONAL & set(words) or WESTERN.search(words)} == set()


def test_words_are_those_of_the_field() -> None:
    assert {key for key, (english, _) in ALL.items() if ENGLISH_WORDS.search(english)} == set()
    assert {key for key, (_, chinese) in ALL.items() if re.search("个声音|各声音|种声音", chinese)} == set()


def test_a_refusal_in_chinese_uses_no_value_that_the_english_one_has_not() -> None:
    assert {english for english, chinese in REFUSALS.items() if not fits(english, chinese)} == set()


def fits(english: str, chinese: str) -> bool:
    numbers = {str(number) for number in range(english.count("{}"))}
    words = {"words"} & marks(english)
    return words <= marks(chinese) <= words | numbers and bool(re.search("[\u4e00-\u9fff]", chinese))
