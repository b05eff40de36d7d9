"""Making a model: the corpus, the teachers, the student, its packing. Needs the extra `train`.

The order of work is the order of the commands of `python -m acousticsense.training`:

    corpus -> features -> train -> grow -> export -> report

Every stage writes files below one work folder and skips what is already there, so each command can be stopped at any
minute and given again. `docs/training.md` tells the whole story.
"""
