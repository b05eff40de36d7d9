"""A model of one's own from a folder per genre, starting from an installed one.

    labelled files -> tracks       tracks.py      who is what, what belongs together, what is left out
      -> features                  features.py    windows of each track through the base network, once, kept in files
      -> out-of-fold answers       folds.py, head.py, unfreeze.py
      -> calibration, figures, weights, card       run.py, card.py

Every track is held out once: all figures are about tracks that the network which analysed them was not trained on.
"""
