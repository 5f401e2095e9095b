"""Which rows are measured, and the tables they become."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.day_series import MAX_HORIZON
from atft.errors import InputError
from atft.evaluation.rank_blend import mean_rank
from atft.evaluation.score_rows import dense_horizon, read_context, read_scores
from foreign_file import foreign_frame, write_foreign


def test_the_test_split_is_the_default_where_there_is_one(tmp_path: Path) -> None:
    frame = foreign_frame()
    path = write_foreign(tmp_path / "a.parquet", frame)
    scores = read_scores(path)
    tested = frame.filter(pl.col("split") == "test")
    assert scores.split == "test" and len(scores.rows) == len(tested)
    assert scores.dropped == {"other split": len(frame) - len(tested)}
    assert any("split 'test'" in note for note in scores.notes)
    named = read_scores(path, "val")
    assert named.split == "val" and len(named.rows) == len(frame) - len(tested)
    assert named.notes == ["rows of the split 'val' were measured"]
    with pytest.raises(InputError, match="no rows of split 'tets'; it has test, val"):
        read_scores(path, "tets")
    unsplit = write_foreign(tmp_path / "b.parquet", frame.drop("split"))
    assert len(read_scores(unsplit).rows) == len(frame) and read_scores(unsplit).split is None
    assert not any("split" in note for note in read_scores(unsplit).notes)


def test_a_file_of_splits_none_of_which_is_called_test_says_which_were_measured(tmp_path: Path) -> None:
    split = pl.col("split").replace({"val": "train", "test": "out of sample"})
    scores = read_scores(write_foreign(tmp_path / "a.parquet", foreign_frame().with_columns(split)))
    assert len(scores.rows) == len(foreign_frame()) and scores.split is None
    assert scores.notes == [
        "no split is 'test': rows of out of sample, train were measured; --split names one"
    ]


def test_a_file_without_horizons_has_one_day_unless_it_is_named(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a.csv", foreign_frame().filter(horizon=5).drop("horizon"))
    assumed = read_scores(path)
    assert assumed.horizons == [1] and any("1 trading day was assumed" in note for note in assumed.notes)
    named = read_scores(path, horizon=5)
    assert named.horizons == [5] and not any("assumed" in note for note in named.notes)


def test_a_horizon_may_be_named_and_one_that_the_file_lacks_raises(tmp_path: Path) -> None:
    frame = foreign_frame()
    path = write_foreign(tmp_path / "a.parquet", frame)
    named = read_scores(path, horizon=5)
    assert named.horizons == [5] and named.dropped["other horizon"] == len(
        frame.filter(split="test", horizon=1)
    )
    with pytest.raises(InputError, match="no rows of horizon 7; it has 1, 5"):
        read_scores(path, horizon=7)


def test_a_horizon_becomes_tables_of_its_days_and_stocks(tmp_path: Path) -> None:
    frame = foreign_frame().sample(fraction=1.0, shuffle=True, seed=0)
    dense = dense_horizon(read_scores(write_foreign(tmp_path / "a.parquet", frame)), 5)
    table = dense.table
    for row in frame.filter(split="test", horizon=5).sample(50, seed=1).iter_rows(named=True):
        day = table.dates.tolist().index(row["date"])
        stock = table.codes.index(row["code"])
        assert table.present[day, stock]
        for name in ("score", "target", "return_1d", "exposure_size"):
            value = np.float32(np.nan if row[name] is None else row[name])
            np.testing.assert_equal(table.columns[name][day, stock], value)
        sector = dense.sector[day, stock]
        assert (dense.sectors[sector] if sector >= 0 else None) == row["sector"]
    assert table.present.sum() == len(frame.filter(split="test", horizon=5))
    assert np.isnan(table.columns["score"][~table.present]).all()


def test_a_stock_and_a_day_of_one_row_are_there(tmp_path: Path) -> None:
    days = [date(2020, 1, day) for day in (2, 3, 6)]
    rows = {"date": [*days[:2], days[1], days[2]], "code": ["a", "a", "b", "a"]}
    frame = pl.DataFrame(rows).with_columns(score=pl.Series([1.0, 2.0, 3.0, 4.0]), target=0.0)
    table = dense_horizon(read_scores(write_foreign(tmp_path / "a.parquet", frame)), 1).table
    assert table.codes == ["a", "b"] and table.dates.tolist() == days
    np.testing.assert_array_equal(table.columns["score"], [[1, np.nan], [2, 3], [4, np.nan]])


@pytest.mark.parametrize("horizon", [0, -1, 1.5, MAX_HORIZON + 1])
def test_a_horizon_that_is_no_number_of_trading_days_raises(horizon: float, tmp_path: Path) -> None:
    frame = foreign_frame(days=12).with_columns(pl.col("horizon").cast(pl.Float64))
    frame = frame.with_columns(
        horizon=pl.when(pl.int_range(pl.len()) == 6).then(horizon).otherwise("horizon")
    )
    path = write_foreign(tmp_path / "a.parquet", frame)
    with pytest.raises(
        InputError, match=f"column 'horizon', row 7: {horizon:g} is no number of trading days"
    ):
        read_scores(path)


def test_rows_without_a_score_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = foreign_frame().with_columns(
        score=pl.when(pl.col("code") == "S001").then(None).otherwise(pl.col("score"))
    )
    scores = read_scores(write_foreign(tmp_path / "a.parquet", frame))
    missing = len(frame.filter(code="S001", split="test"))
    assert scores.dropped["no score"] == missing and "S001" not in dense_horizon(scores, 1).table.codes


def test_two_rows_of_a_stock_and_day_raise_and_name_it(tmp_path: Path) -> None:
    frame = foreign_frame()
    row = frame.filter(split="test", horizon=5)[100]
    path = write_foreign(tmp_path / "a.parquet", pl.concat([frame, row]))
    with pytest.raises(InputError, match=rf"{row['code'][0]} has two rows on {row['date'][0]} at horizon 5"):
        dense_horizon(read_scores(path), 5)


def test_several_seeds_become_their_mean_rank_and_folds_their_days(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=1)
    rng = np.random.default_rng(0)
    fold = pl.when(pl.col("date") < pl.col("date").median()).then(3).otherwise(4)
    one, two, three = (
        frame.with_columns(seed=pl.lit(seed), fold=fold, score=pl.Series(rng.standard_normal(len(frame))))
        for seed in (1, 2, 3)
    )
    scores = read_scores(write_foreign(tmp_path / "all.parquet", pl.concat([one, two, three])))
    assert any("mean rank of up to 3 scores" in note for note in scores.notes)
    joined = dense_horizon(scores, 1).table
    single = [
        dense_horizon(read_scores(write_foreign(tmp_path / "one.parquet", part)), 1).table
        for part in (one, two, three)
    ]
    expected = mean_rank([t.columns["score"] for t in single], joined.present)
    np.testing.assert_allclose(joined.columns["score"], expected, rtol=1e-6)
    np.testing.assert_array_equal(joined.columns["target"], single[0].columns["target"])
    assert not read_scores(tmp_path / "one.parquet").member.any()
    repeated = pl.concat([one, two, two.filter(date=pl.col("date").max())])
    with pytest.raises(InputError, match="has two rows on"):
        dense_horizon(read_scores(write_foreign(tmp_path / "twice.parquet", repeated)), 1)
    # Whatever the order of the rows: what one of them lacks is the other's, and there is only one target.
    unknown = two.with_columns(target=pl.lit(None, one["target"].dtype), sector=pl.lit(None, pl.String))
    sector = dense_horizon(read_scores(tmp_path / "all.parquet"), 1).sector
    for parts in ([one, unknown], [unknown, one]):
        some = dense_horizon(read_scores(write_foreign(tmp_path / "some.parquet", pl.concat(parts))), 1)
        np.testing.assert_array_equal(some.table.columns["target"], single[0].columns["target"])
        np.testing.assert_array_equal(some.sector, sector)
    doubled = pl.concat([one, two.with_columns(pl.col("target") * 2)])
    with pytest.raises(
        InputError, match=r"\w+ has different targets on \S+ at horizon 1; rows of several seeds or"
    ):
        dense_horizon(read_scores(write_foreign(tmp_path / "two.parquet", doubled)), 1)


def test_each_fold_and_seed_of_a_day_is_a_score_of_its_own(tmp_path: Path) -> None:
    frame = foreign_frame(days=12).filter(horizon=1)
    each = [
        frame.with_columns(fold=pl.lit(fold), seed=pl.lit(seed)) for fold in range(3) for seed in range(2)
    ]
    scores = read_scores(write_foreign(tmp_path / "a.parquet", pl.concat(each)))
    assert np.bincount(scores.member).tolist() == [len(frame.filter(split="test"))] * 6


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_seeds_that_are_no_float32_stay_apart(suffix: str, tmp_path: Path) -> None:
    frame = foreign_frame(days=12).filter(horizon=1)
    both = pl.concat([frame.with_columns(seed=pl.lit(20260103 + i), fold=pl.lit(None)) for i in range(2)])
    scores = read_scores(write_foreign(tmp_path / f"a.{suffix}", both))
    assert scores.member.max() == 1 and dense_horizon(scores, 1).table.present.any()


def test_a_fold_that_trained_after_its_days_is_not_causal(tmp_path: Path) -> None:
    frame = foreign_frame(days=12)
    assert read_scores(write_foreign(tmp_path / "a.parquet", frame)).causal is None
    for causal in (True, False, None):
        path = write_foreign(tmp_path / "a.parquet", frame.with_columns(causal=pl.lit(causal, pl.Boolean)))
        assert read_scores(path).causal is causal


def test_context_joins_by_date_and_code(tmp_path: Path) -> None:
    frame = foreign_frame()
    names = ["sector", "return_1d", "traded_value", "exposure_size", "regime_volatility"]
    whole = dense_horizon(read_scores(write_foreign(tmp_path / "whole.parquet", frame)), 5)
    scores = read_scores(write_foreign(tmp_path / "bare.parquet", frame.drop(names)))
    panel = frame.filter(horizon=1).select("date", pl.col("code").alias("ticker"), *names)
    extra = panel.with_columns(ticker=pl.lit("other") + pl.col("ticker"))
    context = read_context(write_foreign(tmp_path / "panel.csv", pl.concat([extra, panel]).reverse()))
    joined = dense_horizon(scores, 5, context)
    for name in names[1:]:
        np.testing.assert_array_equal(joined.table.columns[name], whole.table.columns[name], err_msg=name)
    np.testing.assert_array_equal(joined.sector, whole.sector)
    assert joined.sectors == whole.sectors and set(dense_horizon(scores, 5).table.columns) == {
        "score",
        "target",
    }


def test_context_is_a_panel_of_several_files_as_features_writes_it(tmp_path: Path) -> None:
    frame = foreign_frame()
    names = ["sector", "return_1d", "traded_value", "exposure_size", "regime_volatility"]
    scores = read_scores(write_foreign(tmp_path / "bare.parquet", frame.drop(names)))
    panel = frame.filter(horizon=1).select("date", "code", *names)
    whole = dense_horizon(scores, 5, read_context(write_foreign(tmp_path / "whole.parquet", panel)))
    folder = tmp_path / "panel"
    folder.mkdir()
    for n, rows in enumerate(panel.iter_slices(len(panel) // 3)):
        write_foreign(folder / f"{n}.parquet", rows)
    for place in (folder, folder / "*.parquet"):
        joined = dense_horizon(scores, 5, read_context(place))
        for name in names[1:]:
            np.testing.assert_array_equal(joined.table.columns[name], whole.table.columns[name])
        np.testing.assert_array_equal(joined.sector, whole.sector)
    write_foreign(folder / "9.parquet", panel.drop("traded_value").head(1))
    with pytest.raises(
        InputError, match=r"9\.parquet: must have the columns of .* only some have traded_value$"
    ):
        read_context(folder)
    write_foreign(folder / "predictions.parquet", frame)
    with pytest.raises(InputError, match=r"panel: a folder; give .*predictions\.parquet$"):
        read_context(folder)


def test_context_fills_the_cells_that_the_file_lacks_and_changes_no_other(tmp_path: Path) -> None:
    frame = foreign_frame()
    # The stock leaves the file on the day of its fall, which the panel knows.
    dates = frame["date"].unique().sort()
    gone = (pl.col("code") == "S003") & (pl.col("date") >= dates[30])
    scores = read_scores(write_foreign(tmp_path / "a.parquet", frame.filter(~gone)))
    panel = pl.DataFrame({"date": dates}).with_columns(code=pl.lit("S003"), return_1d=-0.5)
    context = read_context(write_foreign(tmp_path / "panel.parquet", panel))
    own, joined = dense_horizon(scores, 5).table, dense_horizon(scores, 5, context).table
    left = own.dates >= np.datetime64(dates[30])
    place = own.codes.index("S003")
    assert left.any() and np.isnan(own.columns["return_1d"][left, place]).all()
    assert (joined.columns["return_1d"][left, place] == -0.5).all()
    np.testing.assert_array_equal(joined.present, own.present)
    known = np.isfinite(own.columns["return_1d"])
    np.testing.assert_array_equal(joined.columns["return_1d"][known], own.columns["return_1d"][known])


def test_context_fills_the_sectors_that_the_file_lacks_and_changes_no_other(tmp_path: Path) -> None:
    frame = foreign_frame()
    scores = read_scores(write_foreign(tmp_path / "a.parquet", frame))
    panel = frame.filter(horizon=1).select("date", "code", sector=pl.lit("Airlines"))
    panel = panel.with_columns(sector=pl.when(pl.col("code") > "S030").then(None).otherwise("sector"))
    own = dense_horizon(scores, 5)
    joined = dense_horizon(scores, 5, read_context(write_foreign(tmp_path / "panel.parquet", panel)))
    assert own.sector is not None and joined.sector is not None
    assert own.sectors == ["Banks", "Fish"] and joined.sectors == ["Banks", "Fish", "Airlines"]
    codes = np.broadcast_to(np.array(own.table.codes) <= "S030", own.sector.shape)
    lacks = own.table.present & (own.sector < 0) & codes
    assert lacks.any()
    np.testing.assert_array_equal(joined.sector, np.where(lacks, 2, own.sector))
    # A stock that the panel lacks too stays without a sector.
    absent = int(lacks.any(axis=0).argmax())
    others = panel.filter(pl.col("code") != own.table.codes[absent])
    joined = dense_horizon(scores, 5, read_context(write_foreign(tmp_path / "others.parquet", others)))
    lacks[:, absent] = False
    np.testing.assert_array_equal(joined.sector, np.where(lacks, 2, own.sector))


@pytest.mark.parametrize("shift", [{"code": "X"}, {"date": 365}])
def test_context_of_other_stocks_or_days_raises(shift: dict[str, Any], tmp_path: Path) -> None:
    frame = foreign_frame(days=12)
    scores = read_scores(write_foreign(tmp_path / "a.parquet", frame), "test")
    code = pl.lit(shift.get("code", "")) + pl.col("code")
    date = pl.col("date") + pl.duration(days=shift.get("date", 0))
    panel = frame.filter(horizon=1).select(date=date, code=code, return_1d="return_1d")
    context = read_context(write_foreign(tmp_path / "panel.parquet", panel))
    first = panel["code"].min()
    message = rf"must have rows of the scores' days and codes; it begins with {first} on \S+, they with S000 "
    with pytest.raises(InputError, match=message):
        dense_horizon(scores, 5, context)


def test_context_that_repeats_or_has_nothing_raises(tmp_path: Path) -> None:
    frame = foreign_frame(days=12)
    with pytest.raises(InputError, match="rows repeat a date and code"):
        read_context(write_foreign(tmp_path / "a.parquet", frame.drop("score", "target")))
    with pytest.raises(InputError, match="no context column"):
        read_context(write_foreign(tmp_path / "a.parquet", frame.select("date", "code", "target")))
