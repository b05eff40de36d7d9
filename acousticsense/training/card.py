"""The words of the model card; every figure in it is filled in from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from acousticsense.evaluation.markdown import filled, table
from acousticsense.evaluation.results import Evaluation
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import SpectrogramKind

_CARD: Final = """\
# {name}

{seen} of ten seconds of music in, probabilities of {n_labels} genres and of "not music" out. {title}:
{architecture}{args}, {what}.

{provenance}

## How good it is

Measured on **{n} recordings** of artists that training here left out, at most {most} of a genre, the first ten seconds
of each; "songs" are those of GTZAN among them, excerpts of two to three seconds. About half of GTZAN's artists were
kept for this, the others trained and validated. The test music was looked at {looks}.

{figures}

{recalls}

Genres without test music: **{unmeasured}**. Of those nothing is known. Read the recall of genres with fewer than five
clips as an anecdote. Rap and Hip-Hop are one kind of music under two names here: labels say Hip-Hop, the network
gives both a share. Counted as one, Top-1 is {as_one}.

![confusion matrix](evaluation/{main}/confusion.png)

## What its confidence means

{confidence}

## What it learned from

{learned}. `acousticsense/training/data/recordings.csv` names artist, licence and source of each recording, and
`splits.csv` beside it what was kept out. Songs: Magnatune (Emotify, CC BY-NC-SA), GTZAN (a research collection of
commercial recordings), Jamendo and UltraStar (Creative Commons), collections of Iranian, Indian, Turkish and Spanish
music; music of free games (Debian); a few tracks that networks made (Suno, ACE-Step). What nobody had labelled got
its labels from networks trained on more music: EfficientAT mn04 (MIT), YAMNet (Apache-2.0), musicnn (ISC).

## Limits

- Ten seconds decide, and openings are often not typical of a piece.
- Latin and R&B have hardly a labelled recording: what it says of them rests on its teachers.
- Genre is a matter of opinion and of place; sixteen names are a coarse and Western choice.
- Not for decisions about people: royalties, promotion or rights.

## Make it again

```sh
python -m acousticsense.training all --work WORK --songs FOLDER --free-recordings FOLDER --only {name}
```

`docs/training.md` says what that needs. {effort}

Licence of the weights: {licence}.
"""


def card(
    spec: ModelSpec,
    results: Mapping[SpectrogramKind, Mapping[str, Evaluation]],
    *,
    title: str,
    most: int,
) -> str:
    """The text of a model's `README.md`.

    Args:
        spec: the model, with all figures.
        results: its evaluation for each image, the main one first: "real_test" is on test music, "songs_test" the part
            of it that is of GTZAN, if any is.
        title: what people call the network.
        most: clips that a genre counts for at most.
    """
    main = spec.front_end.kind
    result = results[main]["real_test"]
    size, training = spec.front_end.image_size, spec.metrics.get("training", {})
    seen, what, learned, effort = (
        (
            "An image",
            f"{size}x{size} images ({' or '.join(spec.kinds)}), weights in 8 bits",
            f"{training['corpus']['recordings and sounds']} recordings and sounds",
            f"Trained {training['step']} steps: {training['minutes']} minutes of one core, "
            "not counting the making of images.",
        )
        if spec.front_end.reads_images
        else (
            "A log-mel spectrogram",
            "weights in 32 bits",
            "Recordings of public sources",
            "Only the head was fitted here, in a minute.",
        )
    )
    arguments = ", ".join(f"{name}={value}" for name, value in spec.model_args.items())
    text = _CARD.format(
        name=spec.name,
        title=title,
        n_labels=len(spec.labels),
        architecture=spec.architecture,
        args=f" with {arguments}" if arguments else "",
        seen=seen,
        what=what,
        effort=effort,
        provenance=spec.provenance,
        main=main,
        n=result.n,
        most=most,
        looks="once" if spec.metrics["test_looks"] == 1 else f"{spec.metrics['test_looks']} times",
        figures=_figures(results),
        recalls=_recalls(result),
        as_one=f"{_top1_with_one_rap(result):.3f}",
        unmeasured=", ".join(result.unmeasured) or "none",
        confidence=" ".join(
            _confidence(spec.for_spectrogram(kind), parts["real_test"]) for kind, parts in results.items()
        ),
        learned=learned,
        licence=spec.licence,
    )
    return filled(text)


def _figures(results: Mapping[SpectrogramKind, Mapping[str, Evaluation]]) -> str:
    named, rows = {"real_test": "**this model, {} image**", "songs_test": "{} image, songs alone"}, []
    for kind, parts in results.items():
        for part, figures in parts.items():
            shares = (figures.accuracy, figures.top3, figures.macro_recall, figures.ece)
            rows.append((named[part].format(kind), figures.n, *(f"{share:.3f}" for share in shares)))
    return table(("", "clips", "Top-1", "Top-3", "macro recall", "calibration error"), rows)


def _top1_with_one_rap(result: Evaluation) -> float:
    """Top-1 where it is right to call Hip-Hop Rap, or Rap Hip-Hop."""
    one, other = result.labels.index("Hip-Hop"), result.labels.index("Rap")
    return result.accuracy + (result.confusion[one][other] + result.confusion[other][one]) / result.n


def _recalls(result: Evaluation) -> str:
    genres = list(result.recall)
    return table(
        ("genre", *genres),
        [
            ("clips", *(result.support[genre] for genre in genres)),
            ("found", *(f"{result.recall[genre]:.2f}" for genre in genres)),
        ],
    )


def _confidence(spec: ModelSpec, result: Evaluation) -> str:
    """Temperature, and what each verdict was worth on test music, for one kind of image."""
    told = ", ".join(
        f"{verdict} was right in {right} of {count}" for verdict, (right, count) in result.level_counts.items()
    )
    refused, not_music = spec.metrics["not_music_validation"], ""
    if refused:
        not_music = (
            f" Of {refused['sounds']} generated sounds (speech, noise, rain, tones) {refused['caught']:.0%} were "
            f"called not music, and of the validation music {refused['music_refused']:.0%}."
        )
    return (
        f"With the {spec.front_end.kind} image: temperature {spec.calibration.temperature} and thresholds are from "
        f"{spec.calibration.measured_on}; in the test, of clips of 3 s and more, {told}.{not_music}"
    )
