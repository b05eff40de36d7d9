"""Uncompressed sound in wav, Wave64, AIFF and CAF: where the samples lie and what they are, header against content.

libsndfile reads the samples, but not the header: its reader of IMA ADPCM overflows (CVE-2026-37555), and a header's
fields contradict each other more often than one thinks. Where they do, the reading that the others bear out is used and
a note says so. What is no plain PCM (ADPCM, GSM, mp3 in a wav file) is left to FFmpeg.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal

from acousticsense.audio.chunks import Chunk, Form, find_form, looks_like_chunks, walk
from acousticsense.audio.limits import MOST_CHANNELS
from acousticsense.audio.notes import Notes
from acousticsense.audio.sample_format import (
    SUBTYPES,
    UNKNOWN_SIZES,
    SampleFormat,
    aiff_format,
    caf_format,
    lies_low,
    octets_of,
    wav_format,
)
from acousticsense.audio.source import Slice


@dataclass(frozen=True, kw_only=True)
class PcmLayout:
    """Where the samples lie and what they are.

    Attributes:
        start, size: bytes of the samples in the file.
        subtype, endian: in soundfile's words.
        more: start and size of further parts with samples, which some wav files have.
        gain: factor that brings full scale to 1 when samples lie in the lower part of their container.
        notes: what in the header could not be believed.
    """

    sample_rate_hz: int
    n_channels: int
    subtype: str
    endian: Literal["LITTLE", "BIG"]
    start: int
    size: int
    more: tuple[tuple[int, int], ...] = ()
    gain: float
    notes: Notes


def find_pcm(file: Slice) -> PcmLayout | None:
    """The layout of a file of plain PCM; None when it is something else, or nothing that its header lets one read."""
    file_size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(0)
    form = find_form(file.read(64))
    if form is None:
        return None
    head: Chunk | None = None
    data: Chunk | None = None
    more: list[Chunk] = []
    wide_size = 0
    for chunk in walk(file, form, file_size):
        if chunk.id == b"ds64":
            wide_size = int.from_bytes(_content(file, chunk, 16)[8:16], "little")
        elif chunk.id in (b"fmt ", b"COMM", b"desc") and head is None:
            head = chunk
        elif chunk.id in (b"data", b"SSND") and data is None:
            data = chunk
        elif chunk.id == b"data":
            more.append(chunk)
    if head is None or data is None:
        return None
    if wide_size and data.size in UNKNOWN_SIZES:
        data = replace(data, size=wide_size)
    content = _content(file, head, 64)
    if form.kind == "wav":
        sample = wav_format(content, form.order, file, data.start)
    else:
        sample = aiff_format(content, data.size) if form.kind == "aiff" else caf_format(content)
    if sample is None:
        return None
    layout = _layout(file, form, sample, data, file_size)
    return layout and replace(layout, more=tuple(_part(chunk, sample, file_size) for chunk in more))


def _content(file: Slice, chunk: Chunk, most: int) -> bytes:
    file.seek(chunk.start)
    return file.read(min(chunk.size, most) if chunk.size > 0 else most)


def _part(chunk: Chunk, sample: SampleFormat, file_size: int) -> tuple[int, int]:
    """Start and size of the whole frames of a further chunk of samples."""
    block = sample.container_bytes * sample.n_channels
    there = file_size - chunk.start
    size = there if chunk.size in UNKNOWN_SIZES else min(chunk.size, there)
    return chunk.start, size // block * block


def _layout(file: Slice, form: Form, sample: SampleFormat, data: Chunk, file_size: int) -> PcmLayout | None:
    subtype = SUBTYPES.get((sample.coding, sample.container_bytes))
    if form.kind == "wav" and subtype == "PCM_S8":
        subtype = "PCM_U8"
    if subtype is None or not 1 <= sample.n_channels <= MOST_CHANNELS:
        return None
    block = sample.container_bytes * sample.n_channels
    start, declared = data.start, data.size
    n_repaired = sample.n_repaired
    if form.kind == "aiff":  # SSND begins with an offset and a block size
        offset = int.from_bytes(_content(file, data, 4), "big")
        promised = (sample.n_frames or 0) * block
        if (offset and data.size - 8 == promised) or offset >= min(file_size - start - 8, 1 << 16):
            offset, n_repaired = 0, n_repaired + 1
        start += 8 + offset
        declared -= 0 if declared in UNKNOWN_SIZES else 8 + offset
    elif form.kind == "caf":
        start += 4
        declared -= 0 if declared in UNKNOWN_SIZES else 4
    notes = Notes()
    size = _size(file, form, (start, declared, file_size), sample, notes)
    if n_repaired:
        notes.add("header_repaired", n_repaired)
    return PcmLayout(
        sample_rate_hz=sample.sample_rate_hz,
        n_channels=sample.n_channels,
        subtype=subtype,
        endian="LITTLE" if sample.order == "<" else "BIG",
        start=start,
        size=size // block * block,
        gain=_gain(file, sample, start, size),
        notes=notes,
    )


def _size(file: Slice, form: Form, place: tuple[int, int, int], sample: SampleFormat, notes: Notes) -> int:
    """Bytes of sound that are really there; how they differ from what the header says is noted."""
    start, declared, file_size = place
    block = sample.container_bytes * sample.n_channels
    there = max(0, file_size - start)
    bytes_per_s = block * max(1, sample.sample_rate_hz)
    promised = (sample.n_frames or 0) * block
    if declared in UNKNOWN_SIZES or declared < 0:
        ends = 0 < promised <= there and looks_like_chunks(file, form, start + promised, file_size)
        size = promised if ends else there
        if size:
            notes.add("length_unknown", size / bytes_per_s)
        return size
    if declared >= there + block:
        notes.add("truncated", (declared - there) / bytes_per_s)
        return there
    if not looks_like_chunks(file, form, start + declared, file_size):
        notes.add("longer", (there - declared) / bytes_per_s)
        return there
    if sample.n_frames is not None and abs(promised - declared) >= block and sample.n_repaired == 0:
        notes.add("header_repaired", 1)
    return min(declared, there)


def _gain(file: Slice, sample: SampleFormat, start: int, size: int) -> float:
    """1, but for samples in the lower part of their container: what stands above them is only their sign."""
    unused = sample.container_bytes - -(-sample.valid_bits // 8)
    if sample.coding != "signed" or unused <= 0 or sample.valid_bits <= 0:
        return 1.0
    octets = octets_of(file, start, min(size, 1 << 16), sample.container_bytes, sample.order)
    if not octets[:, :unused].any() or not lies_low(octets, unused):
        return 1.0
    return float(2 ** (8 * sample.container_bytes - sample.valid_bits))
