"""`acousticsense similar`: the songs of a library that are nearest to one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acousticsense.cli.options import add_model_options, positive, settings_of
from acousticsense.errors import LibraryError, RequestError, printable
from acousticsense.serving.requests import SimilarRequest, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acousticsense.library.features import FeatureTable
    from acousticsense.library.rows import RowError
    from acousticsense.settings import Settings


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("similar", help="the songs of a library that are nearest to one")
    parser.add_argument("song", metavar="SONG", nargs="?", help="left out, the library is only made ready")
    parser.add_argument(
        "--in", dest="places", action="append", required=True, metavar="LIBRARY", help="as for tag, or a ledger"
    )
    parser.add_argument("--top-k", type=positive, default=10, help="songs to show (10)")
    parser.add_argument("--ledger", type=Path, help="where features are kept (library.sqlite in the cache folder)")
    parser.add_argument("--workers", type=positive, metavar="N", help="decoder processes")
    parser.add_argument("--json", action="store_true", help="one JSON object, as POST /api/similar answers")
    add_model_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from acousticsense.inference.classifier import GenreClassifier
    from acousticsense.inference.features import song_features
    from acousticsense.library.engine import EngineOptions
    from acousticsense.library.features import BatchFeatures, FeatureTable
    from acousticsense.library.similar import fill, index_of, similar_payload

    wanted = parse(SimilarRequest, vars(options))
    settings = settings_of(options)
    ledger = _ledger(options, settings)
    classifier = GenreClassifier.load(device=settings.device, settings=settings)
    query = song_features(classifier, options.song).vector if options.song else None
    stage = BatchFeatures(classifier)
    table = FeatureTable(ledger, stage.digest)
    paths: dict[str, None] = dict.fromkeys(_paths(options.places, table))
    told = _Told()
    fill(table, stage, paths, EngineOptions(workers=options.workers), told.count)
    index = index_of(table, paths)
    songs = "1 song" if len(index) == 1 else f"{len(index)} songs"
    print(f"{songs}, {told.done} of them new, {told.failed} that cannot be compared", file=sys.stderr)
    if query is None:
        return 0 if len(index) else 1
    found = index.nearest(query, wanted.top_k, without=options.song)
    if options.json:
        print(json.dumps(similar_payload(found, len(index)), ensure_ascii=False))
    else:
        for song in found:
            print(f"{song.similarity:7.3f}  {song.genre or '-':<12} {song.path}")
    return 0 if found else 1


class _Told:
    """Counts files, and says which cannot be compared."""

    def __init__(self) -> None:
        self.done = self.failed = 0

    def count(self, path: str, error: RowError | None) -> None:
        self.done += error is None
        self.failed += error is not None
        if error:
            print(f"{printable(path)}: {error.message}", file=sys.stderr)


def _ledger(options: argparse.Namespace, settings: Settings) -> Path:
    """The one ledger that is named; by default that in the cache folder.

    Raises:
        RequestError: there are several.
    """
    from acousticsense.library.similar import is_ledger

    named = [Path(place) for place in options.places if is_ledger(place)]
    named += [options.ledger] if options.ledger else []
    ledgers = list({path.resolve(): path for path in named}.values())
    if len(ledgers) > 1:
        raise RequestError(
            f"{len(ledgers)} ledgers are named ({', '.join(map(str, ledgers))}); only one can be used.",
            hint="Name one ledger, and the songs of the others by their folders.",
        )
    return ledgers[0] if ledgers else settings.cache_dir / "library.sqlite"


def _paths(places: list[str], table: FeatureTable) -> Iterator[str]:
    """The files of the library: those that a ledger knows, and those that other places stand for."""
    from acousticsense.library.similar import is_ledger
    from acousticsense.library.storage import is_remote
    from acousticsense.library.walk import Walk

    if any(is_ledger(place) for place in places):
        yield from (path for path in table.known() if not is_remote(path))
    for found in Walk([place for place in places if not is_ledger(place)]):
        if found.error or is_remote(found.path):
            reason = found.error.message if found.error else "Only files of this machine can be compared."
            raise LibraryError(f"{printable(found.path)}: {reason}", hint="Check what --in names.")
        yield found.path
