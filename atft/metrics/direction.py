"""Which metrics of an epoch are better where they are lower: losses, their terms, and quantiles that cross.

All others, also those of the user's own, are better where they are higher. Imports nothing, for what reads a study.
"""

LOWER_IS_BETTER = ("train/loss", "train/term/", "val/quantile_crossing")
"""Beginnings of names."""


def is_lower_better(metric: str) -> bool:
    """Whether less of a metric of an epoch is better, by its name."""
    return metric.startswith(LOWER_IS_BETTER)
