"""A run's trees give a later day the bits that they gave it in the run's own comparison."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atft.baselines.tree_files import read_trees
from atft.commands.train import build
from atft.cross_section import spearman
from atft.daily.options import ListOptions
from atft.daily.scorer import Scorer
from atft.daily.scoring_run import load_run
from atft.daily.tree_scorer import load_trees, tree_scorer
from atft.data.day_features import day_features
from atft.errors import InputError
from atft.evaluation.predictions import read_horizon
from atft.evaluation.rank_blend import mean_rank
from atft.files.yaml_text import read_mapping
from atft.tasks.baseline_scores import fit_baseline, fitted_scores

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def trees(treed_run: Path) -> Scorer:
    return load_trees(treed_run, read_mapping(treed_run / "config.yaml"))


def test_scores_of_all_test_days_have_the_bits_of_the_fitted_boosters(
    treed_run: Path, trees: Scorer, daily: Any, tiny_run: Any
) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data = build("fit", ["--config", str(tiny_run.config), "--seed_everything", "4"]).datamodule
    fitted = {"lightgbm": fit_baseline("lightgbm", data, data.seed)}
    blend = load_run(ListOptions(run=str(treed_run), scorer="blend")).scorer
    printed = (treed_run / "comparison.txt").read_text()
    for place, horizon in enumerate(trees.horizons):
        table = read_horizon(treed_run / "predictions.parquet", horizon, "test")
        of_fit = fitted_scores(fitted, daily.cache, table)["lightgbm"]
        blended = mean_rank([table.columns["score"], of_fit], table.present)
        booster = lightgbm.Booster(model_file=treed_run / "lightgbm" / f"{horizon}d_seed_4.txt")
        rank_ics: dict[str, list[float]] = {"lightgbm": [], "blend": []}
        for row, date in enumerate(table.dates.tolist()):
            day = daily.cache.manifest.dates.index(date)
            present, target = table.present[row], torch.from_numpy(table.columns["target"][row])
            own = trees.score(daily.cache, day, daily.source.lookback)
            both = blend.score(daily.cache, day, daily.source.lookback)
            codes = [code for code, there in zip(table.codes, present, strict=True) if there]
            assert own.codes == both.codes == codes
            assert own.score[:, place].tobytes() == of_fit[row, present].tobytes()
            stocks = daily.cache.day(day).ranked
            direct = booster.predict(day_features(daily.cache, day, stocks, market_columns=True))
            assert own.score[:, place].tobytes() == direct.astype(np.float32).tobytes()
            assert both.score[:, place].tobytes() == blended[row, present].astype(np.float32).tobytes()
            for name, scores in (("lightgbm", own), ("blend", both)):
                whole = torch.zeros(len(target))
                whole[torch.from_numpy(present)] = torch.from_numpy(scores.score[:, place])
                valid = torch.from_numpy(present) & target.isfinite()
                rank_ics[name].append(float(spearman(whole[None], target.nan_to_num()[None], valid[None])))
        # The figures of the table that ended the fit.
        for name, days in rank_ics.items():
            (line,) = re.findall(rf"^{name} +{horizon}d .*$", printed, re.M)
            assert f"{np.nanmean(days):+.4f} ±" in line


def test_sectors_are_those_of_the_network_and_no_history_is_read(trees: Scorer, daily: Any) -> None:
    day = len(daily.cache) - 1
    own, network = (scorer.score(daily.cache, day, daily.source.lookback) for scorer in (trees, daily.scorer))
    assert (own.codes, own.sectors) == (network.codes, network.sectors) and own.quantiles is None
    assert len(trees.score(daily.cache, 1, daily.source.lookback).codes) > 10


def test_columns_are_read_by_their_names_and_those_of_another_panel_are_one_line(
    treed_run: Path, trees: Scorer, daily: Any
) -> None:
    record, fits = read_trees(treed_run)
    fitted = fits[4]

    def with_inputs(**changes: Any) -> Scorer:
        changed = replace(record, inputs=replace(record.inputs, **changes))
        return tree_scorer(treed_run, changed, fitted, {})

    day = len(daily.cache) - 1
    turned = with_inputs(features=tuple(reversed(trees.features)))
    features = day_features(daily.cache, day, daily.cache.day(day).ranked, market_columns=True)
    expected = fitted.score(features[:, [5, 4, 3, 2, 1, 0, 6]])
    np.testing.assert_array_equal(turned.score(daily.cache, day, 1).score, expected)
    for changes, message in (
        (
            {"features": (*trees.features[:5], "other")},
            "lacks 1 of the 7 features that the run's LightGBM reads",
        ),
        ({"regimes": ("regime_other",)}, "lacks 1 of the 7 features .*: regime_other; make it"),
        ({"scaling": ("rank", *["raw"] * 5)}, "reads x_0 as rank, the cache has it as raw; fit again"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            with_inputs(**changes).score(daily.cache, day, 1)
        assert "\n" not in str(caught.value)
