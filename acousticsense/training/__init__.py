"""Making a model: the corpus, the teachers, the student, its packing. Needs the extra `train`.

The order of work is the order of the commands of `python -m acousticsense.training`:

    corpus -> labels -> train -> export -> taggers -> report

`all` gives them one after the other. Audio, clips and runs are kept below one work folder; `corpus` and `train` go on
where they were stopped. `docs/training.md` tells the whole story.
"""
