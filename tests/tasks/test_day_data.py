"""The day data: files made once and when asked, three splits, every day in order for prediction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from atft.data.build import CacheOptions
from atft.data.folds import FoldOptions
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.errors import InputError
from atft.market.options import MarketOptions
from atft.panel import PanelSchema
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions

SPLIT = SplitOptions(
    train=["2015-01-05", "2015-02-27"],
    val=["2015-03-02", "2015-03-25"],
    test=["2015-03-26", "2015-04-24"],
    embargo_days=2,
)


@pytest.fixture
def make_data(tmp_path: Path, make_panel: Callable[..., Path]) -> Callable[..., DayData]:
    def make(**changes: Any) -> DayData:
        given: dict[str, Any] = {
            "panel": PanelOptions(path=str(make_panel())),
            "split": SPLIT,
            "loader": LoaderOptions(lookback=6, block_days=3, batch_size=100),
            "cache": CacheOptions(dir=str(tmp_path / "cache")),
            "graph": GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2),
            "horizons": [1, 5],
        }
        return DayData(**{**given, **changes})

    return make


def test_nothing_is_built_until_it_is_asked_for(make_data: Callable[..., DayData], tmp_path: Path) -> None:
    data = make_data()
    assert not (tmp_path / "cache").exists()
    data.prepare_data()
    assert (tmp_path / "cache" / data.digest / "manifest.json").is_file()


def test_training_sees_its_days_once_in_steps_and_validation_in_order(
    make_data: Callable[..., DayData],
) -> None:
    data = make_data()
    seen = [d for batch in data.train_dataloader() for d in batch.day.tolist()]
    assert sorted(seen) == data.split.train.tolist() != seen
    assert [d for batch in data.val_dataloader() for d in batch.day.tolist()] == data.split.val.tolist()
    assert [d for batch in data.test_dataloader() for d in batch.day.tolist()] == data.split.test.tolist()


def test_a_training_day_without_known_targets_takes_no_part_in_a_step(
    make_data: Callable[..., DayData], make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    frame = pl.read_parquet(make_panel())
    weekly = pl.col("date").dt.weekday() == 3
    targets = [pl.when(weekly).then(pl.col(name)).alias(name) for name in ("target_1d", "target_5d")]
    frame.with_columns(targets).write_parquet(tmp_path / "weekly.parquet")
    data = make_data(panel=PanelOptions(path=str(tmp_path / "weekly.parquet")))
    dates = data.open_cache().manifest.dates
    wednesdays = [day for day in data.split.whole["train"].tolist() if dates[day].weekday() == 2]
    assert data.split.train.tolist() == wednesdays and len(wednesdays) < len(data.split.whole["train"]) / 4
    blocks = list(data.train_dataloader())
    assert all(batch.valid.any((1, 2)).all() for batch in blocks)
    steps = sum(batch.closes_step for batch in blocks)
    assert sum(float(batch.weight.sum()) for batch in blocks) == pytest.approx(steps)
    assert data.planned()["train"][0] == len(wednesdays)


def test_planned_days_and_rows_are_those_the_loaders_give(make_data: Callable[..., DayData]) -> None:
    data = make_data()
    for split, loader in (("train", data.train_dataloader()), ("val", data.val_dataloader())):
        batches = list(loader)
        found = (sum(len(b.day) for b in batches), sum(b.rows for b in batches))
        assert data.planned()[split] == found


def test_prediction_runs_from_validation_to_the_last_day_labels_or_not(
    make_data: Callable[..., DayData],
) -> None:
    data = make_data()
    days = [d for batch in data.predict_dataloader() for d in batch.day.tolist()]
    assert days == list(range(40, 80))
    assert make_data(predict=["2015-04-23", "2015-04-24"]).predict_days().tolist() == [78, 79]


def test_prediction_starts_where_there_is_enough_history(make_data: Callable[..., DayData]) -> None:
    assert make_data(predict=["2015-01-01", "2015-01-14"]).predict_days().tolist() == [5, 6, 7]


def test_prediction_outside_of_the_calendar_is_an_error(make_data: Callable[..., DayData]) -> None:
    with pytest.raises(
        InputError, match=r"the panel runs 2015-01-05 to 2015-04-24 \(80 days\); set data\.predict"
    ):
        make_data(predict=["2031-01-01", "2031-02-01"]).predict_days()


@pytest.mark.usefixtures("types_unchecked")
def test_dates_and_numbers_of_python_and_numpy_are_what_a_config_has(
    make_data: Callable[..., DayData],
) -> None:
    periods = {name: getattr(SPLIT, name) for name in ("train", "val", "test")}
    dates = {name: tuple(map(date.fromisoformat, texts)) for name, texts in periods.items()}
    folds: Any = FoldOptions(period=dates["test"])
    split: Any = SplitOptions(**dates, embargo_days=np.int64(2), folds=folds)
    assert split == replace(SPLIT, folds=FoldOptions(period=SPLIT.test))
    data = make_data(split=split, horizons=[np.int64(1), np.int64(5)], seed=np.int64(3))
    assert data.predict_days().tolist() == list(range(40, 80))
    assert (data.horizons, data.seed, type(data.seed)) == ([1, 5], 3, int)
    assert make_data(predict=dates["val"]).predict_dates == SPLIT.val


def test_a_day_is_named_by_the_split_that_uses_it(make_data: Callable[..., DayData]) -> None:
    data = make_data()
    named = {d: data.split_of(date.fromisoformat(d)) for d in ("2015-01-12", "2015-02-18", "2015-02-19")}
    assert named == {"2015-01-12": "train", "2015-02-18": "train", "2015-02-19": "gap"}
    assert data.split_of(date(2015, 3, 2)) == "val" and data.split_of(date(2015, 3, 25)) == "gap"
    assert data.split_of(date(2015, 4, 24)) == "test" and data.split_of(date(2015, 5, 1)) == "live"


def test_a_config_without_test_days_says_so_when_asked(make_data: Callable[..., DayData]) -> None:
    split = SplitOptions(train=SPLIT.train, val=SPLIT.val, embargo_days=2)
    with pytest.raises(InputError, match=r"test needs data\.split\.test"):
        make_data(split=split).test_dataloader()


def test_scaling_statistics_come_from_training_days_only(make_data: Callable[..., DayData]) -> None:
    import polars as pl

    data = make_data()
    median, iqr, *_ = data.scaling()
    dates = [data.open_cache().manifest.dates[i] for i in data.split.train]
    frame = pl.read_parquet(str(data.panel.path)).filter(pl.col("date").is_in(dates) & pl.col("universe"))
    values = frame.select(pl.col("^x_.*$")).to_numpy()
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    # Estimated from a histogram; a tenth of an IQR is far below what another period would show.
    torch.testing.assert_close(median, torch.from_numpy(middle), atol=0.1, rtol=0, check_dtype=False)
    torch.testing.assert_close(iqr, torch.from_numpy(high - low), atol=0.15, rtol=0, check_dtype=False)


def test_a_simulated_market_is_written_once(make_data: Callable[..., DayData], tmp_path: Path) -> None:
    market = PanelOptions(simulate=MarketOptions(stocks=20, days=120))
    make_data(panel=market).prepare_data()
    (written,) = (tmp_path / "cache").glob("market-*.parquet")
    before = written.stat().st_mtime_ns
    make_data(panel=market).prepare_data()
    assert written.stat().st_mtime_ns == before
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 2


def test_a_cache_is_opened_by_its_folder_without_its_panel(make_data: Callable[..., DayData]) -> None:
    data = make_data()
    folder = data.open_cache().path
    Path(str(data.panel.path)).unlink()
    opened = DayData.from_cache(folder, SPLIT, data.loader_options, predict=["2015-04-23", "2015-04-24"])
    assert opened.digest == data.digest and opened.horizons == [1, 5]
    assert opened.features == [f"x_{i}" for i in range(6)] and opened.regimes == ["regime_volatility"]
    assert opened.graph_options == data.graph_options
    ours, theirs = next(iter(opened.val_dataloader())), next(iter(data.val_dataloader()))
    torch.testing.assert_close(ours.features, theirs.features, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(ours.day, theirs.day) and torch.equal(ours.edge_index, theirs.edge_index)
    assert opened.predict_days().tolist() == [78, 79]


def test_a_misspelt_exclude_stops_a_training_and_nothing_else(make_data: Callable[..., DayData]) -> None:
    misspelt = make_data()
    schema = PanelSchema(exclude=["x__0"])
    misspelt = make_data(panel=PanelOptions(path=misspelt.panel.path, schema=schema))
    assert len(misspelt.features) == 6 and len(misspelt.predict_days())
    with pytest.raises(InputError, match=r"exclude names 'x__0', which is no column; did you mean 'x_0'"):
        misspelt.prepare_training()
    # A cache does not say which columns its panel had beside it.
    opened = DayData.from_cache(misspelt.open_cache().path, SPLIT, misspelt.loader_options)
    opened.prepare_training()


def test_a_folder_without_a_cache_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json"):
        DayData.from_cache(tmp_path, SPLIT, LoaderOptions())


def of_fold(fold: int, **folds: Any) -> SplitOptions:
    """Three folds of 15 days each over days 35 to 79 of the small panel, with 10 days of labels and embargo."""
    plain = {"scheme": "k_fold", "n": 3, "val_days": 6, "period": ["2015-02-23", "2015-04-24"]}
    dates: dict[str, Any] = {"train": SPLIT.train, "val": SPLIT.val, "embargo_days": 5}
    return SplitOptions(**dates, fold=fold, folds=FoldOptions(**{**plain, **folds}))


def test_a_fold_trains_on_both_sides_in_blocks_that_do_not_reach_across_the_days_between(
    make_data: Callable[..., DayData],
) -> None:
    data = make_data(split=of_fold(1))
    assert data.fold_count() == 3 and make_data().fold_count() == 0
    assert data.split.test.tolist() == list(range(50, 65)) and data.split.val.tolist() == list(range(34, 40))
    assert data.split.train.tolist() == [*range(5, 24), *range(75, 79)]  # no target of the last day is known
    blocks = [batch.day.tolist() for batch in data.train_dataloader()]
    assert sorted(day for block in blocks for day in block) == data.split.train.tolist()
    assert all(np.diff(block).tolist() == [1] * (len(block) - 1) for block in blocks)
    assert [d for batch in data.test_dataloader() for d in batch.day.tolist()] == data.split.test.tolist()
    data.prepare_training()


def test_a_fold_scores_its_own_validation_and_test_days_unless_others_are_asked_for(
    make_data: Callable[..., DayData],
) -> None:
    data = make_data(split=of_fold(1))
    assert data.predict_days().tolist() == [*range(34, 40), *range(50, 65)]
    dates = data.open_cache().manifest.dates
    names = [data.split_of(dates[day]) for day in (0, 23, 24, 34, 45, 50, 64, 74, 75)]
    assert names == ["live", "train", "gap", "val", "gap", "test", "test", "gap", "train"]
    assert data.split_of(date(2031, 1, 1)) == "live"
    asked = make_data(split=of_fold(1), predict=["2015-04-23", "2015-04-24"])
    assert asked.predict_days().tolist() == [78, 79]


def test_a_column_of_two_roles_is_read_once_from_a_cache_too(make_data: Callable[..., DayData]) -> None:
    schema = PanelSchema(features=["x_*", "return_1d"])
    data = make_data()
    data = make_data(panel=PanelOptions(path=data.panel.path, schema=schema))
    data.prepare_data()
    folder = Path(data.cache_options.dir) / data.digest
    opened = DayData.from_cache(folder, SPLIT, data.loader_options)
    assert opened.features == data.features and opened.features.count("return_1d") == 1


def test_what_a_fold_is_stands_in_its_columns_and_its_line(make_data: Callable[..., DayData]) -> None:
    data = make_data(split=of_fold(1), seed=7)
    assert data.run_columns() == {"fold": 1, "seed": 7, "causal": False}
    assert data.split.fold.startswith("fold 1 of 3 (k_fold), causal: false (")
    walk = make_data(split=of_fold(0, scheme="walk_forward", n=5, every=30, val_days=3))
    assert walk.run_columns() == {"fold": 0, "seed": 0, "causal": True}
    assert walk.split.fold == "fold 0 of 2 (walk_forward)"
    assert make_data().run_columns() == {"fold": 0, "seed": 0, "causal": True} and not make_data().split.fold


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"panel": "panel.parquet"}, "DayData.panel must be a PanelOptions, got 'panel.parquet'"),
        ({"loader": {"lookback": 20}}, "DayData.loader must be a LoaderOptions, got {'lookback': 20}"),
        ({"split": {}}, "DayData.split must be a SplitOptions, got {}"),
        ({"graph": {}}, "DayData.graph must be a GraphOptions or null, got {}"),
        ({"cache": "cache"}, "DayData.cache must be a CacheOptions or null, got 'cache'"),
        ({"horizons": 5}, "DayData.horizons must be a list of whole numbers or null, got 5"),
        (
            {"horizons": np.array([1, 5])},
            "DayData.horizons must be a list of whole numbers or null, got a ndarray",
        ),
        ({"seed": "1"}, "DayData.seed must be a whole number, got '1'"),
    ],
)
def test_an_argument_of_another_type_is_one_line(change: Any, message: str) -> None:
    split = SplitOptions(["2015-01-01", "2015-09-30"], ["2015-10-01", "2015-12-31"])
    arguments = {"panel": PanelOptions("panel.parquet"), "split": split, "loader": LoaderOptions(), **change}
    with pytest.raises(InputError) as caught:
        DayData(**arguments)
    assert str(caught.value) == message


def test_no_horizon_is_an_error_and_not_the_default(make_data: Callable[..., DayData]) -> None:
    with pytest.raises(InputError, match=r"horizons must be distinct trading days >= 1, got \[\]"):
        make_data(horizons=[]).open_cache()
