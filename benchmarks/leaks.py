"""38 planted leaks, all of which `python -m atft probe` must find, and clean data, on which it must find none.

    python benchmarks/leaks.py [--prices FILE] [--real] [--only NAME ...]

Four are published ones: prices over their maximum of the whole period (RSR, StockMixer), a normaliser fitted
before the split, rows ordered by their label (the sampler that trebled an IC), test rows chosen by their label and
padded with stale ones. Clean are a simulated market, its noise twin, a market whose stocks leave, one with honest
twins of the leaks, features made from a slice of ``--prices`` (left out without the file), scores of a ridge, and
the pipeline on the first two. Prints what found each leak, and both counts; exits 1 unless all are found and
nothing clean is accused. Three to four minutes on one core. ``--real`` plants the leaks of panels in the features
made from prices as well.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atft.data.build import CacheOptions
from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.scaling import training_scaling
from atft.data.split import Split, SplitOptions
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.network import Scaling
from atft.panel import PanelSchema
from atft.probes.finding import Finding, leaks
from atft.probes.panel_probes import panel_findings
from atft.probes.pipeline_probes import pipeline_findings
from atft.probes.prediction_probes import prediction_findings
from atft.process.progress import Progress
from atft.tasks.baseline_scores import fit_baseline
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions

PRICES = Path(__file__).parents[1] / "../shared/data/nasdaq_prices.parquet"
MARKET = MarketOptions(stocks=150, days=340, features=17)
FEATURE, RETURN = "x_volatility_20d", "return_1d"
"""A column that varies slowly, and the day's return: in the simulated panel and in the one made from prices."""
Plant = Callable[[pl.DataFrame], pl.DataFrame]


# -- panels. Frames come sorted by (code, date); a plant returns its rows in the order of the file.


def in_file_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by date and code."""
    return frame.sort("date", "code")


def with_column(expression: pl.Expr) -> Plant:
    """Add a feature, ``x_planted``, computed over each stock's history."""
    return lambda frame: in_file_order(frame.with_columns(x_planted=expression))


def of_stock(column: str, function: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """A function of a stock's column over all days."""
    return function(pl.col(column)).over("code", order_by="date")


def quantile(share: float) -> pl.Expr:
    """A quantile of the feature over the whole file."""
    return pl.col(FEATURE).quantile(share, "linear")


def price() -> pl.Expr:
    """A stock's close, but for a factor."""
    return pl.col(RETURN).fill_null(0).log1p().cum_sum().over("code", order_by="date").exp()


def tomorrow_of_another(frame: pl.DataFrame) -> pl.DataFrame:
    """The next day's return of the stock that follows in the alphabet."""
    codes = sorted(frame["code"].unique())
    following = dict(zip(codes, codes[1:] + codes[:1], strict=True))
    other = frame.select("date", other=pl.col("code"), x_planted=pl.col("target_1d"))
    paired = frame.with_columns(other=pl.col("code").replace_strict(following))
    return in_file_order(paired.join(other, on=["date", "other"], how="left").drop("other"))


def back_filled(frame: pl.DataFrame) -> pl.DataFrame:
    """A sixth of the values is lost and filled with the next one that is known."""
    lost = pl.Series(np.random.default_rng(1).random(len(frame)) < 1 / 6)
    holes = frame.with_columns(x_planted=pl.when(lost).then(None).otherwise(pl.col(FEATURE)))
    return in_file_order(holes.with_columns(x_planted=of_stock("x_planted", lambda x: x.backward_fill())))


def interpolated(frame: pl.DataFrame) -> pl.DataFrame:
    """A tenth of the values is lost and filled by interpolation."""
    lost = pl.Series(np.random.default_rng(4).random(len(frame)) < 0.1)
    holes = frame.with_columns(x_planted=pl.when(lost).then(None).otherwise(pl.col(FEATURE)))
    return in_file_order(holes.with_columns(x_planted=of_stock("x_planted", lambda x: x.interpolate())))


def market_of_the_days_around(frame: pl.DataFrame) -> pl.DataFrame:
    """The mean of the market's returns of ten days before and after, for all stocks alike."""
    market = frame.group_by("date").agg(x_planted=pl.col(RETURN).mean()).sort("date")
    mean = market.with_columns(pl.col("x_planted").rolling_mean(21, center=True, min_samples=11))
    return in_file_order(frame.join(mean, on="date", how="left"))


def universe_of_today(frame: pl.DataFrame) -> pl.DataFrame:
    """The half of the stocks with the largest turnover on the last day, on all days."""
    last = frame.filter(pl.col("date") == frame["date"].max()).sort("traded_value")
    chosen = last["code"].tail(len(last) // 2).implode()
    return in_file_order(frame.with_columns(universe=pl.col("code").is_in(chosen)))


def leaving(frame: pl.DataFrame) -> pl.DataFrame:
    """A fifth of the stocks leave on some day of the second half."""
    rng, codes = np.random.default_rng(2), sorted(frame["code"].unique())
    days = frame["date"].n_unique()
    gone = rng.choice(codes, len(codes) // 5, replace=False)
    last = dict(zip(gone.tolist(), rng.integers(days // 2, days - 20, len(gone)).tolist(), strict=True))
    numbered = frame.with_columns(
        day=pl.col("date").rank("dense"), last=pl.col("code").replace_strict(last, default=days + 1)
    )
    return numbered.filter(pl.col("day") <= pl.col("last")).drop("day")


def survivors(frame: pl.DataFrame) -> pl.DataFrame:
    """Stocks leave, and only those that stay are ever in the universe."""
    stays = pl.col("last") == pl.col("last").max()
    return in_file_order(leaving(frame).with_columns(universe=pl.col("universe") & stays).drop("last"))


def rows_of_training_in_test(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of three days stand under three later dates as well."""
    days = frame["date"].unique().sort()
    half = len(days) // 2
    later = dict(zip(days[half - 3 : half], days[-43:-40], strict=True))
    kept = frame.filter(~pl.col("date").is_in(days[-43:-40].implode()))
    copies = frame.filter(pl.col("date").is_in(days[half - 3 : half].implode()))
    return in_file_order(pl.concat([kept, copies.with_columns(pl.col("date").replace_strict(later))]))


def deciles(by: list[str]) -> pl.Expr:
    """Tenths of the feature's values, of the whole file or of each group."""
    rank, count = (e.over(by) if by else e for e in (pl.col(FEATURE).rank(), pl.col(FEATURE).count()))
    return (10 * rank / count).ceil()


def with_market(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the day's mean return, ``market``, known where the stock's is."""
    mean = pl.col(RETURN).mean().over("date")
    return frame.with_columns(market=pl.when(pl.col(RETURN).is_not_null()).then(mean))


def whole_beta(frame: pl.DataFrame) -> pl.DataFrame:
    """Add a stock's beta over all days."""
    beta = (pl.cov(RETURN, "market") / pl.col("market").var()).over("code")
    return in_file_order(with_market(frame).with_columns(x_planted=beta).drop("market"))


def beta_so_far() -> pl.Expr:
    """A stock's slope on the market's returns up to the day, which vary around 0."""
    product, square = (
        (pl.col(name) * pl.col("market")).fill_null(0).cum_sum().over("code", order_by="date")
        for name in (RETURN, "market")
    )
    return product / square


def month_volatility() -> pl.Expr:
    """A stock's volatility of the month, on each day of it."""
    return pl.col(RETURN).std().over("code", pl.col("date").dt.truncate("1mo"))


def holes(share: float) -> pl.Expr:
    """The feature, of which a share of the values is lost."""
    lost = pl.int_range(pl.len()).shuffle(seed=5) < share * pl.len()
    return pl.when(lost).then(None).otherwise(pl.col(FEATURE))


def smoothed_price() -> pl.Expr:
    """A stock's log price, smoothed forwards and then backwards (``filtfilt``)."""
    forwards = of_price(lambda x: x.ewm_mean(span=10))
    return forwards.reverse().ewm_mean(span=10).reverse().over("code")


def of_price(function: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """A function of a stock's log price."""
    return function(pl.col(RETURN).fill_null(0).log1p().cum_sum())


def honest_twins(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns that look like planted ones and know no later day."""
    month = pl.col("date").dt.truncate("1mo")
    before = frame.group_by("code", month=month.dt.offset_by("1mo")).agg(x_month=pl.col(RETURN).std())
    joined = frame.with_columns(month=month).join(before, on=["code", "month"], how="left").drop("month")
    so_far = pl.col("x_holes").cum_sum() / pl.col("x_holes").is_not_null().cum_sum()
    twins = with_market(joined.sort("code", "date")).with_columns(
        x_decile=deciles(["date"]),
        x_rank=(pl.col(FEATURE).rank() / pl.col(FEATURE).count()).over("date"),
        x_z=((holes(0.1) - holes(0.1).mean().over("date")) / holes(0.1).std().over("date")).fill_null(0),
        x_sector=pl.col("sector").cast(pl.Categorical).to_physical().cast(pl.Float32),
        x_beta=beta_so_far(),
        x_first=of_stock(FEATURE, lambda x: x.drop_nulls().first()),
        x_clipped=pl.col(RETURN).clip(-0.05, 0.05),
        x_smooth=of_price(lambda x: x.ewm_mean(span=10)).over("code", order_by="date"),
        x_holes=holes(0.1),
    )
    filled = pl.col("x_holes").fill_null(so_far.over("code", order_by="date"))
    return in_file_order(twins.with_columns(x_filled=filled).drop("x_holes", "market"))


PANELS: dict[str, tuple[str, Plant]] = {
    "close over its maximum of the whole period (RSR, StockMixer)": (
        "whole-period scaling",
        with_column(price() / price().max().over("code")),
    ),
    "normaliser fitted before the split": (
        "whole-period scaling",
        with_column(of_stock("traded_value", lambda x: (x.log() - x.log().mean()) / x.log().std())),
    ),
    "z-score over the whole file": (
        "whole-period scaling",
        with_column(((pl.col(FEATURE) - pl.col(FEATURE).mean()) / pl.col(FEATURE).std()).cast(pl.Float32)),
    ),
    "robust scaler fitted before the split": (
        "whole-period scaling",
        with_column((pl.col(FEATURE) - quantile(0.5)) / (quantile(0.75) - quantile(0.25))),
    ),
    "rank over all dates": (
        "whole-period scaling",
        with_column((pl.col(FEATURE).rank() / pl.col(FEATURE).count()).cast(pl.Float32)),
    ),
    "deciles of the whole file": ("whole-period scaling", with_column(deciles([]))),
    "winsorised at percentiles of the whole file": (
        "whole-period scaling",
        with_column(pl.col(RETURN).clip(*(pl.col(RETURN).quantile(q, "linear") for q in (0.01, 0.99)))),
    ),
    "mean of the whole file subtracted (PCA)": (
        "whole-period scaling",
        with_column(pl.col(FEATURE) - pl.col(FEATURE).mean()),
    ),
    "beta of the whole period": ("statistics of later days", whole_beta),
    "sector encoded by its mean label": (
        "statistics of later days",
        with_column(pl.col("target_5d").mean().over("sector")),
    ),
    "volatility of the month on each of its days": (
        "statistics of later days",
        with_column(month_volatility()),
    ),
    "gaps filled with the mean of all days": (
        "back-filled gaps",
        with_column(holes(0.1).fill_null(holes(0.1).mean())),
    ),
    "price smoothed forwards and backwards (filtfilt)": ("future", with_column(smoothed_price())),
    "rows ordered by their label (a sampler)": ("order of the rows", lambda f: f.sort("date", "target_1d")),
    "shift -1": ("future", with_column(of_stock(RETURN, lambda x: x.shift(-1)))),
    "centred rolling mean": (
        "future",
        with_column(of_stock(RETURN, lambda x: x.rolling_mean(21, center=True, min_samples=11))),
    ),
    "centred volatility": (
        "future",
        with_column(of_stock(RETURN, lambda x: x.rolling_std(21, center=True, min_samples=11))),
    ),
    "market of the days around": ("market-wide future", market_of_the_days_around),
    "null before a fall": ("future", with_column(pl.when(pl.col("target_1d") > 0).then(pl.col(FEATURE)))),
    "back-filled gaps": ("back-filled gaps", back_filled),
    "interpolated gaps": ("back-filled gaps", interpolated),
    "neighbour's future": ("neighbours' future", tomorrow_of_another),
    "target among the features": (
        "label in a column",
        with_column(pl.col("target_5d").sign() * pl.col("target_5d").abs().sqrt()),
    ),
    "unknown labels filled with 0": (
        "label's days",
        lambda f: in_file_order(f.with_columns(pl.col("^target_.*$").fill_null(0))),
    ),
    "label lagged by three days of five": (
        "label in a column",
        with_column(of_stock("target_5d", lambda x: x.shift(3))),
    ),
    "today's universe in the past": ("universe", universe_of_today),
    "universe of the survivors": ("universe", survivors),
    "duplicated rows across the split": ("copied rows", rows_of_training_in_test),
}
"""Name -> the probe that must find it, and the plant."""


# -- predictions


def ridge_predictions(data: DayData) -> pl.DataFrame:
    """Scores of a ridge on the validation and test days, with the panel's labels."""
    ridge, cache = fit_baseline("ridge", data), data.open_cache()
    manifest = cache.manifest
    tables = []
    for day in np.concatenate([data.split.val, data.split.test]).tolist():
        view = cache.day(day)
        stocks = view.ranked
        score = ridge.score(day_features(cache, day, stocks))
        codes = [cache.codes[i] for i in stocks]
        for column, horizon in enumerate(manifest.horizons):
            tables.append(
                pl.DataFrame(
                    {
                        "date": [manifest.dates[day]] * len(stocks),
                        "code": codes,
                        "horizon": [horizon] * len(stocks),
                        "score": score[:, column].astype(np.float64),
                        "target": view.target[view.universe, column].astype(np.float64),
                    }
                )
            )
    return pl.concat(tables).with_columns(pl.col("target").fill_nan(None)).sort("date", "horizon", "code")


def chosen_by_label(scores: pl.DataFrame) -> pl.DataFrame:
    """Rows without a label, and the day's most extreme labels, are left out."""
    place = pl.col("target").rank().over("date", "horizon") / pl.col("target").count().over("date", "horizon")
    return scores.filter(place.is_between(0.025, 0.975))


def padded(scores: pl.DataFrame) -> pl.DataFrame:
    """One row in ten is the stock's row of the day before."""
    rng = np.random.default_rng(3)
    before = scores.sort("code", "horizon", "date").with_columns(
        pl.col("score", "target").shift(1).over("code", "horizon").name.suffix("_before")
    )
    stale = pl.Series(rng.random(len(before)) < 0.1) & before["score_before"].is_not_null()
    copied = [
        pl.when(stale).then(pl.col(f"{n}_before")).otherwise(pl.col(n)).alias(n) for n in ("score", "target")
    ]
    return before.with_columns(copied).select(scores.columns).sort("date", "horizon", "code")


def invented(scores: pl.DataFrame) -> pl.DataFrame:
    """A tenth of the stocks is there a second time, under other codes and with scores that know their labels."""
    codes = scores["code"].unique().sort().gather_every(10)
    known = pl.col("target").fill_null(0)
    copies = scores.filter(pl.col("code").is_in(codes.implode())).with_columns(
        code="new" + pl.col("code"), score=pl.col("score") + 0.1 * pl.col("score").std() * known / known.std()
    )
    return pl.concat([scores, copies]).sort("date", "horizon", "code")


def stale(scores: pl.DataFrame) -> pl.DataFrame:
    """Every fifth day has the scores of the day before."""
    day = pl.col("date").rank("dense")
    before = pl.col("score").shift(1).over("code", "horizon", order_by="date")
    return scores.with_columns(
        score=pl.when(day % 5 == 0).then(before.fill_null(pl.col("score"))).otherwise("score")
    )


def days_chosen(scores: pl.DataFrame) -> pl.DataFrame:
    """The tenth of the days with the lowest RankIC is left out."""
    known = scores.filter(pl.col("horizon") == 1, pl.col("target").is_not_null())
    rank_ic = pl.corr("score", "target", method="spearman")
    days = known.group_by("date").agg(rank_ic=rank_ic).sort("rank_ic")["date"]
    return scores.filter(~pl.col("date").is_in(days.head(len(days) // 10).implode()))


def wrong_bets() -> pl.Expr:
    """A score among the day's upper fifth, a label among its lower fifth."""
    group = ("date", "horizon")
    score, target = (pl.col(n).rank().over(group) / pl.len().over(group) for n in ("score", "target"))
    return ((score > 0.8) & (target < 0.2)).fill_null(False)


PREDICTIONS: dict[str, tuple[str, Plant]] = {
    "the worst tenth of the days left out": ("rows chosen by label", days_chosen),
    "rows of bets that went wrong left out": ("rows chosen by label", lambda f: f.filter(~wrong_bets())),
    "targets of bets that went wrong left out": (
        "rows chosen by label",
        lambda f: f.with_columns(target=pl.when(~wrong_bets()).then("target")),
    ),
    "test rows chosen by their label": ("rows chosen by label", chosen_by_label),
    "rows of stocks that the panel lacks": ("rows chosen by label", invented),
    "padded with stale rows": ("stale rows", padded),
    "scores of the day before": ("stale scores", stale),
}


# -- pipelines


class PurgedByCalendarDays(DayData):
    """Purges as many calendar days as a label has trading days."""

    @property
    def split(self) -> Split:
        """The training days up to then."""
        whole, manifest = super().split, self.open_cache().manifest
        last = manifest.dates[int(whole.val[0])] - timedelta(days=manifest.longest_label_days + 1)
        train = np.array(
            [i for i in range(int(whole.train[0]), int(whole.val[0])) if manifest.dates[i] <= last]
        )
        return replace(whole, train=train)


class ScaledWithValidation(DayData):
    """Takes medians and interquartile ranges of validation days too."""

    def scaling(self) -> Scaling:
        """Of training and validation."""
        days = np.concatenate([self.split.train, self.split.val])
        return training_scaling(self.open_cache(), days)


class RankedOverAllDates(DayData):
    """Ranks each feature over all rows of the panel before the cache is built."""

    def open_cache(self) -> DayCache:
        """Of the ranked panel."""
        if self._cache is None:
            path = Path(str(self.panel.path))
            frame = pl.read_parquet(path)
            names = [name for name in frame.columns if name.startswith("x_")]
            ranked = frame.with_columns(
                (pl.col(n).rank() / pl.col(n).count()).cast(pl.Float32) for n in names
            )
            out = path.with_name(f"{path.stem}-ranked.parquet")
            ranked.write_parquet(out)
            self.panel = replace(self.panel, path=str(out))
        return super().open_cache()


PIPELINES: dict[str, tuple[str, type[DayData]]] = {
    "purge in calendar days": ("purge", PurgedByCalendarDays),
    "scaler fitted on validation rows": ("scaling", ScaledWithValidation),
    "features ranked over all dates in the pipeline": ("later days", RankedOverAllDates),
}


def open_data(panel: Path, folder: Path, kind: type[DayData] = DayData) -> DayData:
    """A panel of the simulated market as the quickstart reads it, with a shorter history."""
    return kind(
        PanelOptions(str(panel), None, PanelSchema()),
        SplitOptions(
            ["2015-01-05", "2015-11-27"], ["2015-11-30", "2016-02-26"], ["2016-02-29", "2016-12-31"], 0
        ),
        LoaderOptions(lookback=10, block_days=4, batch_size=768),
        CacheOptions(dir=str(folder / "cache")),
        GraphOptions(k=5, window=40, min_observations=20, refresh_days=5, sector_k=0),
        horizons=[1, 5],
    )


def probe_pipeline(panel: Path, folder: Path, kind: type[DayData] = DayData) -> list[Finding]:
    """The findings of a small network on the panel."""
    from atft.nn.atft_gat_fan import ATFTGATFAN
    from atft.tasks.ranking import RankingTask

    data = open_data(panel, folder, kind)
    network: Any = partial(ATFTGATFAN, hidden_size=8, gat_layers=1)
    return pipeline_findings(RankingTask.for_data(data, network), data)


# -- what is run


@dataclass(frozen=True)
class Trial:
    """Something to probe."""

    name: str
    probe: str | None
    """That must find a leak; None: nothing may."""
    run: Callable[[], list[Finding]]


def make_real_panel(prices: Path, out: Path, stocks: int = 100) -> None:
    """Features of some liquid stocks over four years, as ``python -m atft features`` makes them."""
    from atft.features.build import build_panel
    from atft.features.options import FeatureOptions

    years = pl.col("date").is_between(pl.date(2010, 1, 1), pl.date(2013, 12, 31))
    rows = pl.scan_parquet(prices).filter(years).collect()
    value = (pl.col("close") * pl.col("volume")).median()
    liquid = rows.group_by("code").agg(value=value).filter(pl.col("value") > 1e6).sort("code")["code"]
    chosen = liquid.gather_every(max(1, len(liquid) // stocks))[:stocks]
    source = out.with_name("prices.parquet")
    rows.filter(pl.col("code").is_in(chosen.implode())).write_parquet(source)
    build_panel(source, out, FeatureOptions())


def trials(folder: Path, prices: Path, real: bool) -> Iterator[Trial]:
    """Clean data first, then the planted leaks."""
    panels = {"simulated market": folder / "market.parquet", "noise twin": folder / "noise.parquet"}
    for (_, path), noise in zip(panels.items(), (False, True), strict=True):
        write_market(path, replace(MARKET, noise_only=noise))
    market = panels["simulated market"]
    frame = pl.read_parquet(market).sort("code", "date")
    gone = folder / "leaving.parquet"
    in_file_order(leaving(frame).drop("last")).write_parquet(gone)
    twins = folder / "twins.parquet"
    honest_twins(frame).write_parquet(twins)
    clean = panels | {"market whose stocks leave": gone, "honest twins of the leaks": twins}
    if prices.exists():
        clean["features from prices"] = folder / "real.parquet"
        make_real_panel(prices, clean["features from prices"])
    for name, path in clean.items():
        yield Trial(f"panel: {name}", None, partial(panel_findings, path, PanelSchema()))
    for name, path in panels.items():
        yield Trial(f"pipeline: {name}", None, partial(probe_pipeline, path, folder))
        scores = folder / f"{name}-scores.parquet"
        ridge_predictions(open_data(path, folder)).write_parquet(scores)
        yield Trial(f"predictions: {name}", None, partial(prediction_findings, scores, path))

    planted = folder / "planted.parquet"

    def probe_planted(source: pl.DataFrame, plant: Plant) -> list[Finding]:
        plant(source).write_parquet(planted)
        return panel_findings(planted, PanelSchema())

    def probe_scores(plant: Plant) -> list[Finding]:
        plant(pl.read_parquet(folder / "simulated market-scores.parquet")).write_parquet(planted)
        return prediction_findings(planted, market)

    for name, (probe, plant) in PANELS.items():
        yield Trial(name, probe, partial(probe_planted, frame, plant))
    for name, (probe, plant) in PREDICTIONS.items():
        yield Trial(name, probe, partial(probe_scores, plant))
    for name, (probe, kind) in PIPELINES.items():
        yield Trial(name, probe, partial(probe_pipeline, market, folder, kind))
    if real and prices.exists():
        source = pl.read_parquet(folder / "real.parquet").sort("code", "date")
        for name, (probe, plant) in PANELS.items():
            yield Trial(f"{name}, in features from prices", probe, partial(probe_planted, source, plant))


def main(arguments: list[str] | None = None) -> int:
    """Run the trials and print the counts; 0 where all leaks are found and nothing clean is accused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=Path, default=PRICES, help="daily prices for the clean real panel")
    parser.add_argument("--real", action="store_true", help="plant leaks in the panel made from prices too")
    parser.add_argument("--only", nargs="*", default=[], help="trials whose name has one of these words")
    options = parser.parse_args(arguments)
    detected, planted, alarms, clean, start = 0, 0, 0, 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Progress("leaks"):
        for trial in trials(Path(folder), options.prices, options.real):
            if options.only and not any(word in trial.name for word in options.only):
                continue
            accused = leaks(trial.run())
            if trial.probe is None:
                clean += 1
                alarms += len(accused)
                verdict = "; ".join(f"ALARM {f.probe}: {f.evidence}" for f in accused) or "no alarm"
            else:
                planted += 1
                hits = [f for f in accused if f.probe == trial.probe]
                detected += bool(hits)
                verdict = f"found by {hits[0].probe}: {hits[0].evidence}" if hits else "NOT FOUND"
            print(f"{trial.name:<62} {verdict}", flush=True)
    print(f"\n{detected} of {planted} planted leaks found")
    print(f"{alarms} alarms on {clean} clean inputs ({time.perf_counter() - start:.0f} s)")
    return 0 if detected == planted and not alarms else 1


if __name__ == "__main__":
    sys.exit(main())
