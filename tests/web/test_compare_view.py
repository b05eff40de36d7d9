"""Versions side by side as the page shows them, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acousticsense.analysis.compare import Comparison, compare_versions
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.prediction import Verdict
from acousticsense.library.uploads import Upload
from acousticsense.settings import Settings
from acousticsense.web.compare_view import comparison_html


@pytest.fixture(scope="module")
def song_and_silence(
    tiny_models: Path, music_wav: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Comparison, tuple[Upload, Upload]]:
    silence = tmp_path_factory.mktemp("silence") / "silence.wav"
    soundfile.write(silence, np.zeros(441_000), 44_100)
    classifier = GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))
    (comparison,) = compare_versions(classifier, (music_wav, silence))
    return comparison, (Upload(path=music_wav, name="a.wav"), Upload(path=silence, name="b.wav"))


def winners(comparison: Comparison, files: tuple[Upload, Upload], language: str) -> list[str]:
    """What stands large below the name of each version."""
    found = re.findall(r'<p class="as-winner">(.*?)</p>', comparison_html([comparison], files, language))
    return [re.sub("<.*?>", "", words) for words in found]


@pytest.mark.parametrize(
    ("language", "silence", "noise"),
    [("en", "Silence", "Speech or noise, not music"), ("zh", "静音", "语音或噪声，不是音乐")],
)
def test_what_is_no_music_gets_the_words_of_classify_and_no_genre(
    song_and_silence: tuple[Comparison, tuple[Upload, Upload]], language: str, silence: str, noise: str
) -> None:
    comparison, files = song_and_silence

    def song(verdict: Verdict) -> Comparison:
        return replace(
            comparison, a=replace(comparison.a, prediction=replace(comparison.a.prediction, verdict=verdict))
        )

    a, b = winners(song("plausible"), files, language)
    assert "%" in a
    assert b == silence
    assert winners(song("not_music"), files, language) == [noise, silence]
