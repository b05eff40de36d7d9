"""Options that several commands share, and what commands make of them."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from acousticsense.errors import RequestError
from acousticsense.library.storage import is_remote
from acousticsense.settings import BACKENDS, Settings
from acousticsense.spectrogram.front_end import SpectrogramKind

if TYPE_CHECKING:
    from acousticsense.inference.classifier import GenreClassifier


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, on which device, computed by what."""
    parser.add_argument("--model", help="name in models/, folder, file, or hf:/ms: id")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--backend", choices=BACKENDS, help="what computes (auto: the fastest that answers the same)")


def add_spectrogram_option(parser: argparse.ArgumentParser) -> None:
    """Which spectrogram image."""
    choices = get_args(SpectrogramKind)
    parser.add_argument("--spectrogram", choices=choices, help="which image, for models that know several")


def add_excerpt_options(parser: argparse.ArgumentParser) -> None:
    """Which seconds of the file."""
    parser.add_argument("--duration", dest="duration_s", metavar="S", help='seconds to predict, or "all" (10)')
    parser.add_argument("--offset", dest="offset_s", metavar="S", help="seconds to skip (0)")


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """Which model, which image, which seconds."""
    add_model_options(parser)
    add_spectrogram_option(parser)
    add_excerpt_options(parser)


def settings_of(options: argparse.Namespace) -> Settings:
    """The environment's settings, overridden by what the command line says."""
    given = {name: getattr(options, name, None) for name in ("host", "port", "model", "device", "backend")}
    return Settings().replace(**{name: value for name, value in given.items() if value is not None})


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """A block in which modules are imported: faster, as the garbage collector does not look at what stays."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def classifier_of(options: argparse.Namespace) -> GenreClassifier:
    """The model that the options name, loaded."""
    settings = settings_of(options)
    with quick_imports():  # loading imports the network's libraries
        from acousticsense.inference.classifier import GenreClassifier

        classifier = GenreClassifier.load(device=settings.device, settings=settings)
    return classifier.for_spectrogram(options.spectrogram)


def check_outputs(*places: Path | None, read: Iterable[str]) -> None:
    """Refuses files to be written before any work is done.

    Args:
        places: the files; None is one that was not asked for.
        read: the files that the command reads.

    Raises:
        RequestError: one cannot be written, or would overwrite another one or what is read.
    """
    from acousticsense.audio.names import check_output

    written = [place for place in places if place is not None]
    for place in written:
        check_output(place)
    check_distinct(written, read)


def check_distinct(written: Iterable[Path | str], read: Iterable[str]) -> None:
    """Refuses files that are written although the same command writes or reads them under another option.

    Args:
        written: paths, or URLs of objects in a store.
        read: the same.

    Raises:
        RequestError: one content would overwrite the other.
    """
    used = {_identity(place) for place in read}
    for place in written:
        identity = _identity(place)
        if identity is not None and identity in used:
            raise RequestError(
                f"'{place}' has two uses in this command, and one content would overwrite the other.",
                hint="Name another file.",
            )
        used.add(identity)


def _identity(place: Path | str) -> object:
    """The same for all names of one file; None for a device or a pipe, which takes one content after the other."""
    if isinstance(place, str) and is_remote(place):
        return place
    try:
        status = Path(place).stat()
    except OSError:
        return os.path.realpath(place)
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def write_output(path: Path, content: bytes) -> None:
    """Writes a file; raises RequestError when the disk says no."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RequestError(f"'{path}' cannot be written ({error.strerror}).", hint="Choose another place.") from error


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value
