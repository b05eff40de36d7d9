"""What is trained on: files with their genres, and which of them must stay on one side of a split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acousticsense.audio.decode import read_artist
from acousticsense.errors import SettingsError, printable
from acousticsense.evaluation.dataset import LabelledClip, distinct
from acousticsense.models.genres import NOT_MUSIC

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One file.

    Attributes:
        genre: what it is; "not_music" for what is none.
        group: artist, album or folder that it shares with others; its own hash when nobody said.
    """

    path: Path
    genre: str
    group: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Material:
    """All tracks, each file once.

    Attributes:
        tracks: in the order of the source.
        skipped: files that are left out, with the reason, as report and card can hold them.
    """

    tracks: tuple[Track, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The genres in alphabetical order, without "not_music"."""
        return tuple(sorted({track.genre for track in self.tracks} - {NOT_MUSIC}))

    @property
    def has_not_music(self) -> bool:
        """Whether some tracks are not music."""
        return any(track.genre == NOT_MUSIC for track in self.tracks)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network's outputs stand for, in order."""
        return (*self.labels, NOT_MUSIC) if self.has_not_music else self.labels

    def without(self, failed: Mapping[str, str]) -> Material:
        """The same without files that turned out to be unusable (path -> reason); checked again."""
        kept = tuple(track for track in self.tracks if str(track.path) not in failed)
        _check([track.genre for track in kept], unusable=len(self.skipped) + len(failed))
        return Material(tracks=kept, skipped={**self.skipped, **_printable(failed)})


def gather(items: Sequence[LabelledClip]) -> Material:
    """Tracks with their groups: the item's own, else the artist in the file's tags.

    Copies of one file count once; a file that lies in two genres is left out.

    Raises:
        SettingsError: fewer than two genres, or a genre with a single file.
    """
    _check([item.genre for item in items], unusable=0)
    found = distinct(items)
    kept = tuple(
        Track(
            path=clip.path,
            genre=printable(clip.genre),
            group=(clip.group or read_artist(clip.path) or sha256).casefold(),
            sha256=sha256,
        )
        for sha256, clip in found.clips.items()
    )
    skipped = {**found.unreadable, **found.repeated}
    _check([track.genre for track in kept], unusable=len(skipped))
    return Material(tracks=kept, skipped=_printable(skipped))


def _printable(reasons: Mapping[str, str]) -> dict[str, str]:
    return {printable(path): printable(reason) for path, reason in reasons.items()}


def _check(genres: Collection[str], *, unusable: int) -> None:
    counts = Counter(genres)
    left_out = f" ({unusable} files are left out)" if unusable else ""
    n_genres = len(counts.keys() - {NOT_MUSIC})
    if n_genres < 2:
        raise SettingsError(
            f"Genres with usable files: {n_genres}{left_out}; it takes two at least.",
            hint="Give a folder with a folder per genre, or a CSV with the columns path,genre.",
        )
    if single := sorted(genre for genre, count in counts.items() if count < 2):
        raise SettingsError(
            f"Too few usable files{left_out}: {', '.join(single)} with one each.",
            hint="Two of a genre are the least, one to learn from while the other is held out. Add some, or remove it.",
        )
