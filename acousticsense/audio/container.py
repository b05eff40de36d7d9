"""Files opened by FFmpeg, through PyAV, in this process.

FFmpeg reads from the one file it is given and from nothing else: it never sees a name, playlists and formats that name
other files are switched off, and a nested open is refused whatever asks for it.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import av

from acousticsense.audio.source import Slice
from acousticsense.errors import AudioDecodeError

#: FFmpeg's demuxers that hold sound themselves. No hls, dash, concat, sdp, rtsp, image or subtitle format.
_DEMUXERS: Final = (
    "3dostr,aa,aac,ac3,aea,aiff,amr,amrnb,amrwb,ape,asf,ast,au,avi,avr,caf,dsf,dts,dtshd,eac3,epaf,flac,flv,gsm,iff,"
    "ircam,loas,matroska,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,paf,pvf,qcp,rm,shn,sox,tak,"
    "truehd,tta,voc,w64,wav,wsd,wv,xwma"
)
WAV_LIKE: Final = (b"RIFF", b"RIFX", b"RF64", b"riff")


def open_container(file: Slice, kind: str | None = None) -> Any:
    """Opens a file; the container is the caller's to close.

    A wav file is probed on its first 64 KiB only: its header says all, and looking for DTS in it takes 20 ms.

    Args:
        kind: the one format that it is to be read as; None lets its content decide.

    Raises:
        AudioDecodeError: FFmpeg does not know the format.
    """
    options = {"format_whitelist": kind or _DEMUXERS, "protocol_whitelist": "none"}
    file.seek(0)
    if file.read(4) in WAV_LIKE:
        options["probesize"] = "65536"
    file.seek(0)
    try:
        return av.open(
            file, mode="r", format=kind, options=options, io_open=_refuse_nested_file, metadata_errors="replace"
        )
    except av.error.FFmpegError as error:
        raise AudioDecodeError(said(error)) from error


def _refuse_nested_file(*_: Any) -> NoReturn:
    raise PermissionError("An audio file may not name other files.")


def said(error: av.error.FFmpegError) -> str:
    """What FFmpeg says of an error, as a sentence."""
    return f"{error.strerror or error}."
