"""Metrics over days: exact, NaN where there is nothing to say, the same on one process and on two."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.cross_section import zscore
from atft.metrics.cross_section_metrics import CrossSectionMetrics, metric_names
from ranks import run_script_twice

MakeBatch = Callable[..., DayBatch]


def scored(batch: DayBatch, seed: int = 0) -> Tensor:
    noise = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(seed))
    return noise + 20 * batch.target.nan_to_num(0)


def metrics_of(score: Tensor, batch: DayBatch, horizons: tuple[int, ...] = (1, 5)) -> dict[str, float]:
    metric = CrossSectionMetrics(horizons)
    metric.update(score, batch.target, batch.valid, batch.day)
    return {n: v.item() for n, v in metric.compute().items()}


def test_metrics_equal_scipy_day_by_day(make_batch: MakeBatch) -> None:
    batch = make_batch(days=30, stocks=60)
    score = scored(batch)
    values = metrics_of(score, batch)
    for i, h in enumerate((1, 5)):
        days = [
            (score[d, v, i].numpy(), batch.target[d, v, i].numpy())
            for d in range(30)
            for v in [batch.valid[d, :, i]]
        ]
        ic = np.array([scipy.stats.pearsonr(s, t).statistic for s, t in days])
        rank_ic = np.array([scipy.stats.spearmanr(s, t).statistic for s, t in days])
        spread = []
        for s, t in days:
            side, order = max(1, len(s) // 10), np.argsort(s)
            spread.append(t[order[-side:]].mean() - t[order[:side]].mean())
        sharpe = np.mean(spread) / np.std(spread, ddof=1)
        oracle = {
            "ic": ic.mean(),
            "rank_ic": rank_ic.mean(),
            "icir": ic.mean() / ic.std(ddof=1),
            "rank_icir": rank_ic.mean() / rank_ic.std(ddof=1),
            "sharpe": sharpe,
            "sharpe_annual": sharpe * np.sqrt(252 / h),
        }
        for name, value in oracle.items():
            assert values[f"{name}_{h}d"] == pytest.approx(value, rel=1e-4), name


def test_every_metric_has_a_value_per_horizon_and_their_mean(make_batch: MakeBatch) -> None:
    batch = make_batch(days=10, stocks=30)
    values = metrics_of(scored(batch), batch)
    assert set(values) == {n + s for n in metric_names() for s in ("", "_1d", "_5d")}
    for name in metric_names():
        assert values[name] == pytest.approx((values[f"{name}_1d"] + values[f"{name}_5d"]) / 2, rel=1e-5)


def test_a_perfect_score_is_one_and_its_negative_minus_one(make_batch: MakeBatch) -> None:
    batch = make_batch(days=10, stocks=30)
    best, worst = metrics_of(batch.target, batch), metrics_of(-batch.target, batch)
    for name, high, low in (("ic", 1, -1), ("rank_ic", 1, -1), ("hit_rate", 1, 0)):
        assert best[name] == pytest.approx(high, abs=1e-5) and worst[name] == pytest.approx(low, abs=1e-5)
    assert best["sharpe"] > 0 > worst["sharpe"]


def test_a_constant_score_is_nan_and_its_scale_is_zero(make_batch: MakeBatch) -> None:
    batch = make_batch(days=10, stocks=30)
    values = metrics_of(torch.full_like(batch.target, 0.1), batch)
    assert all(np.isnan(v) for n, v in values.items() if not n.startswith("scale"))
    assert values["scale"] == 0


@pytest.mark.parametrize(("constant_days", "lost"), [(2, False), (3, True)])
def test_more_than_five_per_cent_of_constant_days_make_the_run_nan(
    constant_days: int, lost: bool, make_batch: MakeBatch
) -> None:
    batch = make_batch(days=40, stocks=30)
    score = scored(batch)
    score[:constant_days, :, 1] = 0.3
    values = metrics_of(score, batch)
    assert np.isnan(values["rank_ic_5d"]) == lost and np.isnan(values["rank_ic"]) == lost
    assert not np.isnan(values["rank_ic_1d"])
    if not lost:
        rest = CrossSectionMetrics((1, 5))
        later = slice(constant_days, None)
        rest.update(score[later], batch.target[later], batch.valid[later], batch.day[later])
        assert values["rank_ic_5d"] == pytest.approx(rest.compute()["rank_ic_5d"].item(), rel=1e-5)


def test_days_of_unknown_labels_are_not_counted_at_all(make_batch: MakeBatch) -> None:
    batch = make_batch(days=20, stocks=30)
    valid = batch.valid.clone()
    valid[10:, :, 1] = False
    values = metrics_of(scored(batch), batch._replace(valid=valid))
    first = batch._replace(
        **{f: getattr(batch, f)[:10] for f in ("target", "valid", "day")}, universe=batch.universe[:10]
    )
    assert values["rank_ic_5d"] == pytest.approx(metrics_of(scored(batch)[:10], first)["rank_ic_5d"])
    assert values["rank_ic"] == pytest.approx((values["rank_ic_1d"] + values["rank_ic_5d"]) / 2)
    constant = scored(batch)
    constant[0] = 0.3  # a tenth of the days that have labels, a twentieth of all
    assert np.isnan(metrics_of(constant, batch._replace(valid=valid))["rank_ic_5d"])
    assert not np.isnan(metrics_of(constant, batch)["rank_ic_5d"])
    nothing = batch._replace(valid=torch.zeros_like(valid))
    assert all(np.isnan(v) for v in metrics_of(scored(batch), nothing).values())
    none_of_one = valid.clone()
    none_of_one[..., 1] = False
    values = metrics_of(scored(batch), batch._replace(valid=none_of_one))
    assert np.isnan(values["rank_ic_5d"]) and values["rank_ic"] == values["rank_ic_1d"]


def test_scale_compares_with_the_transformed_target(make_batch: MakeBatch) -> None:
    batch = make_batch(days=5, stocks=500, missing=0.0)
    assert metrics_of(3 * zscore(batch.target.movedim(1, 2), batch.valid.movedim(1, 2)).movedim(1, 2), batch)[
        "scale"
    ] == pytest.approx(3, rel=0.02)
    metric = CrossSectionMetrics((1, 5), transform=lambda t, v: t)
    metric.update(batch.target * 2, batch.target, batch.valid, batch.day)
    assert metric.compute()["scale"].item() == pytest.approx(2, rel=1e-4)


def test_a_repeated_day_counts_once_and_the_fullest_wins(make_batch: MakeBatch) -> None:
    batch = make_batch(days=12, stocks=30)
    score, metric = scored(batch), CrossSectionMetrics((1, 5))
    empty = torch.zeros_like(batch.valid[:4])
    metric.update(score[:4], batch.target[:4], empty, batch.day[:4])
    metric.update(score[6:], batch.target[6:], batch.valid[6:], batch.day[6:])
    metric.update(score[:8], batch.target[:8], batch.valid[:8], batch.day[:8])
    once = metrics_of(score, batch)
    assert {n: v.item() for n, v in metric.compute().items()} == once
    per_day = metric.per_day()
    assert per_day["day"].tolist() == batch.day.tolist() and per_day["spearman"].shape == (12, 2)
    assert per_day["spearman"].mean().item() == pytest.approx(once["rank_ic"], rel=1e-5)
    assert per_day["decile_spread"].shape == per_day["scale"].shape == (12, 2)


def test_low_precision_scores_and_a_reset(make_batch: MakeBatch) -> None:
    batch = make_batch(days=6, stocks=30)
    metric = CrossSectionMetrics((1, 5))
    metric.update(scored(batch).bfloat16(), batch.target, batch.valid, batch.day)
    exact = metrics_of(scored(batch).bfloat16().float(), batch)
    assert metric.compute()["rank_ic"].item() == exact["rank_ic"]
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert all(v.isnan() for v in metric.compute().values())
    assert metric.per_day()["spearman"].shape == (0, 2)


SCRIPT = """
import json, sys, torch, torch.distributed as dist
from atft.metrics.cross_section_metrics import CrossSectionMetrics
torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
data = torch.load(f"{folder}/days.pt")
metric = CrossSectionMetrics((1, 5))
# Rank 1 sees fewer blocks, and both see the fourth day.
for part in ([[0, 1], [3], [4, 6]], [[2, 3], [5]])[rank]:
    metric.update(*(data[n][part] for n in ("score", "target", "valid", "day")))
print(json.dumps({n: v.item() for n, v in metric.compute().items()}))
dist.destroy_process_group()
"""


def test_two_processes_give_the_bits_of_one_with_a_repeated_day(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch = make_batch(days=7, stocks=30)
    data = {"score": scored(batch), "target": batch.target, "valid": batch.valid, "day": batch.day}
    torch.save(data, tmp_path / "days.pt")
    outputs = run_script_twice(SCRIPT, tmp_path)
    one = metrics_of(data["score"], batch)
    for text in outputs:
        assert json.loads(text.splitlines()[-1]) == one
