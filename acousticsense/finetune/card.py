"""The card of a fine-tuned model: what it was trained on, how good it is on other tracks, what it cannot do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from acousticsense.evaluation.markdown import filled, table
from acousticsense.evaluation.report import report_markdown
from acousticsense.evaluation.results import Evaluation
from acousticsense.finetune.tracks import Material
from acousticsense.models.spec import ModelSpec

_SKIPPED_LISTED: Final = 20

_CARD: Final = """\
# {name}

{labels} from {front_end} images, by {architecture}. Fine-tuned from **{base}** on {n_tracks} tracks of one's own.

## How good it is

On {n} tracks, **each analysed by a network that was trained without it**: {n_folds} networks were trained, each without
one part of the tracks, and each analysed the part that it was without (cross-validation). {grouping} The network that
is in this folder was trained on all of them, so it cannot be tested on them any more; test it with
`acousticsense evaluate` on tracks that are not in this list.

{tables}

{compared}

![confusion matrix](evaluation/confusion.png)

![reliability](evaluation/reliability.png)

`evaluation/misclassified.csv` lists every misclassified track.

## What it was trained on

{counts}

{trained}

{skipped}

## What its confidence means

Temperature {temperature:.3f} and the verdict thresholds come from the same out-of-fold answers; in the tables above,
each part was analysed by thresholds from the other parts. {levels}

## Limits

- It knows the genres above and no others: whatever it is given, it will name one of them.{not_music}
- It was measured on tracks like those in the folder: the same collection, the same mastering, the same taste in labels.
  Expect less on others.
- {analysed_s} decide unless more are asked for.
- The base model's limits hold here too; see its card.

## Make it again

```sh
{command}
```

## Licence

Licence of these weights: **to be filled in by whoever trained them**. They derive from {base} ({base_licence}) and from
the recordings named above.
"""


def card(
    spec: ModelSpec,
    result: Evaluation,
    material: Material,
    *,
    base: ModelSpec,
    command: str,
    n_folds: int,
    single_group: Sequence[str],
    unmet_criteria: Sequence[str],
    compared: str,
) -> str:
    """The text of `README.md`; see `run.finetune` for where the arguments come from."""
    seconds = spec.windows.default_duration_s
    return filled(
        _CARD.format(
            name=spec.name,
            labels=f"{len(spec.labels)} genres" + (' and "not music"' if spec.has_not_music else ""),
            front_end=spec.front_end.kind,
            architecture=spec.architecture,
            base=base.name,
            n_tracks=len(material.tracks),
            n=result.n,
            n_folds=n_folds,
            grouping=_grouping(material, single_group),
            tables=report_markdown(result),
            compared=compared,
            counts=_counts(material),
            trained=spec.provenance,
            skipped=_skipped(material.skipped),
            temperature=spec.calibration.temperature,
            levels=_levels(unmet_criteria),
            not_music=""
            if spec.has_not_music
            else ' Nor can it tell that something is no music; a folder "not_music" teaches that.',
            analysed_s="The whole track" if seconds is None else f"The first {seconds:g} seconds",
            command=command,
            base_licence=base.licence or "no licence stated",
        )
    )


def _counts(material: Material) -> str:
    tracks = Counter(track.genre for track in material.tracks)
    groups = Counter(genre for genre, _ in {(track.genre, track.group) for track in material.tracks})
    rows = [[genre, tracks[genre], groups[genre]] for genre in material.outputs]
    return table(("genre", "tracks", "artists, albums or lone tracks"), rows)


def _grouping(material: Material, single_group: Sequence[str]) -> str:
    n_groups = len({track.group for track in material.tracks})
    if n_groups == len(material.tracks):
        told = (
            "Neither folders nor tags say which tracks share an artist, so tracks of one artist may lie on both sides; "
            "that flatters the figures."
        )
    else:
        told = "Tracks of one artist, album or folder were held out together."
    if single_group:
        told += f" Of {', '.join(single_group)} all tracks are by one artist or of one album; that flatters its recall."
    return told


def _levels(unmet_criteria: Sequence[str]) -> str:
    if not unmet_criteria:
        return "All confidence levels are supported by the data."
    return "What the data do not support: " + " ".join(unmet_criteria)


def _skipped(skipped: Mapping[str, str]) -> str:
    if not skipped:
        return "No file was left out."
    listed = list(skipped.items())[:_SKIPPED_LISTED]
    more = f"\n- and {len(skipped) - len(listed)} more" if len(skipped) > len(listed) else ""
    return f"Left out: {len(skipped)} files.\n\n" + "\n".join(f"- {path}: {why}" for path, why in listed) + more
