"""The value of a run is its selected checkpoint's, nothing stands in for it, and runs share what they read."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.search.failures import TrialFailed
from atft.search.trial_callbacks import Heartbeat
from atft.search.trial_fit import OPENED, RunPlan, final_metrics, fit, selected_epoch, value_of

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


def test_the_selected_epoch_is_that_of_the_best_checkpoint(tiny_run: Any) -> None:
    import json

    history = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    chosen = selected_epoch(tiny_run.directory, history)
    assert chosen["val/rank_ic"] == max(e["val/rank_ic"] for e in history)
    assert set(final_metrics(chosen, "train/loss")) == {n for n in chosen if n.startswith("val/")} | {
        "train/loss"
    }
    with pytest.raises(TrialFailed, match="which left no metrics"):
        selected_epoch(tiny_run.directory, [])


def test_without_a_checkpoint_there_is_no_value(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="no checkpoint was selected") as caught:
        selected_epoch(tmp_path, [{"epoch": 0, "val/rank_ic": 0.1}])
    assert caught.value.kind == "config"


@pytest.mark.parametrize(
    ("epoch", "said"),
    [
        ({"epoch": 0}, "is missing"),
        ({"epoch": 0, "val/ic": math.nan}, "is not a finite number"),
        ({"epoch": 0, "val/ic": -math.inf}, "is not a finite number"),
    ],
)
def test_a_value_that_is_missing_or_no_number_fails(epoch: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match=f"val/ic of the selected epoch {said}"):
        value_of(epoch, "val/ic", tmp_path)
    assert value_of({"epoch": 0, "val/ic": 0.0}, "val/ic", tmp_path) == 0.0


def test_the_runs_of_a_process_share_a_cache_and_end_alike(tiny_run: Any, tmp_path: Path) -> None:
    config = yaml.safe_load(tiny_run.config.read_text())
    plan = RunPlan(config, "val/rank_ic", {"study_id": "id1"}, stop=lambda: False)
    values, opened = [], []
    for name in ("one", "other"):
        place = tmp_path / name
        place.mkdir()
        values.append(fit(plan, place, Heartbeat(place, plan.metric, {})))
        opened.append(dict(OPENED._caches))
    assert values[0] == values[1] and values[0].ended == "finished"
    assert opened[0] == opened[1]  # the second opened none
