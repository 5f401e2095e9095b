"""Keep fitted trees in a run's directory, with what is needed to score later days by them."""

from collections.abc import Mapping
from pathlib import Path

from atft.baselines.lightgbm import Trees
from atft.baselines.tree_files import TreeInputs, write_trees
from atft.tasks.day_data import DayData
from atft.tasks.learned import learned_from


def keep_trees(directory: Path, fits: Mapping[int, Trees], data: DayData) -> None:
    """Write trees that were fitted on some data, by seed, into a run's directory."""
    manifest, learned = data.open_cache().manifest, learned_from(data)
    if not any(trees.stopped_early for trees in fits.values()):
        # A fixed number of trees reads no validation day.
        learned["days"] = {"train": learned["days"]["train"]}
    market_columns = all(trees.market_columns for trees in fits.values())
    inputs = TreeInputs(manifest.features, manifest.scaling, manifest.regimes if market_columns else ())
    write_trees(directory, fits, inputs, data.horizons, learned)
