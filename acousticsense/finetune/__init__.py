"""A model of one's own from a folder per genre, starting from an installed one; docs/models.md tells the steps."""

from acousticsense.finetune.options import Options
from acousticsense.finetune.run import Finetuned, finetune

__all__ = ["Finetuned", "Options", "finetune"]
