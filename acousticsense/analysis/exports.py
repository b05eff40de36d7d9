"""A timeline as files that other programs read: a table, labels for Audacity, a cue sheet, cues for Rekordbox."""

from __future__ import annotations

import csv
import io
import re
from pathlib import PurePath
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from acousticsense.analysis.results import Segment, Timeline
from acousticsense.i18n.messages import text

#: Of a cue sheet: tracks at most, and frames in a second.
_CUE_TRACKS, _CUE_FRAMES = 99, 75
#: What would end a line, and what XML cannot hold: control characters, halves of pairs, and two that are none.
_UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def timeline_csv(timeline: Timeline) -> str:
    """One row per window: its place in seconds, the number of its segment (from 1), the verdict, the best label with
    its probability, then the probability of "not music" and of each label. Silence has no probabilities.
    """
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("start_s", "end_s", "segment", "verdict", "genre", "confidence", "not_music", *timeline.labels))
    segment = 0
    for window in timeline.windows:
        while window.start_s >= timeline.segments[segment].end_s:
            segment += 1
        best = window.best
        table.writerow(
            (
                f"{window.start_s:.3f}",
                f"{window.end_s:.3f}",
                segment + 1,
                window.verdict,
                best.label if best else "",
                _share(best.confidence if best else None),
                _share(window.not_music),
                *(_share(window.probabilities.get(label)) for label in timeline.labels),
            )
        )
    return file.getvalue()


def audacity_labels(timeline: Timeline) -> str:
    """A label track (File > Import > Labels): start and end in seconds and a title per segment, tabs between them."""
    return "".join(f"{segment.start_s:.6f}\t{segment.end_s:.6f}\t{_title(segment)}\n" for segment in timeline.segments)


def cue_sheet(timeline: Timeline, name: str) -> str:
    """A cue sheet for the file called `name`, which lies beside it: a track per segment.

    Cue sheets count minutes, seconds and 75ths of a second, and have 99 tracks at most: of more segments the longest.
    """
    kind = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}.get(PurePath(name).suffix.lower(), "WAVE")
    longest = sorted(timeline.segments, key=lambda segment: segment.start_s - segment.end_s)[:_CUE_TRACKS]
    lines = [f'FILE "{_in_quotes(name)}" {kind}']
    for number, segment in enumerate(sorted(longest, key=lambda segment: segment.start_s), start=1):
        frames = round(segment.start_s * _CUE_FRAMES)
        minutes, frames = divmod(frames, 60 * _CUE_FRAMES)
        seconds, frames = divmod(frames, _CUE_FRAMES)
        lines += [
            f"  TRACK {number:02d} AUDIO",
            f'    TITLE "{_in_quotes(_title(segment))}"',
            f"    INDEX 01 {minutes:02d}:{seconds:02d}:{frames:02d}",
        ]
    return "\n".join([*lines, ""])


def rekordbox_xml(timeline: Timeline, name: str) -> str:
    """A collection for Rekordbox (Preferences > Advanced > rekordbox xml) of one track with a memory cue per segment.

    Args:
        name: the file's path, or its name where the path is not known: then Rekordbox asks where it is.
    """
    root = ET.Element("DJ_PLAYLISTS", Version="1.0.0")
    ET.SubElement(root, "PRODUCT", Name="AcousticSense", Version="1", Company="")
    collection = ET.SubElement(root, "COLLECTION", Entries="1")
    path = name.replace("\\", "/")
    track = ET.SubElement(
        collection,
        "TRACK",
        TrackID="1",
        Name=_writable(PurePath(path).name),
        TotalTime=str(round(timeline.segments[-1].end_s)),
        Location=f"file://localhost/{quote(path.lstrip('/'), safe='/:', errors='surrogatepass')}",
    )
    for segment in timeline.segments:
        ET.SubElement(track, "POSITION_MARK", Name=_title(segment), Type="0", Start=f"{segment.start_s:.3f}", Num="-1")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _title(segment: Segment) -> str:
    title = segment.genre or text(f"verdict.{segment.verdict}")
    share = "" if segment.confidence is None else f" {segment.confidence:.0%}"
    return " ".join(_writable(f"{title}{share}").split())


def _in_quotes(words: str) -> str:
    """Cue sheets know no escape for a quotation mark."""
    return _writable(words.replace('"', "'"))


def _writable(words: str) -> str:
    """Somebody's own words on one line, with a space for each character that a file cannot hold."""
    return _UNWRITABLE.sub(" ", words)


def _share(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6f}"
