"""A excerpt of any audio file as a mono waveform: open, decode only what was asked for, mix, resample.

`read_clip` returns a excerpt at once; `open_stream` hands out the same samples block by block, however long the track.

Content decides which decoder reads a file, never its name. FLAC and Ogg Vorbis go to libsndfile, everything else to
FFmpeg (through PyAV, in this process), and each is asked when the other declines. Why FFmpeg has the larger share:

- libsndfile ends a VBR mp3 without a Xing header at an estimate (171 s of a 240 s file when measured);
- it needs three times as long for Opus;
- its IMA-ADPCM reader overflows (CVE-2026-37555), so nothing that can hold ADPCM (wav, w64, aiff) is handed to it.

FFmpeg reads from the one file it is given and from nothing else: playlists and formats that name other files are
switched off, and a nested open is refused whatever asks for it.

Nothing that a header claims is believed: limits hold for the samples that really come out, while they come out.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NoReturn, Protocol, TypeVar, cast

import av
import numpy as np
import soundfile
import soxr
from av.stream import Discard
from numpy.typing import NDArray

from acousticsense.audio.types import ClipInfo
from acousticsense.errors import AudioDecodeError, AudioEmptyError, AudioError, AudioTooLargeError, RequestError

__all__ = [
    "AudioClip",
    "AudioLimits",
    "AudioStream",
    "Source",
    "open_stream",
    "read_artist",
    "read_clip",
]

#: A str or Path is a local file, never a URL.
Source = str | Path | bytes | BinaryIO
Samples = NDArray[np.float32]
_T = TypeVar("_T")

_HINT: Final = "Use an mp3, wav, flac, ogg, opus, m4a or aac file that plays in an ordinary player."
#: Decoded on either side of the excerpt and cut off after resampling, so that the filter never sees an edge.
_MARGIN_S: Final = Fraction(1, 10)
#: FFmpeg starts this much early: AAC and Opus need 80 ms to settle after a seek, mp3's bit reservoir two frames.
_PREROLL_S: Final = Fraction(1, 5)
#: Frames per read from libsndfile: 0.7 s at 44.1 kHz.
_BLOCK_FRAMES: Final = 1 << 15
#: Larger samples than this are damage; float files scaled like integers stay below it, and its square fits a float32.
_ABSURD_SAMPLE: Final = 1e6
#: A codec overshoots full scale by a few dB; what goes further is a damaged frame's burst.
_LOUDEST_COMPRESSED: Final = 2.0
#: Damaged samples are silenced up to this share; a file with more is not worth analysing.
_MAX_DAMAGED_SHARE: Final = 0.01
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
_WAV_LIKE: Final = (b"RIFF", b"RIFX", b"RF64", b"riff")
#: What libsndfile must not see: formats that can hold IMA ADPCM, and tags in front of which it looks for such formats.
_NOT_FOR_SNDFILE: Final = (*_WAV_LIKE, b"FORM", b"ID3")


@dataclass(frozen=True, kw_only=True)
class AudioLimits:
    """Bounds on what one request may cost.

    Attributes:
        max_file_bytes: size of the file as it arrives.
        max_clip_s: seconds decoded for one clip.
        max_stream_s: seconds handed out by one stream.
        max_pcm_bytes: decoded float32 samples of the excerpt, at the file's rate and with all its channels.
        min_sample_rate_hz: below this no music is left.
        max_sample_rate_hz: highest rate of real equipment (DSD and DXD files reach 352.8 and 705.6 kHz).
        max_channels: most channels; 22.2 surround has 24.
    """

    max_file_bytes: int = 200 * 2**20
    max_clip_s: float = 1800.0
    max_stream_s: float = 14_400.0
    max_pcm_bytes: int = 512 * 2**20
    min_sample_rate_hz: int = 2_000
    max_sample_rate_hz: int = 768_000
    max_channels: int = 32


@dataclass(frozen=True, kw_only=True)
class AudioClip:
    """A decoded excerpt.

    Attributes:
        waveform: float32 (n,), mean of all channels at `sample_rate_hz`, nominally in -1..1.
        sample_rate_hz: the rate that was asked for.
        channels: float32 (n_channels, m), the same excerpt as the file holds it, at `info.sample_rate_hz`.
        info: where the excerpt lies and what the file is.
    """

    waveform: Samples
    sample_rate_hz: int
    channels: Samples
    info: ClipInfo


class _Track(Protocol):
    """An opened file: what its header says, and its samples from a given frame on."""

    sample_rate_hz: int
    n_channels: int
    n_frames: int | None
    compressed: bool

    def blocks(self, start: int) -> Iterator[Samples]:
        """Blocks (n_channels, n) from frame `start` to the end; none when it lies beyond."""

    def count_frames(self) -> int:
        """Frames of the whole track when the header does not say."""


@dataclass(frozen=True, kw_only=True)
class _Excerpt:
    """What was asked for, in seconds; `duration_s` None is to the end."""

    offset_s: float
    duration_s: float | None
    centred: bool


def read_clip(
    source: Source,
    *,
    sample_rate_hz: int,
    duration_s: float | None = 10.0,
    offset_s: float = 0.0,
    anchor: Literal["start", "center"] = "start",
    limits: AudioLimits | None = None,
) -> AudioClip:
    """Decodes a excerpt of a track; only that excerpt is decoded, not what lies before or after it.

    A damaged or truncated file gives what can be decoded.

    Args:
        source: path of a local file, the file's bytes, or a binary file object (read from its beginning, left open).
        sample_rate_hz: rate of the waveform that is wanted, above 0.
        duration_s: seconds, above 0; less comes back when the track ends earlier. None is to the end.
        offset_s: seconds into the track, 0 or more.
        anchor: "center" takes the middle of the track; `offset_s` must then be 0.
        limits: bounds that hold while decoding; the defaults of `AudioLimits` when None.

    Raises:
        RequestError: an argument is out of range.
        AudioDecodeError: no such file, not audio, or damaged beyond use.
        AudioTooLargeError: a limit was reached.
        AudioEmptyError: no sound in the file, or none at that offset.
    """
    _check_arguments(sample_rate_hz, duration_s, offset_s, anchor)
    excerpt = _Excerpt(offset_s=offset_s, duration_s=duration_s, centred=anchor == "center")
    limits = limits or AudioLimits()
    read = partial(_read, excerpt=excerpt, sample_rate_hz=sample_rate_hz, limits=limits)
    with _decoded(source, limits, read) as clip:
        return clip


@contextmanager
def open_stream(
    source: Source,
    *,
    sample_rate_hz: int,
    duration_s: float | None = None,
    offset_s: float = 0.0,
    limits: AudioLimits | None = None,
) -> Iterator[AudioStream]:
    """A excerpt of a track, to be read block by block while the context lasts; memory does not grow with its length.

    The samples are those of `read_clip`. The limit on length is `max_stream_s`, not `max_clip_s` or `max_pcm_bytes`.

    Args:
        source: path of a local file, the file's bytes, or a binary file object (read from its beginning, left open).
        sample_rate_hz: rate of the waveform that is wanted, above 0.
        duration_s: seconds, above 0; less comes when the track ends earlier. None is to the end.
        offset_s: seconds into the track, 0 or more.
        limits: bounds that hold while decoding; the defaults of `AudioLimits` when None.

    Raises:
        RequestError: an argument is out of range.
        AudioDecodeError: no such file, not audio, or damaged beyond use.
        AudioTooLargeError: a limit was reached.
        AudioEmptyError: no sound in the file, or none at that offset.
    """
    _check_arguments(sample_rate_hz, duration_s, offset_s, "start")
    excerpt = _Excerpt(offset_s=offset_s, duration_s=duration_s, centred=False)
    limits = limits or AudioLimits()
    begin = partial(AudioStream, excerpt=excerpt, sample_rate_hz=sample_rate_hz, limits=limits)
    with _decoded(source, limits, begin) as stream:
        yield stream


def read_artist(path: Path) -> str:
    """Who plays, by the file's tags; empty when they do not say, or when the file cannot be read."""
    try:
        with _opened(path, AudioLimits()) as file, _ffmpeg_track(file) as track:
            return next(
                (track.tags[key] for key in ("album_artist", "albumartist", "artist") if track.tags.get(key)), ""
            )
    except AudioError:
        return ""


def _check_arguments(sample_rate_hz: int, duration_s: float | None, offset_s: float, anchor: str) -> None:
    if sample_rate_hz <= 0:
        raise RequestError(f"The sample rate asked for is {sample_rate_hz} Hz.", hint="It must be above 0.")
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise RequestError(f"The duration asked for is {duration_s} s.", hint="It must be above 0.")
    if not 0 <= offset_s < float("inf"):
        raise RequestError(f"The offset asked for is {offset_s} s.", hint="It must be 0 or more.")
    if anchor not in {"start", "center"}:
        raise RequestError(f"The anchor is {anchor!r}.", hint='It must be "start" or "center".')
    if anchor == "center" and offset_s:
        raise RequestError(
            f"An offset of {offset_s} s was given for the middle of the track.",
            hint='Leave the offset out, or use anchor "start".',
        )


# --- opening


@contextmanager
def _decoded(source: Source, limits: AudioLimits, begin: Callable[[_Track], _T]) -> Iterator[_T]:
    """What `begin` makes of the track of the first decoder that it can work with; the track stays open meanwhile."""
    with _opened(source, limits) as file, ExitStack() as kept_open:
        failures = _wav_faults(file.read(64), limits)
        for name, open_track in _decoders(file):
            try:
                file.seek(0)
                with ExitStack() as attempt:
                    begun = begin(attempt.enter_context(open_track(file)))
                    kept_open.push(attempt.pop_all())
                break
            except AudioDecodeError as error:
                if error.message not in failures:
                    failures.append(error.message if error.hint else f"{name}: {error.message}")
            except OSError as error:
                raise _unreadable(error) from error
        else:
            raise AudioDecodeError(f"This cannot be decoded as audio. {' '.join(failures)}", hint=_HINT)
        yield begun


def _unreadable(error: OSError) -> AudioDecodeError:
    return AudioDecodeError(f"The file cannot be read ({error}).", hint="Check the disk and try again.")


@contextmanager
def _opened(source: Source, limits: AudioLimits) -> Iterator[BinaryIO]:
    """The source as a seekable binary file whose size is within the limits."""
    if isinstance(source, (str, os.PathLike)):
        with _open_path(Path(source)) as file:
            yield _sized(file, limits)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield _sized(io.BytesIO(source), limits)
    elif hasattr(source, "read"):
        yield _sized(_seekable(source, limits), limits)
    else:
        raise RequestError(
            f"Audio was given as {type(source).__name__}.", hint="Give a path, bytes or a binary file object."
        )


def _open_path(path: Path) -> BinaryIO:
    """Opens a regular file, unbuffered; devices, pipes and folders are refused before they can block."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioDecodeError(f"'{path}' is not a file.", hint="Give the path of one audio file.")
        return path.open("rb", buffering=0)
    except (FileNotFoundError, ValueError) as error:
        raise AudioDecodeError(
            f"There is no file '{path}'.", hint="Check the path; only local files are read, no web addresses."
        ) from error
    except OSError as error:
        raise AudioDecodeError(
            f"'{path}' cannot be opened ({error.strerror}).", hint="Check that you may read it."
        ) from error


def _seekable(file: BinaryIO, limits: AudioLimits) -> BinaryIO:
    """The file itself, or a copy in memory when it is a pipe or the like."""
    try:
        file.seek(0)
    except ValueError as error:  # io.UnsupportedOperation is one too
        if getattr(file, "closed", False):
            raise RequestError("The audio file object is closed.", hint="Open it again.") from error
    except (AttributeError, OSError):
        pass
    else:
        probe: Any = file.read(0)
        if not isinstance(probe, str):
            return file
    content: Any = file.read(limits.max_file_bytes + 1)
    if isinstance(content, str):
        raise RequestError("The audio file object gives text.", hint='Open the file in binary mode ("rb").')
    return io.BytesIO(content)


def _sized(file: BinaryIO, limits: AudioLimits) -> BinaryIO:
    """The file, when its size is neither 0 nor over the limit."""
    size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(0)
    if size == 0:
        raise AudioEmptyError("The file is empty (0 bytes).", hint="Choose or upload it again.")
    if size > limits.max_file_bytes:
        raise AudioTooLargeError(
            f"The file has {size / 2**20:.0f} MiB or more; the limit is {limits.max_file_bytes / 2**20:.0f} MiB.",
            hint="Cut or compress it (10 seconds are enough), or raise the limit.",
        )
    return file


_Opener = Callable[[BinaryIO], Any]


def _decoders(file: BinaryIO) -> tuple[tuple[str, _Opener], ...]:
    """Who reads this file, in order, by its first bytes."""
    file.seek(0)
    head = file.read(64)
    ffmpeg, sndfile = ("FFmpeg", _ffmpeg_track), ("libsndfile", _sndfile_track)
    is_mpeg = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    if is_mpeg or head.startswith(_NOT_FOR_SNDFILE):
        return (ffmpeg,)
    if head.startswith(b"fLaC") or (head.startswith(b"OggS") and b"vorbis" in head):
        return sndfile, ffmpeg
    return ffmpeg, sndfile


def _wav_faults(head: bytes, limits: AudioLimits) -> list[str]:
    """What a wav header claims that no decoder will accept, in words; decoders only say "invalid data"."""
    if not (head.startswith(_WAV_LIKE) and head[12:16] == b"fmt " and len(head) >= 28):
        return []
    n_channels, rate_hz = struct.unpack_from("<HI", head, 22)
    return [message for message in (_rate_fault(rate_hz, limits), _channels_fault(n_channels, limits)) if message]


def _rate_fault(rate_hz: int, limits: AudioLimits) -> str:
    low, high = limits.min_sample_rate_hz, limits.max_sample_rate_hz
    if low <= rate_hz <= high:
        return ""
    return f"The header gives a sample rate of {rate_hz} Hz; {low} to {high} Hz can be read."


def _channels_fault(n_channels: int, limits: AudioLimits) -> str:
    if 1 <= n_channels <= limits.max_channels:
        return ""
    return f"The header gives {n_channels} channels; 1 to {limits.max_channels} can be read."


# --- one excerpt


def _read(track: _Track, excerpt: _Excerpt, sample_rate_hz: int, limits: AudioLimits) -> AudioClip:
    """Finds the excerpt, decodes it with margins, mixes, resamples and cuts the margins off."""
    _check_header(track, limits)
    rate = track.sample_rate_hz
    start = _start_frame(track, excerpt)
    wanted = None if excerpt.duration_s is None else max(1, round(excerpt.duration_s * rate))
    channels, lead, ended = _decode(track, start, wanted, limits)
    if channels.shape[1] <= lead and excerpt.centred and start:  # the header promised more than there is
        start = 0
        channels, lead, ended = _decode(track, start, wanted, limits)
    n_frames = channels.shape[1] - lead if wanted is None else min(wanted, channels.shape[1] - lead)
    if n_frames <= 0:
        _refuse_empty(track, excerpt)
    _refuse_damage(_mend(channels, track), channels.size)
    waveform = _resample(channels.mean(axis=0, dtype=np.float32), rate, sample_rate_hz, lead, n_frames)
    end = start - lead + channels.shape[1]
    track_frames = end if ended else track.n_frames and max(end, track.n_frames)
    info = ClipInfo(
        offset_s=start / rate,
        duration_s=n_frames / rate,
        track_duration_s=None if track_frames is None else track_frames / rate,
        sample_rate_hz=rate,
        channels=track.n_channels,
    )
    return AudioClip(
        waveform=waveform, sample_rate_hz=sample_rate_hz, channels=channels[:, lead : lead + n_frames], info=info
    )


def _check_header(track: _Track, limits: AudioLimits) -> None:
    fault = _rate_fault(track.sample_rate_hz, limits) or _channels_fault(track.n_channels, limits)
    if fault:
        raise AudioDecodeError(fault, hint=_HINT)


def _start_frame(track: _Track, excerpt: _Excerpt) -> int:
    if not excerpt.centred:
        return round(excerpt.offset_s * track.sample_rate_hz)
    if excerpt.duration_s is None:
        return 0
    total = track.n_frames if track.n_frames is not None else track.count_frames()
    return max(0, (total - round(excerpt.duration_s * track.sample_rate_hz)) // 2)


def _decode(track: _Track, start: int, wanted: int | None, limits: AudioLimits) -> tuple[Samples, int, bool]:
    """Samples (n_channels, n) around the excerpt, the frames among them that lie before it, whether the track ended."""
    margin = round(_MARGIN_S * track.sample_rate_hz)
    lead = min(start, margin)
    ahead = None if track.n_frames is None else max(0, track.n_frames - start)
    if ahead is not None:
        _check_size(ahead if wanted is None else min(wanted, ahead), track, limits)
    enough = None if wanted is None else lead + wanted + margin
    buffer = _Buffer(track.n_channels, expected=min((n for n in (enough, ahead) if n is not None), default=margin))
    for block in track.blocks(start - lead):
        buffer.append(block)
        decoded = max(0, buffer.n_frames - lead)
        _check_size(decoded if wanted is None else min(wanted, decoded), track, limits)
        if enough is not None and buffer.n_frames >= enough:
            return buffer.samples[:, :enough], lead, False
    return buffer.samples, lead, True


def _check_size(n_frames: int, track: _Track, limits: AudioLimits) -> None:
    """Refuses a excerpt of `n_frames`, whether a header announces it or it has just been decoded."""
    hint = "BatchPredictor fewer seconds or cut the file."
    if n_frames > limits.max_clip_s * track.sample_rate_hz:
        raise AudioTooLargeError(
            f"The excerpt is longer than {limits.max_clip_s:g} s, the limit.",
            hint=hint,
        )
    if n_frames * track.n_channels * 4 > limits.max_pcm_bytes:
        raise AudioTooLargeError(
            f"The excerpt needs more than {limits.max_pcm_bytes / 2**20:.0f} MiB decoded, the limit "
            f"({track.n_channels} channels at {track.sample_rate_hz} Hz).",
            hint=hint,
        )


def _refuse_empty(track: _Track, excerpt: _Excerpt) -> NoReturn:
    if not excerpt.offset_s:
        raise AudioEmptyError("The file holds no sound (0 samples).", hint="Export or record it again.")
    total = track.n_frames if track.n_frames is not None else track.count_frames()
    length_s = total / track.sample_rate_hz
    raise AudioEmptyError(
        f"There is no sound at {excerpt.offset_s:g} s: the track is {length_s:.1f} s long.",
        hint="Choose an earlier offset.",
    )


class _Buffer:
    """Grows with what is really decoded; the expected size only saves copies, memory is touched when it is filled."""

    def __init__(self, n_channels: int, *, expected: int) -> None:
        self._data = np.empty((n_channels, min(expected, 1 << 22)), np.float32)
        self.n_frames = 0

    def append(self, block: Samples) -> None:
        end = self.n_frames + block.shape[1]
        if end > self._data.shape[1]:
            grown = np.empty((len(self._data), max(end, self._data.shape[1] * 3 // 2)), np.float32)
            grown[:, : self.n_frames] = self.samples
            self._data = grown
        self._data[:, self.n_frames : end] = block
        self.n_frames = end

    @property
    def samples(self) -> Samples:
        return self._data[:, : self.n_frames]


def _mend(channels: Samples, track: _Track) -> int:
    """Limits a codec's bursts, silences NaN, infinite and absurd samples, both in place; how many were silenced."""
    if track.compressed:
        np.clip(channels, -_LOUDEST_COMPRESSED, _LOUDEST_COMPRESSED, out=channels)
    if max(channels.max(), -channels.min()) <= _ABSURD_SAMPLE:  # False when a NaN is among them
        return 0
    bad = ~(np.abs(channels) <= _ABSURD_SAMPLE)
    channels[bad] = 0.0
    return int(np.count_nonzero(bad))


def _refuse_damage(n_bad: int, n_samples: int) -> None:
    """Raises AudioDecodeError when more than a few samples had to be silenced."""
    share = n_bad / n_samples
    if share > _MAX_DAMAGED_SHARE:
        raise AudioDecodeError(
            f"{share:.1%} of the samples are not numbers (NaN, infinite or beyond {_ABSURD_SAMPLE:g}).",
            hint="Export the file again.",
        )


def _resample(mono: Samples, rate_hz: int, wanted_hz: int, lead: int, n_frames: int) -> Samples:
    """The excerpt (n,) at `wanted_hz`, out of mono samples with `lead` frames before it and some after."""
    ratio = Fraction(wanted_hz, rate_hz)
    # A file of the wanted rate gets zeros between its samples and goes through the same filter as all others: what that
    # filter leaves at the top of the band is the darkest part of most images, and their contrast follows from it.
    source, source_hz = (_between_zeros(mono), 2 * rate_hz) if ratio == 1 else (mono, rate_hz)
    mono = cast("Samples", soxr.resample(source, source_hz, wanted_hz, quality="HQ"))
    start, n_samples = round(lead * ratio), round(n_frames * ratio)
    waveform = mono[start : start + n_samples]
    if len(waveform) == 0:
        raise AudioEmptyError(f"The file holds only {n_frames} samples.", hint="Export or record it again.")
    return np.ascontiguousarray(waveform, np.float32)


def _between_zeros(mono: Samples) -> Samples:
    """The same sound (n,) at twice the rate (2 n,), with its mirror image above the old Nyquist frequency."""
    doubled = np.zeros(2 * len(mono), np.float32)
    doubled[::2] = 2 * mono
    return doubled


# --- one excerpt, block by block


class AudioStream:
    """An opened excerpt of a track; see `open_stream`.

    Attributes:
        expected_s: seconds that will come, as far as the header tells; None when it does not.
    """

    def __init__(self, track: _Track, *, excerpt: _Excerpt, sample_rate_hz: int, limits: AudioLimits) -> None:
        _check_header(track, limits)
        self._track, self._excerpt, self._limits = track, excerpt, limits
        rate = track.sample_rate_hz
        self._rates_hz = (rate, sample_rate_hz)
        self._ratio = Fraction(sample_rate_hz, rate)
        self._start = round(excerpt.offset_s * rate)
        self._lead = min(self._start, round(_MARGIN_S * rate))
        self._wanted = None if excerpt.duration_s is None else max(1, round(excerpt.duration_s * rate))
        self._n_decoded, self._ended = 0, False
        ahead = None if track.n_frames is None else max(0, track.n_frames - self._start)
        expected = min((n for n in (self._wanted, ahead) if n is not None), default=None)
        self._check_length(expected or 0)
        self.expected_s = None if expected is None else expected / rate
        self._mono_blocks = self._mono()
        self._first = next(self._mono_blocks, None)  # so that a decoder that cannot read the file fails here

    def blocks(self) -> Iterator[Samples]:
        """Mono blocks (n,) of about a second, one after the other, once; together they are the excerpt.

        Raises:
            AudioDecodeError: the file is damaged beyond use.
            AudioTooLargeError: the track goes on beyond the limit.
            AudioEmptyError: there is no sound in the excerpt.
        """
        skip, given = round(self._lead * self._ratio), 0
        try:
            for block in self._resampled():
                part = block[skip:]
                skip -= len(block) - len(part)
                if self._wanted is not None:
                    part = part[: round(self._wanted * self._ratio) - given]
                given += len(part)
                if len(part):
                    yield part
        except OSError as error:
            raise _unreadable(error) from error
        if not given:
            _refuse_empty(self._track, self._excerpt)

    @property
    def info(self) -> ClipInfo:
        """Where the excerpt lies and what the file is; its duration counts what was decoded so far."""
        rate, n_frames = self._track.sample_rate_hz, max(0, self._n_decoded - self._lead)
        end = self._start - self._lead + self._n_decoded
        total = end if self._ended else self._track.n_frames and max(end, self._track.n_frames)
        return ClipInfo(
            offset_s=self._start / rate,
            duration_s=(n_frames if self._wanted is None else min(self._wanted, n_frames)) / rate,
            track_duration_s=None if total is None else total / rate,
            sample_rate_hz=rate,
            channels=self._track.n_channels,
        )

    def _resampled(self) -> Iterator[Samples]:
        """The mono sound at the rate that is wanted, margins included, as `_resample` makes it."""
        blocks = self._mono_blocks if self._first is None else chain((self._first,), self._mono_blocks)
        rate_hz, wanted_hz = self._rates_hz
        same = rate_hz == wanted_hz
        resampler = soxr.ResampleStream(2 * rate_hz if same else rate_hz, wanted_hz, 1, "float32", quality="HQ")
        for block in blocks:
            yield resampler.resample_chunk(_between_zeros(block) if same else block)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _mono(self) -> Iterator[Samples]:
        """Mended mono blocks at the file's rate, from the leading margin to the end of the trailing one."""
        n_bad = n_samples = 0
        margin = round(_MARGIN_S * self._track.sample_rate_hz)
        enough = None if self._wanted is None else self._lead + self._wanted + margin
        for block in _gathered(self._track.blocks(self._start - self._lead)):
            n_bad += _mend(block, self._track)
            n_samples += block.size
            left = block.shape[1] if enough is None else enough - self._n_decoded
            self._n_decoded += block.shape[1]
            decoded = self._n_decoded - self._lead
            self._check_length(decoded if self._wanted is None else min(self._wanted, decoded))
            yield block[:, :left].mean(axis=0, dtype=np.float32)
            if left <= block.shape[1] and enough is not None:
                break
        else:
            self._ended = True
        if n_samples:
            _refuse_damage(n_bad, n_samples)

    def _check_length(self, n_frames: int) -> None:
        if n_frames > self._limits.max_stream_s * self._track.sample_rate_hz:
            raise AudioTooLargeError(
                f"The track is longer than {self._limits.max_stream_s:g} s, the limit.",
                hint="Choose a shorter excerpt or cut the file.",
            )


def _gathered(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in copies of at least `_BLOCK_FRAMES`: an mp3 comes in pieces of 26 ms, too many to work on."""
    waiting: list[Samples] = []
    n_frames = 0
    for block in blocks:
        waiting.append(block)
        n_frames += block.shape[1]
        if n_frames >= _BLOCK_FRAMES:
            yield np.concatenate(waiting, axis=1, dtype=np.float32)
            waiting, n_frames = [], 0
    if waiting:
        yield np.concatenate(waiting, axis=1, dtype=np.float32)


# --- libsndfile


class _SndfileTrack:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sample_rate_hz: int = file.samplerate
        self.n_channels: int = file.channels
        self.compressed: bool = file.format in {"OGG", "MPEG"}
        #: libsndfile gives the largest integer for "unknown".
        self.n_frames: int | None = file.frames if 0 <= file.frames < 2**62 else None

    def blocks(self, start: int) -> Iterator[Samples]:
        try:
            self._file.seek(start)
            while len(block := self._file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                yield block.T
        except soundfile.LibsndfileError as error:
            if self.n_frames is None or start < self.n_frames:
                raise AudioDecodeError(error.error_string) from error

    def count_frames(self) -> int:
        return sum(block.shape[1] for block in self.blocks(0))


@contextmanager
def _sndfile_track(file: BinaryIO) -> Iterator[_SndfileTrack]:
    """Opens by descriptor where there is one: libsndfile must not see the name, whose suffix it would believe."""
    try:
        opened = soundfile.SoundFile(file.fileno() if isinstance(file, io.FileIO) else file, closefd=False)
    except soundfile.LibsndfileError as error:
        raise AudioDecodeError(error.error_string) from error
    except TypeError as error:  # a file object called *.raw
        raise AudioDecodeError("Headerless audio is not read.") from error
    with opened:
        yield _SndfileTrack(opened)


# --- FFmpeg


class _FFmpegTrack:
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
        if not self._seek(start):
            yield from self._blocks_after(start, 0)
            return
        frames = self._frames()
        first = next(frames, None)
        position = start if first is None or first.pts is None else self._frame_number(first.pts)
        if position > start + self.sample_rate_hz * _MARGIN_S:  # the index led astray
            self._rewind()
            yield from self._blocks_after(start, 0)
        elif first is not None:
            yield from self._blocks_after(start, position, chain((first,), frames))

    def count_frames(self) -> int:
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
def _ffmpeg_track(file: BinaryIO) -> Iterator[_FFmpegTrack]:
    """Opens with FFmpeg, which may read this file object and nothing else.

    A wav file is probed on its first 64 KiB only: its header says all, and looking for DTS in it takes 20 ms.
    """
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
    if file.read(4) in _WAV_LIKE:
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
        yield _FFmpegTrack(container, stream)


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
