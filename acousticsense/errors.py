"""Every error a user can meet, as one tree.

    AcousticSenseError
    ├── RequestError            the request itself is malformed
    │   └── UnexplainableError      this kind of network has no heat map
    ├── UnknownModelError       no such model in the catalogue
    ├── AudioError              the audio cannot be analysed
    │   ├── AudioDecodeError        not audio, or damaged beyond use
    │   ├── AudioTooLargeError      over a limit on bytes, seconds or PCM
    │   ├── AudioEmptyError         decodes, but holds nothing to predict
    │   ├── DecoderTimeoutError     its decoder did not come to an end
    │   └── DecoderCrashError       its decoder died of it
    ├── CheckpointError         weights that must not be used
    │   ├── UnsafeCheckpointError       holds more than tensors
    │   ├── CorruptCheckpointError      truncated, or the hash does not match
    │   └── IncompatibleCheckpointError a layer would be left at random
    ├── LibraryError            a folder, ledger or list cannot be used
    │   └── TagError                a file's tags cannot or must not be written
    ├── DownloadError           a hub did not deliver
    ├── SettingsError           a setting has an unusable value
    ├── AccessError             the request knows no password or token
    ├── RateLimitError          one client asks too often
    └── OverloadError           the queue is full, try again later

Each error carries a stable `code` for programs, a message that says what was wrong, and a hint that says what to do.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

__all__ = [
    "AccessError",
    "AcousticSenseError",
    "AudioDecodeError",
    "AudioEmptyError",
    "AudioError",
    "AudioTooLargeError",
    "CheckpointError",
    "CorruptCheckpointError",
    "DecoderCrashError",
    "DecoderTimeoutError",
    "DownloadError",
    "IncompatibleCheckpointError",
    "LibraryError",
    "OverloadError",
    "RateLimitError",
    "RequestError",
    "SettingsError",
    "TagError",
    "UnexplainableError",
    "UnknownModelError",
    "UnsafeCheckpointError",
    "printable",
    "quoted",
]

#: Characters of somebody's own words that are repeated to them.
_MOST_QUOTED: Final = 80
#: A message quotes other libraries, whose sentences may end with a full stop of their own; a path may hold "..".
_TWO_STOPS: Final = re.compile(r"(?<=[^\s./\\'\"])\.\.(?=\s|$)")


def quoted(value: object) -> str:
    """A value from outside in quotation marks, without control characters, its middle left out when it is long."""
    words = str(value)
    return repr(words if len(words) <= _MOST_QUOTED else f"{words[:50]}…{words[-20:]}")


def printable(text: str) -> str:
    """Text that every format can hold: bytes that are no UTF-8, which Python keeps as surrogates, become \\xNN."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")


class AcousticSenseError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what was wrong, with the value and the limit.
        hint: what the user can do about it; may be empty.
        retry_after_s: seconds after which another try makes sense; left out, what the class says, which is None where
            it never does by itself.
    """

    code: ClassVar[str] = "error"
    retry_after_s: int | None = None

    def __init__(self, message: str, *, hint: str = "", retry_after_s: int | None = None) -> None:
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s
        self.message = _TWO_STOPS.sub(".", printable(message))
        self.hint = _TWO_STOPS.sub(".", printable(hint))
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class RequestError(AcousticSenseError):
    """A request or an argument is malformed."""

    code = "bad_request"


class UnexplainableError(RequestError):
    """A heat map was asked of a kind of network that none can be made of."""

    code = "not_explainable"


class UnknownModelError(AcousticSenseError):
    """No model of that name is installed."""

    code = "unknown_model"


class AudioError(AcousticSenseError):
    """Audio that cannot be analysed."""

    code = "audio_error"


class AudioDecodeError(AudioError):
    """No decoder could read the data."""

    code = "audio_undecodable"


class AudioTooLargeError(AudioError):
    """A limit on bytes, seconds or decoded samples was reached."""

    code = "audio_too_large"


class AudioEmptyError(AudioError):
    """The data decodes, but there is nothing in it to predict."""

    code = "audio_empty"


class DecoderTimeoutError(AudioError):
    """The file's decoder was stopped because it did not come to an end."""

    code = "decoder_timeout"


class DecoderCrashError(AudioError):
    """The process that decoded the file died."""

    code = "decoder_crashed"


class CheckpointError(AcousticSenseError):
    """Weights that must not be used."""

    code = "checkpoint_error"


class UnsafeCheckpointError(CheckpointError):
    """The file would run code when it is read."""

    code = "checkpoint_unsafe"


class CorruptCheckpointError(CheckpointError):
    """The file is truncated or is not the one that was recorded."""

    code = "checkpoint_corrupt"


class IncompatibleCheckpointError(CheckpointError):
    """The weights do not cover the network that was asked for."""

    code = "checkpoint_incompatible"


class LibraryError(AcousticSenseError):
    """A folder cannot be read, or a ledger or list cannot be used."""

    code = "library_error"


class TagError(LibraryError):
    """A file's tags cannot be written, or must not be."""

    code = "tag_error"


class DownloadError(AcousticSenseError):
    """A model hub did not deliver what was asked for."""

    code = "download_failed"


class SettingsError(AcousticSenseError):
    """A setting has an unusable value."""

    code = "bad_setting"


class AccessError(AcousticSenseError):
    """The server asks for a password or a token, and the request has none that is right."""

    code = "unauthorized"


class RateLimitError(AcousticSenseError):
    """One client asks too often."""

    code = "too_many_requests"


class OverloadError(AcousticSenseError):
    """Too many requests wait already."""

    code = "overloaded"
    retry_after_s = 2
