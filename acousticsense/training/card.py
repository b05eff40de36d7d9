"""The words of the model card; every figure in it is filled in from what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from acousticsense.config import ModelSpec
from acousticsense.evaluation import Evaluation
from acousticsense.markdown import filled
from acousticsense.training.recipe import Recipe
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.validate import Score

__all__ = ["card"]

_CARD: Final = """\
# {name}

The default model of AcousticSense: a picture of ten seconds of music in, probabilities for {n_labels} genres and for
"not music" out. {architecture}, {image}x{image} mel spectrogram, weights in 8 bits.

{provenance}

## How good it is

On **{n} real recordings kept out of training**, of other artists and other packages than the training
music, at most 20 of a genre, the first ten seconds of each. {note}

| | clips | Top-1 | Top-3 | macro recall |
| --- | ---: | ---: | ---: | ---: |
| **this model** | {n} | {top1:.3f} | {top3:.3f} | {macro:.3f} |
{peers}

The other rows are the published networks that taught it, asked without any training of ours, on the same clips.
{standing}

{tables}

![confusion matrix](evaluation/confusion.png)

Genres without a single real test recording: **{unmeasured}**. For those nothing is known about real music, and no
figure above speaks of them. Genres with fewer than five clips: {few}; read their recall as anecdotes.

## What it was trained on

{corpus}

Recordings come from public Debian packages and public repositories; `acousticsense/training/data/recordings.csv` names
file, artist, licence and source of each, `splits.csv` what it was used for. Most of it is the music of free games, so
most of it is electronic, and nobody has listened to all of it: labels come from tags, titles, credits and knowledge of
the artists. Music that the project keeps for judging was never touched. Rendered music: grooves of MMA (GPL), scores
from the music21 corpus (public domain), own step patterns; SoundFonts FluidR3 (MIT) and TimGM6mb (GPL); speech by
espeak-ng (GPL). Teachers: EfficientAT mn04 (MIT), musicnn (ISC).

A logistic regression on the teachers' features, fitted under the labels of rendered and labelled real music, gives soft
labels to every window; the network learns those, the known labels, and to predict the teachers' features. Pictures are
varied in tempo, pitch, equalisation, noise, band limits and gaps.

## What its confidence means

Temperature {temperature} and the verdict thresholds were fitted on {measured_on}. Share of right answers there, by
verdict: {bands}; the table above tells how far that held on the test music. "Not music" from a
probability of {not_music_at}: on validation {not_music}.

## Limits

- Ten seconds decide; openings are often not typical of a piece.
- Of real music with a known genre it has heard little but Electronic, and no singing to speak of (see the table above).
  What it knows of the other genres it knows from rendered music and from its teachers.
- Genre is a matter of opinion and of place; sixteen names are a coarse and Western choice.
- Not for decisions about people: royalties, promotion or rights.

## Make it again

```sh
python -m acousticsense.training corpus --work WORK --free-recordings FOLDER
python -m acousticsense.training train  --work WORK
python -m acousticsense.training export --work WORK --out models/{name}
python -m acousticsense.training report --work WORK --out models/{name} --free-recordings FOLDER --note "..."
```

`docs/training.md` explains the commands and what they need. The corpus of this version was gathered in stages on a
shared machine, so a new run gives similar weights and not the same. Trained {steps} steps of {batch} pictures.
8-bit weights against the trained ones, on the validation clips: largest change of a probability {max_change:.4f}, mean
{mean_change:.5f}, same best label {agreement:.1%}.

Licence of the weights: {licence}.
"""


def card(
    spec: ModelSpec, result: Evaluation, peers: Mapping[str, Score], store: TrackStore, recipe: Recipe, *, note: str
) -> str:
    """The text of `README.md`; `note` says how often the test music was looked at."""
    few = [f"{genre} ({count})" for genre, count in result.support.items() if count < 5]
    calibration, packing = spec.calibration, spec.metrics["packing"]
    training = spec.metrics.get("training", {})
    text = _CARD.format(
        name=spec.name,
        n_labels=len(spec.labels),
        architecture=spec.architecture,
        image=spec.front_end.image_size,
        provenance=spec.provenance,
        n=result.n,
        top1=result.accuracy,
        top3=result.top3,
        macro=result.macro_recall,
        peers="\n".join(_peer_row(name, figures) for name, figures in peers.items()),
        tables=result.to_markdown(),
        unmeasured=", ".join(label for label in spec.labels if label not in result.support) or "none",
        few=", ".join(few) or "none",
        corpus=_corpus(store.tracks()),
        temperature=calibration.temperature,
        measured_on=calibration.measured_on,
        bands=_bands(spec.metrics["validation_bands"]),
        not_music_at=calibration.not_music_at,
        not_music=_not_music(spec.metrics.get("not_music_validation", {})),
        steps=training.get("step", "?"),
        batch=recipe.batch,
        max_change=packing["max_change"],
        mean_change=packing["mean_change"],
        agreement=packing["top1_agreement"],
        note=note,
        standing=_standing(result, peers),
        licence=spec.licence,
    )
    return filled(text)


def _standing(result: Evaluation, peers: Mapping[str, Score]) -> str:
    """The comparison in plain words, to the model's advantage or not."""
    right = sum(clip.is_right for clip in result.clips)
    best = max(peers.values(), key=lambda figures: figures.top1)
    if result.accuracy < best.top1:
        return (
            f"In plain words: it names the right genre for {right} of {result.n} clips. **That is worse than its "
            "teachers do by themselves; do not rely on this version.**"
        )
    return f"In plain words: it names the right genre for {right} of {result.n} clips, more than its teachers do."


def _peer_row(name: str, figures: Score) -> str:
    return f"| {name}, zero-shot | {figures.n} | {figures.top1:.3f} | {figures.top3:.3f} | {figures.macro_recall:.3f} |"


def _corpus(tracks: Iterable[Track]) -> str:
    """Tracks by genre and kind, those of the training split."""
    counts: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        if track.split == "train":
            counts[track.genre or ("no label" if track.kind == "real" else "not music"), track.kind] += 1
    genres = sorted({genre for genre, _ in counts})
    rows = [
        f"| {genre} | {counts[genre, 'real']} | {counts[genre, 'rendered'] + counts[genre, 'not_music']} |"
        for genre in genres
    ]
    return "\n".join(("| training tracks | real | rendered or generated |", "| --- | ---: | ---: |", *rows))


def _bands(accuracy: Mapping[str, float]) -> str:
    return ", ".join(f"{verdict} {share:.0%}" for verdict, share in accuracy.items()) or "too few clips to say"


def _not_music(figures: Mapping[str, float]) -> str:
    if not figures:
        return "it was not measured"
    return (
        f"{figures['caught']:.0%} of {figures['sounds']:.0f} generated sounds (speech, noise, rain, tones) are caught "
        f"and {figures['music_refused']:.0%} of the music is refused"
    )
