"""Files side by side: the rows that all have, the blend, controls, differences, and what is left out."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from atft.errors import InputError
from atft.evaluation.rank_blend import mean_rank
from atft.evaluation.side_by_side import BLEND, ComparedHorizon, CompareOptions, SideBySide, compare_files

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture
def other(predictions: Path) -> Callable[..., Path]:
    """A factory of files made from the conftest's: other scores, and what else is changed."""

    def write(name: str = "other", change: Change = lambda frame: frame, seed: int = 1) -> Path:
        frame = pl.read_parquet(predictions)
        noise = pl.Series(0.05 * np.random.default_rng(seed).standard_normal(len(frame)))
        frame = frame.with_columns((pl.col("oracle") + noise).cast(pl.Float32).alias("score"))
        path = predictions.with_name(f"{name}.parquet")
        change(frame).write_parquet(path)
        return path

    return write


def rank_ic(frame: pl.DataFrame) -> float:
    """Mean over days of scipy's Spearman correlation."""
    days = frame.filter(pl.col("target").is_not_null()).partition_by("date")
    return float(np.mean([spearmanr(day["score"], day["target"]).statistic for day in days]))


def rows_of_test(frame: pl.DataFrame, horizon: int) -> pl.DataFrame:
    return frame.filter((pl.col("split") == "test") & (pl.col("horizon") == horizon))


def figure(compared: ComparedHorizon, scorer: str, name: str = "rank_ic", lag: int = 0) -> float:
    (row,) = (s for s in compared.scorers if (s.scorer, s.lag) == (scorer, lag))
    return row.figures[name].value


def compare(paths: dict[str, Path], **options: object) -> SideBySide:
    return compare_files(paths, CompareOptions(**{"draws": 50, **options}))


def test_files_are_measured_on_the_rows_that_all_have(predictions: Path, other: Callable[..., Path]) -> None:
    path = other(change=lambda f: f.filter((pl.col("date").dt.day() != 15) & (pl.col("code") != "S003")))
    result = compare({"a": predictions, "b": path})
    a, b = (
        pl.read_parquet(p).filter((pl.col("split") == "test") & (pl.col("horizon") == 5))
        for p in (predictions, path)
    )
    common = a.join(b.select("date", "code"), on=["date", "code"])
    compared = result.horizons[1]
    assert compared.horizon == 5 and compared.rows == len(common)
    assert compared.dropped == {"a": (len(a) - len(common), 1), "b": (0, 0)}
    assert figure(compared, "a") == pytest.approx(rank_ic(common), abs=1e-6)
    assert figure(compared, "b") == pytest.approx(rank_ic(b), abs=1e-6)
    assert (compared.first, compared.last) == ("2020-01-11", "2020-02-09")


def test_the_blend_is_the_mean_rank_of_all_and_better_than_each(
    predictions: Path, other: Callable[..., Path]
) -> None:
    paths = {"a": predictions, "b": other(), "c": other("c", seed=2)}
    for compared in compare(paths).horizons:
        blend = figure(compared, BLEND)
        assert blend > max(figure(compared, name) for name in paths)
    without = compare(paths, blend=False)
    assert BLEND not in {s.scorer for h in without.horizons for s in h.scorers}
    assert BLEND not in {s.scorer for s in compare({"a": predictions}).horizons[0].scorers}


def test_controls_stand_on_the_same_days_and_what_a_file_lacks_is_absent(predictions: Path) -> None:
    compared = compare({"a": predictions}).horizons[0]
    names = list(dict.fromkeys(s.scorer for s in compared.scorers))
    assert names == ["a", "random", "shuffled labels", "reversal", "momentum", "low volatility"]
    assert compared.absent == {"size": "no values in column exposure_size or traded_value"}
    days = {s.scorer: s.days for s in compared.scorers if s.lag == 0}
    assert days["a"] == days["random"] == 29 and 0 < days["momentum"] < 29
    low, high = compared.bands[0]["rank_ic"]
    assert low < figure(compared, "shuffled labels") < high < figure(compared, "a")


def test_differences_are_from_the_first_and_from_the_best_baseline(
    predictions: Path, other: Callable[..., Path]
) -> None:
    paths = {
        "net": predictions,
        "trees": other(),
        "ridge": other("ridge", lambda f: f.with_columns(-pl.col("score"))),
    }
    result = compare(paths, baselines=["trees", "ridge"])
    for compared in result.horizons:
        pairs = {(p.scorer, p.against): p.difference for p in compared.differences[0, "rank_ic"]}
        assert list(pairs) == [
            ("ridge", "net"),
            (BLEND, "net"),
            ("net", "trees"),
            ("ridge", "trees"),
            (BLEND, "trees"),
        ]
        for (one, two), difference in pairs.items():
            assert difference.value == pytest.approx(figure(compared, one) - figure(compared, two))
    # The first may be a baseline, and another one the best.
    for compared in compare(dict(reversed(paths.items())), baselines=["trees", "ridge"]).horizons:
        pairs = [(p.scorer, p.against) for p in compared.differences[0, "rank_ic"]]
        others = [(name, "trees") for name in ("ridge", "net", BLEND)]
        assert pairs == [("net", "ridge"), (BLEND, "ridge"), *others]
    alone = compare({"net": predictions}).horizons[0].differences[0, "spread"]
    (pair,) = alone
    assert pair.scorer == "net" and pair.against in ("reversal", "momentum", "low volatility")


def test_equal_files_differ_by_exactly_nothing(predictions: Path) -> None:
    for compared in compare({"a": predictions, "b": predictions}).horizons:
        for lag in (0, 1):
            (pair,) = (
                p for p in compared.differences[lag, "rank_ic"] if p.scorer == "b" and p.against == "a"
            )
            assert pair.difference[:4] == (0, 0, 0, 0)


def test_two_files_in_the_other_order_have_their_difference_with_the_other_sign(
    predictions: Path, other: Callable[..., Path]
) -> None:
    paths = {"a": predictions, "b": other()}
    one, swapped = compare(paths), compare(dict(reversed(paths.items())))
    for ahead, behind in zip(one.horizons, swapped.horizons, strict=True):
        for name in ("a", "b", BLEND):
            assert figure(ahead, name) == figure(behind, name)
        for key in ahead.differences:
            (up,) = (p for p in ahead.differences[key] if (p.scorer, p.against) == ("b", "a"))
            (down,) = (p for p in behind.differences[key] if (p.scorer, p.against) == ("a", "b"))
            # The ends of the interval too, but where the other differences ask for longer blocks.
            assert up.difference.value == -down.difference.value and up.difference.t == -down.difference.t
            assert up.difference.error == down.difference.error and up.days == down.days


def test_options_that_mean_nothing_are_an_error(predictions: Path) -> None:
    with pytest.raises(InputError, match="no file is called 'tree'; did you mean 'trees'"):
        compare({"net": predictions, "trees": predictions}, baselines=["tree"])
    for wrong in ({"draws": 1}, {"min_stocks": 1}, {"seed": -1}, {"horizon": 0}, {"horizon": -5}):
        (name,) = wrong
        with pytest.raises(InputError, match=f"{name} must be at least"):
            CompareOptions(**wrong)


def test_the_same_seed_gives_the_same_bits(predictions: Path, other: Callable[..., Path]) -> None:
    paths = {"a": predictions, "b": other()}
    one, two = (compare(paths, seed=3).horizons[0].scorers for _ in range(2))
    assert [tuple(s.figures.values()) for s in one] == [tuple(s.figures.values()) for s in two]
    assert one[0].figures != compare(paths, seed=4).horizons[0].scorers[0].figures


def test_only_horizons_that_all_have_are_compared(predictions: Path, other: Callable[..., Path]) -> None:
    five = other(change=lambda f: f.filter(pl.col("horizon") == 5))
    result = compare({"a": predictions, "b": five})
    assert [h.horizon for h in result.horizons] == [5]
    assert "a: horizons 1 are not in all files and are left out" in result.notes
    one = other("one", lambda f: f.filter(pl.col("horizon") == 1))
    with pytest.raises(InputError, match="no horizon is in all files: a has 5; b has 1"):
        compare({"a": five, "b": one})


def test_constant_scores_have_no_figure_and_a_warning(predictions: Path, other: Callable[..., Path]) -> None:
    flat = other(change=lambda f: f.with_columns(pl.lit(1.0, pl.Float32).alias("score")))
    compared = compare({"a": predictions, "flat": flat}).horizons[0]
    assert math.isnan(figure(compared, "flat")) and math.isfinite(figure(compared, "a"))
    assert "flat, lag 0: scores are constant on 29 days, so no figure is shown" in compared.warnings
    assert not any("nan" in warning for warning in compared.warnings)
    assert figure(compared, BLEND) == pytest.approx(figure(compared, "a"), abs=1e-9)


def test_days_that_no_file_has_are_named(
    predictions: Path, other: Callable[..., Path], tmp_path: Path
) -> None:
    frame = pl.read_parquet(predictions)
    days = frame["date"].unique().sort()
    some = frame.filter(~pl.col("date").is_in(days[2::4].implode()))
    some.write_parquet(tmp_path / "some.parquet")
    found = compare_files(
        {"mine": tmp_path / "some.parquet", "all": predictions}, CompareOptions(min_stocks=2)
    )
    assert any("weekdays from" in warning for of in found.horizons for warning in of.warnings)


def test_noise_and_the_oracle_are_named(predictions: Path, other: Callable[..., Path]) -> None:
    noise = pl.Series(np.random.default_rng(5).standard_normal(len(pl.read_parquet(predictions))))
    paths = {
        "noise": other("noise", lambda f: f.with_columns(noise.cast(pl.Float32).alias("score"))),
        "oracle": other("oracle", lambda f: f.with_columns(pl.col("oracle").alias("score"))),
    }
    said = compare(paths, blend=False).horizons[1].warnings
    assert any(
        line.startswith("noise: RankIC") and "inside the band of random scores" in line for line in said
    )
    assert any(line.startswith("oracle: RankIC") and "suspect a bug or a leak first" in line for line in said)


def test_days_with_few_stocks_are_left_out_and_counted(predictions: Path, other: Callable[..., Path]) -> None:
    thin = other(change=lambda f: f.filter((pl.col("date").dt.day() != 15) | (pl.col("code") < "S010")))
    compared = compare({"a": predictions, "b": thin}).horizons[0]
    assert compared.thin_days == 1
    with pytest.raises(InputError, match="no common day has 500 stocks with known, unequal targets; lower"):
        compare({"a": predictions}, min_stocks=500)


def test_a_file_with_seeds_is_its_mean_rank_and_a_fold_that_saw_the_future_is_named(
    predictions: Path, other: Callable[..., Path]
) -> None:
    frames = [pl.read_parquet(other(str(i), seed=i)).with_columns(pl.lit(i).alias("seed")) for i in (1, 2)]
    both = pl.concat(frames).with_columns(pl.lit(False).alias("causal"))
    path = predictions.with_name("seeds.parquet")
    both.write_parquet(path)
    result = compare({"seeds": path})
    assert "seeds: trained after days that it scores (causal is false)" in result.warnings
    one, two = (rows_of_test(frame, 1).partition_by("date") for frame in frames)
    ics = []
    for a, b in zip(one, two, strict=True):
        if a["target"].null_count() < len(a):
            every = np.ones((1, len(a)), dtype=bool)
            score = mean_rank([a["score"].to_numpy()[None], b["score"].to_numpy()[None]], every)[0]
            ics.append(spearmanr(score, a["target"]).statistic)
    assert figure(result.horizons[0], "seeds") == pytest.approx(np.mean(ics), abs=1e-6)
