"""A training run: trainer, directory, scores and comparison, for a command, a sweep and Python alike."""
