"""Timelines for DJs: a cue sheet and cues for Rekordbox, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from acousticsense.analysis.exports import audacity_labels, cue_sheet, rekordbox_xml
from acousticsense.analysis.results import Segment, Timeline
from acousticsense.analysis.timeline import make_timeline
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings


@pytest.fixture(scope="module")
def timeline(tiny_models: Path, music_wav: Path) -> Timeline:
    classifier = GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))
    segments = (
        Segment(start_s=0.0, end_s=61.6, genre="R&B", confidence=0.754, verdict="plausible"),
        Segment(start_s=61.6, end_s=70.0, genre=None, confidence=None, verdict="silence"),
    )
    return replace(make_timeline(classifier, music_wav), segments=segments)


def test_a_cue_sheet_has_a_track_per_segment(timeline: Timeline) -> None:
    assert cue_sheet(timeline, 'my "set".mp3').splitlines() == [
        "FILE \"my 'set'.mp3\" MP3",
        "  TRACK 01 AUDIO",
        '    TITLE "R&B 75%"',
        "    INDEX 01 00:00:00",
        "  TRACK 02 AUDIO",
        '    TITLE "Silence"',
        "    INDEX 01 01:01:45",
    ]


def test_a_cue_sheet_keeps_the_99_longest_of_more_segments(timeline: Timeline) -> None:
    many = [replace(timeline.segments[0], start_s=10.0 * n, end_s=10.0 * n + 5 + (n != 7)) for n in range(100)]
    sheet = cue_sheet(replace(timeline, segments=tuple(many)), "set.wav")
    assert sheet.count("TRACK") == 99
    assert "INDEX 01 01:10:00" not in sheet  # the eighth, which is shorter


#: Ends of lines, characters that XML forbids, and half of a pair, which is no character at all.
STRANGE = "\0\t\n\r\x0b\x1b\x7f\x85\u2028\u2029\ud83d\udcff\ufffe\uffff"


@pytest.mark.parametrize("character", STRANGE)
def test_names_with_strange_characters_break_no_file(timeline: Timeline, character: str) -> None:
    name = f"a{character}  b.mp3"
    named = replace(timeline, segments=(replace(timeline.segments[0], genre=f"R{character}B"),))
    (track,) = ET.fromstring(rekordbox_xml(named, name).encode()).iter("TRACK")
    assert track.get("Name") == "a   b.mp3"
    assert unquote(track.get("Location") or "", errors="surrogatepass") == f"file://localhost/{name}"
    assert [mark.get("Name") for mark in track] == ["R B 75%"]
    file, *_, title, _ = cue_sheet(named, name).encode().decode().splitlines()
    assert (file, title) == ('FILE "a   b.mp3" MP3', '    TITLE "R B 75%"')
    assert audacity_labels(named).encode().decode().splitlines() == ["0.000000\t61.600000\tR B 75%"]


def test_rekordbox_gets_a_memory_cue_per_segment(timeline: Timeline) -> None:
    (track,) = ET.fromstring(rekordbox_xml(timeline, "C:\\音乐\\a & b.mp3")).iter("TRACK")
    assert track.get("Name") == "a & b.mp3"
    assert track.get("Location") == "file://localhost/C:/%E9%9F%B3%E4%B9%90/a%20%26%20b.mp3"
    marks = [(mark.get("Name"), mark.get("Start"), mark.get("Num")) for mark in track.iter("POSITION_MARK")]
    assert marks == [("R&B 75%", "0.000", "-1"), ("Silence", "61.600", "-1")]
