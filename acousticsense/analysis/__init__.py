"""More than one answer: ensembles, timelines, comparisons, and where a model looked."""
