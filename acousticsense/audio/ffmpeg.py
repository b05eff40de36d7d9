"""Tracks read by FFmpeg, through PyAV, in this process.

FFmpeg reads from the one file it is given and from nothing else: playlists and formats that name other files are
switched off, and a nested open is refused whatever asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO, Final, NoReturn

import av
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from acousticsense.audio.track import MARGIN_S, Samples
from acousticsense.errors import AudioDecodeError

__all__ = ["WAV_LIKE", "FFmpegTrack", "ffmpeg_track"]

#: FFmpeg starts this much early: AAC and Opus need 80 ms to settle after a seek, mp3's bit reservoir two frames.
_PREROLL_S: Final = Fraction(1, 5)
#: Packets in a row that may fail before a file counts as broken.
_MAX_BAD_PACKETS: Final = 1000

#: FFmpeg's demuxers that hold sound themselves. No hls, dash, concat, sdp, rtsp, image or subtitle format.
_DEMUXERS: Final = (
    "3dostr,aa,aac,ac3,aea,aiff,amr,amrnb,amrwb,ape,asf,ast,au,avi,avr,caf,dsf,dts,dtshd,eac3,epaf,flac,flv,gsm,iff,"
    "ircam,loas,matroska,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,paf,pvf,qcp,rm,shn,sox,tak,"
    "truehd,tta,voc,w64,wav,wsd,wv,xwma"
)
#: Formats without a length in them; FFmpeg guesses one from the first frames' bit rate.
_WITHOUT_LENGTH: Final = ("aac", "ac3", "eac3", "dts", "loas")
WAV_LIKE: Final = (b"RIFF", b"RIFX", b"RF64", b"riff")


class FFmpegTrack:
    """See `track.Track`."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self.sample_rate_hz: int = stream.codec_context.sample_rate
        self.n_channels: int = stream.codec_context.channels
        self.compressed: bool = not stream.codec_context.name.startswith("pcm")
        self.n_frames: int | None = None
        self._moved = False
        self._first_pts: int = stream.start_time or 0
        self._time_base: Fraction = stream.time_base or Fraction(1, max(1, self.sample_rate_hz))
        if container.duration is not None and container.format.name not in _WITHOUT_LENGTH:
            self.n_frames = round(Fraction(container.duration, av.time_base) * self.sample_rate_hz)

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
        if position > start + self.sample_rate_hz * MARGIN_S:  # the index led astray
            self._rewind()
            yield from self._blocks_after(start, 0)
        elif first is not None:
            yield from self._blocks_after(start, position, chain((first,), frames))

    def count_frames(self) -> int:
        """See `track.Track`."""
        self._rewind()
        ends = (p.pts + (p.duration or 0) for p in self._packets() if p.pts is not None)
        return max(0, self._frame_number(max(ends, default=0)))

    def _blocks_after(self, start: int, position: int, frames: Iterable[Any] | None = None) -> Iterator[Samples]:
        """What lies after `start`, from frames that begin at `position`.

        Positions are counted, not read: Vorbis time stamps jitter by half a block.
        """
        for frame in self._frames() if frames is None else frames:
            if frame.sample_rate != self.sample_rate_hz:
                return  # another recording was appended
            skip = max(0, start - position)
            position += frame.samples
            if skip < frame.samples:
                yield _fit_channels(_to_float(frame), self.n_channels)[:, skip:]

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; damaged packets are skipped, unless there is nothing else."""
        n_bad, any_good = 0, False
        for packet in self._packets():
            try:
                for frame in packet.decode():
                    n_bad, any_good = 0, True
                    yield frame
            except av.error.FFmpegError as error:
                n_bad += 1
                if n_bad > _MAX_BAD_PACKETS or (packet.size == 0 and not any_good):
                    raise AudioDecodeError(f"{_said(error)}") from error
        if n_bad and not any_good:
            raise AudioDecodeError("Every packet is damaged.")

    def _packets(self) -> Iterator[Any]:
        """Packets up to the end, or to where the container breaks."""
        self._moved = True
        with suppress(av.error.FFmpegError):
            yield from self._container.demux(self._stream)

    def _seek(self, start: int) -> bool:
        """Goes to a little before frame `start`; False when the next frame is the track's first."""
        early_s = Fraction(start, self.sample_rate_hz) - _PREROLL_S
        if early_s <= 0 or self._stream.codec_context.name.startswith("adpcm"):  # whose time stamps drift
            self._rewind()
            return False
        try:
            self._container.seek(self._first_pts + round(early_s / self._time_base), stream=self._stream)
        except av.error.FFmpegError:
            self._rewind()
            return False
        self._moved = True
        return True

    def _rewind(self) -> None:
        if self._moved:
            with suppress(av.error.FFmpegError):
                self._container.seek(self._first_pts, stream=self._stream)
            self._moved = False

    def _frame_number(self, pts: int) -> int:
        return round((pts - self._first_pts) * self._time_base * self.sample_rate_hz)


@contextmanager
def ffmpeg_track(file: BinaryIO) -> Iterator[FFmpegTrack]:
    """Opens with FFmpeg, which may read this file object and nothing else.

    A wav file is probed on its first 64 KiB only: its header says all, and looking for DTS in it takes 20 ms.
    """
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
    if file.read(4) in WAV_LIKE:
        options["probesize"] = "65536"
    file.seek(0)
    try:
        container = av.open(file, mode="r", options=options, io_open=_refuse_nested_file, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise AudioDecodeError(_said(error)) from error
    with container:
        stream = container.streams.best("audio")
        if stream is None:
            raise AudioDecodeError("There is no sound track in it.")
        if stream.codec_context is None:
            raise AudioDecodeError("Its sound is in a codec that is not known.")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        yield FFmpegTrack(container, stream)


def _refuse_nested_file(*_: Any) -> NoReturn:
    raise PermissionError("An audio file may not name other files.")


def _said(error: av.error.FFmpegError) -> str:
    return f"{error.strerror or error}."


def _to_float(frame: Any) -> NDArray[Any]:
    """Samples of a decoded frame as floats (n_channels, n), full scale at 1."""
    try:
        samples: NDArray[Any] = frame.to_ndarray()
    except ValueError as error:
        raise AudioDecodeError(f"Samples of type {frame.format.name} are not read.") from error
    if not frame.format.is_planar:
        samples = samples.reshape(frame.samples, -1).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if samples.dtype.kind == "i":
        samples = samples * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    return samples


def _fit_channels(samples: NDArray[Any], n_channels: int) -> NDArray[Any]:
    """As many channels as the track began with; a change within it, as radio streams have, is mixed to mono."""
    if len(samples) == n_channels:
        return samples
    return np.broadcast_to(samples.mean(axis=0), (n_channels, samples.shape[1]))
