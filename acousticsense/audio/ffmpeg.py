"""Tracks read by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Final

import av
from av.stream import Discard

from acousticsense.audio.container import open_container, said
from acousticsense.audio.frames import TimeSteps, Uniform
from acousticsense.audio.notes import Notes
from acousticsense.audio.source import Slice
from acousticsense.audio.track import MARGIN_S, Samples
from acousticsense.errors import AudioDecodeError

#: FFmpeg starts this much early: AAC and Opus need 80 ms to settle after a seek, mp3's bit reservoir two frames.
_PREROLL_S: Final = Fraction(1, 5)
#: Packets in a row that may fail before a file counts as broken.
_MAX_BAD_PACKETS: Final = 1000

#: Formats without a length in them; FFmpeg guesses one from the first frames' bit rate.
_WITHOUT_LENGTH: Final = ("aac", "ac3", "eac3", "dts", "loas")
#: Formats whose length is counted from the first time stamp, wherever that lies.
_COUNTS_FROM_START: Final = ("mpegts", "mpeg")
#: Formats in which the length may be no more than an estimate from the bit rate.
_ESTIMATED: Final = (*_WITHOUT_LENGTH, "mp3", "mpegts", "mpeg", "amr", "asf", "flv")
#: A track that ends this far from where its header says has lost something; of codecs without run-up, this far.
_ENDS_ELSEWHERE_S: Final = 0.25
_ENDS_ELSEWHERE_EXACTLY_S: Final = 0.01
#: A frame of more channels than this, and than the track began with, is damaged: FFmpeg hands out 33 without samples.
_MOST_NEW_CHANNELS: Final = 8
#: Packets of an mp4 file that an edit list may rightly leave out: a decoder's run-up at the beginning, which these
#: codecs have none of.
_PRIMING_PACKETS: Final = 2
_WITHOUT_RUN_UP: Final = ("alac", "flac")
#: An edit list may leave out those at the end as well; when it leaves out more, the header contradicts itself.
_MOST_LEFT_OUT: Final = 8
#: A track that begins later than this begins late: an MPEG transport stream starts at 1.4 s.
_LATE_S: Final = 10.0
#: Far behind every track's end.
_FAR_S: Final = 10**6
#: Time stamps this far from the samples that were counted mean that something is missing.
_GAP_S: Final = 0.25
#: Samples of an AAC frame in digital radio; in a file, such a header is likelier to be damaged than right.
_RADIO_FRAME: Final = 960


class FFmpegTrack:
    """See `track.Track`."""

    def __init__(self, file: Slice, kind: str | None, place: int) -> None:
        self._file, self._kind, self._place = file, kind, place
        self.notes = Notes()
        self._open()
        context = self._stream.codec_context
        if context is None:
            self.close()
            raise AudioDecodeError("Its sound is in a codec that is not known.")
        self.sample_rate_hz: int = context.sample_rate
        self.n_channels: int = context.channels
        self.compressed: bool = not context.name.startswith("pcm")
        self._first_pts: int = self._stream.start_time or 0
        self._time_base: Fraction = self._stream.time_base or Fraction(1, max(1, self.sample_rate_hz))
        #: Where time stamps cannot be trusted, places are counted from the beginning: ADPCM's drift, those of a bare
        #: stream are made up from its first frames, and FFmpeg reads those of FLAC in Ogg in two ways.
        self._is_ogg_flac = (self._container.format.name, context.name) == ("ogg", "flac")
        self._has_times = not (
            self._is_ogg_flac or context.name.startswith("adpcm") or self._container.format.name in _WITHOUT_LENGTH
        )
        self.n_frames: int | None = self._declared_frames()
        if context.name == "aac" and context.frame_size == _RADIO_FRAME:
            self.notes.add("radio_frames", _RADIO_FRAME)

    def close(self) -> None:
        """Closes the container; the file stays open."""
        self._container.close()

    def _open(self) -> None:
        """Opens the container at its beginning. A seek to the beginning is not the same: it can lose a packet."""
        self._container = open_container(Slice(self._file), self._kind)
        self._stream = self._container.streams.audio[self._place]
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        self._moved = False

    @property
    def tags(self) -> dict[str, str]:
        """The file's tags, their names in lower case."""
        tags = {**self._container.metadata, **self._stream.metadata}
        return {str(key).lower(): str(value).strip() for key, value in tags.items()}

    def blocks(self, start: int) -> Iterator[Samples]:
        """See `track.Track`."""
        if not self._seek(start):
            yield from self._blocks_after(start, 0)
            return
        frames = self._frames()
        first = next(frames, None)
        position = start if first is None or first.pts is None else self._frame_number(first.pts)
        if first is None or position > start + self.sample_rate_hz * MARGIN_S:  # the index led astray
            self._rewind()
            yield from self._blocks_after(start, 0)
        else:
            yield from self._blocks_after(start, position, chain((first,), frames))

    def count_frames(self) -> int:
        """Frames up to the end of the last packet, whatever the header says."""
        end = (self._has_times and self._end(far=True)) or self._end(far=False)
        self._rewind()
        self.n_frames = max(0, self._frame_number(end))
        return self.n_frames

    def _end(self, *, far: bool) -> int:
        """Where the last packet ends, in ticks; 0 when none says. `far` looks at the packets near the end only."""
        self._rewind()
        if far:
            try:
                self._container.seek(self._first_pts + round(_FAR_S / self._time_base), stream=self._stream)
            except (av.error.FFmpegError, OverflowError):
                return 0
            self._moved = True
        if not self._has_times:
            return self._first_pts + sum(packet.duration or 0 for packet in self._packets())
        return max((p.pts + (p.duration or 0) for p in self._packets() if p.pts is not None), default=0)

    def _declared_frames(self) -> int | None:
        """What the header says, without what lies before the first time stamp; measured where that begins late."""
        if self._container.format.name in _WITHOUT_LENGTH:
            return None
        start_s = float(self._first_pts * self._time_base)
        if start_s > _LATE_S:
            self.notes.add("late_start", start_s)
        if start_s > _LATE_S and self._container.format.name not in _COUNTS_FROM_START:
            return self.count_frames()
        if self._is_ogg_flac:
            n_frames = self.count_frames()
            start_s = (self._container.duration or 0) / av.time_base - n_frames / self.sample_rate_hz
            if start_s > _LATE_S:
                self.notes.add("late_start", start_s)
            return n_frames
        if self._stream.duration is not None:
            return max(0, int(self._stream.duration * self._time_base * self.sample_rate_hz))
        if self._container.duration is None:
            return None
        return round(Fraction(self._container.duration, av.time_base) * self.sample_rate_hz)

    def _blocks_after(self, start: int, position: int, frames: Iterable[Any] | None = None) -> Iterator[Samples]:
        """What lies after `start`, from frames that begin at `position`.

        Positions are counted, not read: Vorbis time stamps jitter by half a block. Where they run away from what is
        counted, something is missing, and a note says so.
        """
        off = 0
        uniform = Uniform(self.sample_rate_hz, self.n_channels, self.notes)
        steps = TimeSteps(float(self._time_base * self.sample_rate_hz))
        for frame in self._frames() if frames is None else frames:
            if self._has_times and frame.pts is not None:
                wrong_by = steps.take(self._frame_number(frame.pts), frame.samples)
                if wrong_by and self._stream.codec_context.name in _WITHOUT_RUN_UP:
                    self.notes.add("rate_doubtful", 100 * wrong_by)
                ahead = self._frame_number(frame.pts) - position - off
                if abs(ahead) > self.sample_rate_hz * _GAP_S:
                    self.notes.add("gap", ahead / self.sample_rate_hz)
                    off += ahead
            for samples in uniform.take(frame):
                skip = max(0, start - position)
                position += samples.shape[1]
                if skip < samples.shape[1]:
                    yield samples[:, skip:]
        for samples in uniform.rest():
            yield samples[:, max(0, start - position) :]
            position += samples.shape[1]
        self._compare_length(position)

    def _compare_length(self, n_decoded: int) -> None:
        """Notes that the track ended, after `n_decoded` frames, elsewhere than its header says."""
        difference_s = 0.0 if self.n_frames is None else (n_decoded - self.n_frames) / self.sample_rate_hz
        is_exact = self._stream.codec_context.name in _WITHOUT_RUN_UP
        allowed_s = _ENDS_ELSEWHERE_EXACTLY_S if is_exact else _ENDS_ELSEWHERE_S
        if self._container.format.name not in _ESTIMATED and abs(difference_s) > allowed_s:
            self.notes.add("longer" if difference_s > 0 else "truncated", abs(difference_s))

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; damaged packets are skipped and noted, unless there is nothing else."""
        n_bad, any_good = 0, False
        from_beginning, n_packets, n_frames = not self._moved, 0, 0
        for packet in self._packets():
            n_packets += bool(packet.size)
            try:
                for frame in packet.decode():
                    if frame.layout.nb_channels > max(_MOST_NEW_CHANNELS, self.n_channels):
                        self.notes.count("damaged")
                        continue
                    n_bad, any_good = 0, True
                    n_frames += 1
                    yield frame
            except av.error.FFmpegError as error:
                n_bad += 1
                if packet.size:
                    self.notes.count("damaged")
                if n_bad > _MAX_BAD_PACKETS or (packet.size == 0 and not any_good):
                    raise AudioDecodeError(f"{said(error)}") from error
        if n_bad and not any_good:
            raise AudioDecodeError("Every packet is damaged.")
        if from_beginning and self.compressed and "mp4" in self._container.format.name:  # of PCM, a packet holds many
            n_missing = self._stream.frames - n_packets
            n_left_out = n_packets - n_frames
            n_priming = 0 if self._stream.codec_context.name in _WITHOUT_RUN_UP else _PRIMING_PACKETS
            if n_missing > n_priming or n_left_out > _MOST_LEFT_OUT:
                self.notes.add("damaged", max(n_missing, n_left_out))

    def _packets(self) -> Iterator[Any]:
        """Packets up to the end, or to where the container breaks."""
        self._moved = True
        while True:
            try:
                yield from self._container.demux(self._stream)
            except IndexError:
                continue  # PyAV does not know a stream that begins on the way, as in MPEG-TS; ours goes on after it
            except av.error.FFmpegError:
                self.notes.count("damaged")
            return

    def _seek(self, start: int) -> bool:
        """Goes to a little before frame `start`; False when the next frame is the track's first."""
        early_s = Fraction(start, self.sample_rate_hz) - _PREROLL_S
        if early_s <= 0 or not self._has_times:
            self._rewind()
            return False
        self._correct_first_pts()
        try:
            self._container.seek(self._first_pts + round(early_s / self._time_base), stream=self._stream)
        except (av.error.FFmpegError, OverflowError):
            self._rewind()
            return False
        self._moved = True
        return True

    def _correct_first_pts(self) -> None:
        """Believes the first packet's time, not the header's, where the two differ: places are counted from there."""
        self._rewind()
        first_pts = next((packet.pts for packet in self._packets() if packet.pts is not None), self._first_pts)
        ahead_s = float((first_pts - self._first_pts) * self._time_base)
        if abs(ahead_s) > _GAP_S:
            self.notes.add("gap", ahead_s)
            self._first_pts = first_pts

    def _rewind(self) -> None:
        if self._moved:
            self.close()
            self._open()

    def _frame_number(self, pts: int) -> int:
        return round((pts - self._first_pts) * self._time_base * self.sample_rate_hz)
