"""A model of one's own from a folder per genre, starting from an installed one.

    labelled files -> tracks       tracks.py      who is what, what belongs together, what is left out
      -> features                  features.py    windows of each track through the base network, once, kept in files
      -> networks, one a fold      folds.py, head.py, unfreeze.py, trainer.py
      -> figures and calibration   out_of_fold.py
      -> weights, card             run.py, card.py

Every track is held out once, together with its group: all figures are about tracks that the network which analysed them
was not trained on.
"""

from acousticsense.finetune.options import Options
from acousticsense.finetune.run import Finetuned, finetune

__all__ = ["Finetuned", "Options", "finetune"]
