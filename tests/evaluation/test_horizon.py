"""One horizon's figures: which rows and days count, and what stands beside them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.evaluation.day_measures import measure_table
from atft.evaluation.exposures import exposure_series
from atft.evaluation.horizon import measure_horizon
from atft.evaluation.newey_west import mean_error, ratio_error
from atft.evaluation.options import MeasureOptions
from atft.evaluation.result import HorizonEvaluation
from atft.evaluation.score_rows import dense_horizon, read_scores
from atft.evaluation.side_by_side import CompareOptions, compare_files
from foreign_file import foreign_frame, write_foreign

OPTIONS = MeasureOptions(min_stocks=10, draws=50)


def measured(path: Path, frame: pl.DataFrame, horizon: int = 1) -> HorizonEvaluation:
    scores = read_scores(write_foreign(path / "a.parquet", frame))
    return measure_horizon(dense_horizon(scores, horizon), None, OPTIONS)


def test_every_part_is_there(tmp_path: Path) -> None:
    found = measured(tmp_path, foreign_frame(days=80), 5)
    assert found.days == 65 and found.dropped_days == {"no target": 5}
    assert found.figures["rank_ic"].value == pytest.approx(np.nanmean(found.series["rank_ic"]))
    assert list(found.groups) == ["year", "volatility", "sector", "size"]
    assert [row.group for row in found.groups["sector"]] == ["Banks", "Fish"]
    assert [row.group for row in found.groups["size"]] == ["low", "middle", "high"]
    assert [row.group for row in found.groups["year"]] == ["2020", "2021"]
    assert sum(row.days for row in found.groups["year"]) == found.days
    assert set(found.exposures) == {"size"} and "neutral_rank_ic" in found.figures
    assert np.isfinite(found.exposures["size"].error) and np.isnan(found.exposures["size"].t)
    assert [decile.number for decile in found.deciles] == list(range(1, 11))
    assert sum(decile.mean.value for decile in found.deciles) == pytest.approx(0, abs=1e-3)
    assert found.monotonicity > 0.5
    assert {control.name for control in found.controls} >= {"random", "shuffled labels", "reversal", "size"}
    assert len(found.best_days) == len(found.worst_days) == 5
    best = found.best_days[0]
    assert best.rank_ic == np.nanmax(found.series["rank_ic"]) and len(best.top) == len(best.bottom) == 5
    assert found.books.returns_from == "return_1d"


def test_every_part_has_the_error_of_days_whose_labels_overlap(tmp_path: Path) -> None:
    scores = read_scores(write_foreign(tmp_path / "a.parquet", foreign_frame(days=80)))
    dense = dense_horizon(scores, 5)
    found, table = measure_horizon(dense, None, OPTIONS), dense.table
    rank_ic = found.series["rank_ic"]
    for row in found.groups["year"]:
        days = np.where(table.dates.astype("datetime64[Y]").astype(str) == row.group, rank_ic, np.nan)
        assert row.rank_ic.value == pytest.approx(np.nanmean(days))
        assert row.rank_ic.error == pytest.approx(mean_error(days, 4))
    for control in found.controls:
        assert control.figures["rank_ic"].error == pytest.approx(mean_error(control.series["rank_ic"], 4))
        annual = np.sqrt(252 / 5) * ratio_error(control.series["spread"], 4)
        assert control.figures["sharpe_annual"].error == pytest.approx(annual)
    of_size = {"size": table.columns["exposure_size"]}
    exposed, _ = exposure_series(table.columns["score"], table.columns["target"], table.valid(), of_size)
    assert found.exposures["size"].error == pytest.approx(mean_error(exposed["size"], 4))
    measures = measure_table(table.columns["score"], table.columns["target"], table.valid())
    for decile, values in zip(found.deciles, measures.deciles.T, strict=True):
        assert decile.mean.error == pytest.approx(mean_error(values, 4))


def test_stocks_are_grouped_by_traded_value_where_their_size_is_unknown(tmp_path: Path) -> None:
    frame = foreign_frame(days=80).filter(horizon=1)
    known = measured(tmp_path, frame.drop("exposure_size")).groups["size"]
    unknown = frame.with_columns(exposure_size=pl.lit(None, pl.Float64))
    assert measured(tmp_path, unknown).groups["size"] == known


def test_a_regime_that_is_called_like_a_group_of_stocks_is_a_group_of_its_own(tmp_path: Path) -> None:
    frame = foreign_frame(days=80).filter(horizon=1)
    own, beside = (measured(tmp_path, f) for f in (frame, frame.rename({"regime_volatility": "regime_size"})))
    assert beside.groups["size"] == own.groups["size"]
    assert beside.groups["regime_size"] == own.groups["volatility"]


def test_a_score_like_chance_and_one_too_good_are_said_to_be(tmp_path: Path) -> None:
    frame = foreign_frame()
    noise = frame.with_columns(score=pl.Series(np.random.default_rng(2).standard_normal(len(frame))))
    assert any("inside the band of random scores" in text for text in measured(tmp_path, noise).warnings)
    perfect = frame.with_columns(score=pl.col("target").fill_null(0))
    assert any("suspect a bug or a leak first" in text for text in measured(tmp_path, perfect).warnings)


def test_lag_1_counts_the_rows_that_know_its_own_target_as_compare_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frame = foreign_frame().filter(horizon=1)
    unknown, delayed = (pl.Series(rng.random(len(frame)) < 0.3) for _ in range(2))
    frame = frame.with_columns(
        target=pl.when(unknown).then(None).otherwise("target"),
        target_lag1=pl.when(delayed).then(None).otherwise(pl.col("score") + 3 * rng.normal(size=len(frame))),
    )
    whole = measured(tmp_path, frame)
    found = whole.figures["rank_ic_lag1"]
    assert [row.lag for row in whole.decay] == [1, 2, 3, 5, 10, 20]
    (lag1,) = (row.rank_ic for row in whole.decay if row.lag == 1)
    assert (lag1.value, lag1.error) == (found.value, found.error), "one file has one lag 1"
    compared = compare_files({"a": tmp_path / "a.parquet"}, CompareOptions(min_stocks=10, draws=50))
    (same,) = (s for s in compared.horizons[0].scorers if (s.scorer, s.lag) == ("a", 1))
    assert found.value == pytest.approx(same.figures["rank_ic"].value, abs=1e-12)
    assert found.error == pytest.approx(same.figures["rank_ic"].error, abs=1e-12)


def test_days_that_cannot_be_ranked_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=1)
    dates = frame.filter(split="test")["date"].unique().sort()
    thin = (pl.col("date") == dates[3]) & (pl.col("code") > "S005")
    frame = frame.filter(~thin).with_columns(
        target=pl.when(pl.col("date") == dates[5]).then(0.01).otherwise(pl.col("target")),
        score=pl.when(pl.col("date") == dates[7]).then(1.0).otherwise(pl.col("score")),
    )
    found = measured(tmp_path, frame)
    assert found.dropped_days == {"no target": 1, "thin": 1, "constant target": 1, "constant score": 1}
    for reason, day in (("thin", 3), ("constant target", 5), ("constant score", 7), ("no target", -1)):
        assert found.dropped_rows[reason] == len(frame.filter(date=dates[day]))
        assert np.isnan(found.series["rank_ic"][day])
    assert found.days == len(dates) - 4


def test_a_day_on_which_few_stocks_are_known_is_one_on_which_none_are(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=1)
    dates = frame.filter(split="test")["date"].unique().sort()

    def unknown_above(code: str) -> HorizonEvaluation:
        """Of day 3 the return and the exposure, of day 8, which is day 3's lag 5, the target."""
        more = pl.col("code") > code
        lost = {"return_1d": dates[3], "exposure_size": dates[3], "target": dates[8]}
        columns = {n: pl.when(more & (pl.col("date") == d)).then(None).otherwise(n) for n, d in lost.items()}
        return measured(tmp_path, frame.with_columns(**columns))

    few, none = unknown_above("S003"), unknown_above("")
    assert few.decay == none.decay and few.exposures == none.exposures
    for one, other in zip(few.controls, none.controls, strict=True):
        if one.name in ("reversal", "size"):  # the others draw
            np.testing.assert_array_equal(one.series["rank_ic"], other.series["rank_ic"])


def test_a_day_with_few_scores_is_left_out_of_books_and_turnover_too(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=1)
    dates = frame.filter(split="test")["date"].unique().sort()
    found = measured(tmp_path, frame.filter((pl.col("date") != dates[8]) | (pl.col("code") <= "S003")))
    assert found.dropped_days["thin"] == 1
    books = found.books
    of_scores = [found.series[f"new_{side}_names"] for side in ("top", "bottom")]
    for days in (books.turnover, found.series["rank_autocorrelation"], *of_scores):
        assert np.isnan(days[8]) and np.isfinite(days[[7, 10]]).all()
    # The return from day 7 to day 8 is that of the few stocks too.
    for days in (books.gross, books.net):
        assert np.isnan(days[[7, 8]]).all() and np.isfinite(days[[6, 9, 10]]).all()


def test_many_days_of_constant_scores_leave_no_figure(tmp_path: Path) -> None:
    early = pl.col("date") < pl.col("date").median()
    frame = foreign_frame().with_columns(score=pl.when(early).then(0.0).otherwise(pl.col("score")))
    found = measured(tmp_path, frame)
    (warning,) = found.warnings
    assert "a mean without them would flatter, so no figure is shown" in warning
    every = [found.figures.values(), (d.mean for d in found.deciles), (row.rank_ic for row in found.decay)]
    assert all(np.isnan(interval).all() for intervals in every for interval in intervals)
    books = found.books
    days = [*found.series.values(), books.gross, books.net, books.turnover, books.capacity]
    assert all(np.isnan(values).all() for values in days) and np.isnan(found.monotonicity)
    assert not (found.groups or found.exposures or found.controls or found.covered)
    assert not (found.best_days or found.worst_days)
    assert found.days > 0 and found.dropped_days["constant score"] > 0 and found.stocks.any()
    assert set(found.figures) == set(measured(tmp_path, foreign_frame()).figures)


def test_targets_in_per_cent_are_said_to_be_no_returns_by_evaluate_and_compare(tmp_path: Path) -> None:
    frame = foreign_frame()
    percent = frame.with_columns(target=100 * pl.col("target"))
    sentence = "no return as a fraction"
    assert not any(sentence in text for text in measured(tmp_path, frame).warnings)
    (warning,) = [text for text in measured(tmp_path, percent).warnings if sentence in text]
    assert warning.startswith("target falls to -") and warning.endswith("divide per cent by 100")
    paths = {"a": write_foreign(tmp_path / "percent.parquet", percent)}
    compared = compare_files(paths, CompareOptions(min_stocks=10, draws=20))
    assert all(any(sentence in text for text in h.warnings) for h in compared.horizons)


def test_a_return_of_the_day_that_is_of_a_later_day_is_warned_of(tmp_path: Path) -> None:
    frame = foreign_frame(days=80)
    later = frame.with_columns(
        return_1d=pl.col("return_1d").shift(-1).over("code", "horizon", order_by="date")
    )
    for horizon in (1, 5):
        assert not any("return_1d" in text for text in measured(tmp_path, frame, horizon).warnings)
        (text,) = (text for text in measured(tmp_path, later, horizon).warnings if "return_1d" in text)
        assert text.startswith("reversal has RankIC -") and "and is of a later day" in text
