"""Trees that are kept say what they read and which days they have learned from."""

from pathlib import Path
from typing import Any

import pytest

from atft.baselines.tree_files import read_trees
from atft.baselines.tree_options import TreeOptions
from atft.commands.train import build
from atft.tasks.baseline_scores import fit_baseline
from atft.tasks.kept_trees import keep_trees
from atft.tasks.learned import learned_from

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
pytest.importorskip("lightgbm", reason="lightgbm is not installed")


@pytest.mark.parametrize("market_columns", [True, False])
def test_columns_and_days_are_those_of_the_fit(market_columns: bool, tiny_run: Any, tmp_path: Path) -> None:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    for trees, periods in ((4, {"train"}), (None, {"train", "val"})):
        fitted = fit_baseline("lightgbm", data, 3, TreeOptions(trees=trees, market_columns=market_columns))
        keep_trees(tmp_path, {3: fitted}, data)  # type: ignore[dict-item]
        record, read = read_trees(tmp_path)
        assert record.inputs.features == tuple(f"x_{i}" for i in range(6))
        assert set(record.inputs.scaling) == {"raw"} and read[3].market_columns == market_columns
        assert record.inputs.regimes == (("regime_volatility",) if market_columns else ())
        # A fixed number of trees reads no validation day.
        assert record.learned["days"].keys() == periods and record.horizons == (1, 5)
        assert learned_from(data)["days"].items() >= record.learned["days"].items()
        assert set(record.learned["ranges"]["features"]) == set(record.inputs.features)
