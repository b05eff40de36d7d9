"""What is built on predictions: ensembles, timelines, comparisons, explanations."""
