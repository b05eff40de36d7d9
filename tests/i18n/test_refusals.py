"""Whatever a visitor of the page can be refused with is said in Chinese, too."""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from acousticsense.audio.clip import read_clip
from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.refusals import REFUSALS, refusal
from acousticsense.library.archive import Archive
from acousticsense.serving.requests import PredictRequest, TimelineRequest, parse

PACKAGE = Path(__file__).resolve().parents[2] / "acousticsense"
#: Descriptions of the models that are installed.
MODELS = [*PACKAGE.parent.glob("models/*/model.json")]
#: What answers a visitor of the page: rooms and modules,
ASKED = (
    *("audio", "spectrogram/windows.py", "spectrogram/spectrogram.py", "analysis", "serving", "web", "library/tagging"),
    *("inference/posterior.py", "inference/features.py", "inference/backends/pytorch.py", "library/archive.py"),
    *("library/batch.py", "library/copies.py", "library/tags.py", "library/pool.py", "library/features.py"),
    *("api/security.py", "api/disk_limit.py", "api/middleware.py"),
)
#: but for these, which serve a command line or the Python package,
NOT_ASKED = ("audio/names.py", "analysis/predictor.py", "serving/ports.py")
#: and but for what only a caller of Python or of Gradio's own API can bring about, or stands in for many sentences.
NOT_FROM_THE_PAGE = {
    *("Audio was given as {}.", "Give a path, bytes or a binary file object.", "The audio file object is closed."),
    *("Open it again.", "The audio file object gives text.", 'Open the file in binary mode ("rb").'),
    *("The sample rate asked for is {} Hz.", "The duration asked for is {} s.", "The offset asked for is {} s."),
    *("The anchor is {}.", 'It must be "start" or "center".', 'Leave the offset out, or use anchor "start".'),
    *("An offset of {} s was given for the middle of the track.", "window_s is {}.", "hop_s is {}."),
    *("A window can have {} to {} seconds.", "It must be {} seconds or more.", "min_segment_s is {}."),
    *("Give 0 seconds or more; 0 keeps all segments.", "spectrogram is {}.", "label is {}.", "accept is {}."),
    *("{} values were sent and {} are needed. Send null for those that you leave to the server; /gradio_api/info "
      "lists them.", "Too many {}.", "{}"),
}  # fmt: skip


def template(node: ast.expr | None) -> str:
    """A sentence with `{}` for its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def sentences(file: Path) -> Iterator[str]:
    """What our errors in a file say: messages and hints, and what functions say that look for a fault."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") and not hasattr(builtins, name):
                yield from map(template, (*node.args, *(each.value for each in node.keywords if each.arg == "hint")))
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("_fault"):
            yield from (template(each.value) for each in ast.walk(node) if isinstance(each, ast.Return))


def test_every_refusal_has_chinese_words() -> None:
    places = [PACKAGE / place for place in ASKED]
    files = {file for place in places for file in ([place] if place.suffix else place.rglob("*.py"))}
    said = {each for file in files - {PACKAGE / name for name in NOT_ASKED} for each in sentences(file) if each}
    assert said - {english.replace("{words}", "{}") for english in REFUSALS} - NOT_FROM_THE_PAGE == set()


def silent(path: Path, n_samples: int = 44_100) -> Path:
    soundfile.write(path, np.zeros(n_samples), 44_100)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path, **options: Any) -> object:
    return read_clip(path, sample_rate_hz=22_050, **options)


REFUSED: dict[str, Callable[[Path], object]] = {
    "no audio": lambda folder: read(written(folder / "a.mp3", b"words, not music" * 99)),
    "a rate beyond the limits": lambda folder: read(
        silent(folder / "a.wav"), limits=AudioLimits(min_sample_rate_hz=48_000)
    ),
    "no bytes": lambda folder: read(written(folder / "a.mp3", b"")),
    "no samples": lambda folder: read(silent(folder / "a.wav", 0)),
    "too long": lambda folder: read(silent(folder / "a.wav"), limits=AudioLimits(max_clip_s=0.5), duration_s=None),
    "too much PCM": lambda folder: read(silent(folder / "a.wav"), limits=AudioLimits(max_pcm_bytes=9), duration_s=None),
    "a start beyond the end": lambda folder: read(silent(folder / "a.wav"), offset_s=30),
    "no zip": lambda folder: Archive(written(folder / "a.zip", b"no zip")),
    "seconds": lambda _: parse(PredictRequest, {"duration_s": 0}),
    "start": lambda _: parse(PredictRequest, {"offset_s": 1e8}),
    "window": lambda _: parse(TimelineRequest, {"window_s": 900}),
    "hop": lambda _: parse(TimelineRequest, {"hop_s": 0}),
    "shortest segment": lambda _: parse(TimelineRequest, {"min_segment_s": 1e9}),
}
#: Formats, units and names, which are the same in Chinese.
SAME = re.compile(r"\b(mp3|wav|flac|ogg|opus|m4a|aac|zip|MiB|Hz)\b")


@pytest.mark.parametrize("case", REFUSED)
def test_a_visitor_reads_no_english(case: str, tmp_path: Path) -> None:
    with pytest.raises(AcousticSenseError) as raised:
        REFUSED[case](tmp_path)
    error = raised.value
    assert refusal(error.message, "en") == error.message
    for words in (error.message, error.hint):
        chinese = refusal(words, "zh")
        assert chinese
        assert not re.search("[A-Za-z]", SAME.sub("", chinese)), chinese


RESTS_ON = {json.loads(file.read_text(encoding="utf-8"))["calibration"]["measured_on"] for file in MODELS} | {
    "141 validation recordings of 13 genres",
    "60 tracks of one's own, each analysed by a network that was trained without it",
    "140 clips of val.csv",
}


@pytest.mark.parametrize("words", sorted(RESTS_ON))
def test_what_thresholds_rest_on_is_told_in_chinese_with_its_figures(words: str) -> None:
    chinese = refusal(words, "zh")
    assert not re.search("[A-Za-z]", chinese.replace("val.csv", "")), chinese
    assert set(re.findall(r"\d+", chinese)) == set(re.findall(r"\d+", words))


def test_a_message_and_its_hint_may_come_as_one() -> None:
    words = "a.mp3 cannot be used: Decoding did not end within 9 s. Allow more with --timeout, or convert it."
    assert refusal(words, "zh") == "无法使用 a.mp3：解码在 9 秒内未完成。请转换格式后重试。"


def test_what_has_no_words_says_nothing_in_another_language() -> None:
    assert refusal("Nobody has written this sentence.", "zh") == ""
    assert refusal("Version B: Nobody has written this sentence.", "zh") == "版本 B"
