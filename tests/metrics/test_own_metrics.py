"""A metric of the user's own is measured as ours; a fault of its function or its name is one line."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from atft.batch import DayBatch
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.evaluation.comparison_table import comparison_table
from atft.evaluation.plain_table import table_text
from atft.evaluation.summary import summarise_scorers
from atft.metrics.cross_section_metrics import CrossSectionMetrics, metric_names
from atft.metrics.own_metrics import metric_paths, nearest_metric, own_metrics
from small_scores import table_of

LOGGED = ("loss", "scale", "day", "learning_rate", "quantile_crossing")
"""Names that a run, or a table of days, gives to something else."""


pytestmark = pytest.mark.usefixtures("toypkg")


def test_it_is_the_mean_over_days_of_what_its_function_returns(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(days=6, stocks=30)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0))
    metrics = RANKING_METRICS | own_metrics(["toypkg.metrics.top_hit", "toypkg.metrics.other_order"])
    measured = CrossSectionMetrics((1, 5), metrics=metrics)
    measured.update(score, batch.target, batch.valid, batch.day)
    values = measured.compute()
    assert set(values) == {n + s for n in metric_names(metrics) for s in ("", "_1d", "_5d")}
    for i, horizon in enumerate((1, 5)):
        hits, sums = [], []
        for day in range(6):
            valid = batch.valid[day, :, i]
            scores, returns = score[day, valid, i], batch.target[day, valid, i]
            hits.append((returns[scores.argsort(descending=True)[:5]] > 0).float().mean())
            sums.append(2 * (returns * scores.sign()).sum())
        assert values[f"top_hit_{horizon}d"].item() == pytest.approx(np.mean(hits), abs=1e-6)
        assert values[f"other_order_{horizon}d"].item() == pytest.approx(np.mean(sums), abs=1e-6)
    plain = CrossSectionMetrics((1, 5))
    plain.update(score, batch.target, batch.valid, batch.day)
    assert all(torch.equal(value, values[name]) for name, value in plain.compute().items())


def test_it_is_a_column_of_the_comparison_table_which_becomes_as_wide_as_it_needs() -> None:
    rng = np.random.default_rng(0)
    target = rng.standard_normal((20, 30)).astype(np.float32)
    score = target + rng.standard_normal((20, 30)).astype(np.float32)
    best = np.take_along_axis(target, (-score).argsort(axis=1)[:, :5], axis=1)
    metrics = RANKING_METRICS | own_metrics(["toypkg.metrics.top_hit", "toypkg.metrics.other_order"])
    rows = summarise_scorers({"network": score}, table_of(5, target), metrics=metrics)
    assert rows[0].figures["top_hit"].value == pytest.approx((best > 0).mean(), abs=1e-6)
    bands = {5: {"rank_ic": (-0.1, 0.1)}}
    heading, *lines = table_text(comparison_table(rows, bands, metrics=metrics)).splitlines()
    assert heading.split()[-2:] == ["top_hit", "other_order"] and "annualised Sharpe" in heading
    assert f"{(best > 0).mean():+.4f} ± " in lines[-2] and "…" not in "".join(lines)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pearson", "has a name that a run logs already, 'pearson'; rename it"),
        *((name, f"has a name that a run logs already, '{name}'") for name in LOGGED),
        ("hit_5d", "has a name that a run logs already, 'hit_5d'"),
        (
            "per_stock",
            r"returns \[3, 32\] from \[days, stocks\] \[3, 32\], it must be \[3\]; reduce the last axis",
        ),
        ("counts_all", "counts stocks that are not valid; take the argument valid"),
        ("product", "counts stocks that are not valid"),
        ("by_zero", r"counts stocks that are not valid; .* use torch.where"),
        ("of_all_days", "mixes days, a day's value changes with the others; reduce the last axis"),
        ("drawn", "is another number at each call; a metric must not draw at random"),
        ("nothing", "is nan on noise; return a number for each day"),
        ("of_three_axes", r"raises ValueError at metrics.py line \d+: not enough values to unpack"),
        ("of_a_sector", "takes 'sector', which is no tensor; did you mean 'score'"),
        ("top_hti", "is no function of toypkg.metrics; did you mean 'top_hit'"),
    ],
)
def test_a_function_that_measures_no_day_is_an_error(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^model.metrics: toypkg.metrics.{name} {message}") as caught:
        own_metrics([f"toypkg.metrics.{name}"])
    assert len(str(caught.value)) < 200


def test_a_metric_that_asks_for_many_stocks_is_tried_on_many() -> None:
    measured = own_metrics(["toypkg.metrics.of_many"])["of_many"]
    scores = torch.ones(2, 60)
    valid = torch.stack((torch.ones(60), torch.arange(60) < 40)).bool()
    values = measured.statistic(scores, scores, valid)
    assert values[0] == 1 and values[1].isnan()


def test_a_metric_may_be_unknown_on_some_days() -> None:
    measured = own_metrics(["toypkg.metrics.on_falling_days"])["on_falling_days"]
    target = torch.tensor([[-1.0, 0.2, 0.3], [1.0, 2.0, -1.0]])
    values = measured.statistic(torch.ones(2, 3), target, torch.ones(2, 3, dtype=torch.bool))
    assert values[0].item() == pytest.approx(2 / 3) and values[1].isnan()


def test_one_path_may_stand_alone() -> None:
    path = "toypkg.metrics.top_hit"
    assert metric_paths(path) == metric_paths([path]) == metric_paths((path,)) == [path]
    assert metric_paths(None) == metric_paths([]) == [] and list(own_metrics(path)) == ["top_hit"]


def test_a_metric_that_no_epoch_logs_may_be_one_that_is_not_named_yet() -> None:
    own = "If it is your own, add its function to model.metrics"
    assert nearest_metric("val/rank_icc", ["val/rank_ic"]) == f"; did you mean 'val/rank_ic'? {own}"
    assert nearest_metric("top", ["val/ic"]) == f"; known: val/ic. {own}"


def test_a_function_itself_is_an_error_that_says_its_name() -> None:
    function: Any = importlib.import_module("toypkg.metrics").top_hit
    with pytest.raises(InputError, match=r"^model.metrics has a function; .*, 'toypkg\.metrics\.top_hit'"):
        own_metrics([function])
    with pytest.raises(InputError, match="has a function"):
        own_metrics(function)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["top_hit"], "'top_hit' is no dotted path; write one such as mypkg.metrics.top_hit"),
        (["toypkg.metrics.top_hit"] * 2, "toypkg.metrics.top_hit has a name that a run logs already"),
        (
            ["toypkg.metrics.top_hit", "toypkg.other.top_hit"],
            "toypkg.other.top_hit has a name that a run logs",
        ),
        (["os.abort"], "os.abort takes no tensor; known: score, target, valid"),
    ],
)
def test_names_that_clash_or_name_nothing_are_errors(paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match=f"^model.metrics: {message}"):
        own_metrics(paths)
