"""The evaluation of a real market's file equals scipy, alphalens, statsmodels and scikit-learn to 1e-6.

Yesterday's reversal on some NASDAQ stocks, where their prices are at hand, else on a simulated walk with ties.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.evaluation.alphalens_export import factor_data
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.intervals import intervals
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.result import Evaluation
from atft.evaluation.score_rows import dense_horizon, read_scores

PRICES = Path(__file__).parents[3] / "shared/data/nasdaq_prices.parquet"
OPTIONS = EvaluateOptions(min_stocks=20, draws=20)


def closes() -> pl.DataFrame:
    """Date, code and close of 150 stocks on 60 days."""
    if PRICES.is_file():
        rows = pl.scan_parquet(PRICES).filter(
            pl.col("date").cast(pl.Date).is_between(pl.date(2015, 1, 2), pl.date(2015, 3, 31))
        )
        codes = rows.select(pl.col("code").unique().sort()).collect()["code"][::20].to_list()
        chosen = rows.filter(pl.col("code").is_in(codes), pl.col("close") > 0)
        return chosen.select("date", "code", "close").sort("code", "date").collect()
    rng = np.random.default_rng(0)
    walk = np.round(50 * np.exp(0.02 * rng.standard_normal((60, 150)).cumsum(axis=0)), 2)
    dates = np.busday_offset("2015-01-02", np.arange(60), "forward").tolist()
    codes = [f"S{i:03d}" for i in range(150)]
    return pl.DataFrame({"date": dates * 150, "code": np.repeat(codes, 60), "close": walk.T.ravel()})


@pytest.fixture(scope="module")
def real_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Score: minus the day's return; target: that of the next day."""
    close = pl.col("close")
    frame = closes().with_columns(
        score=-(close / close.shift(1).over("code") - 1), target=close.shift(-1).over("code") / close - 1
    )
    path = tmp_path_factory.mktemp("real") / "reversal.parquet"
    frame.drop_nulls().write_parquet(path)
    return path


@pytest.fixture(scope="module")
def evaluation(real_file: Path) -> Evaluation:
    return evaluate_files([real_file], OPTIONS)


@pytest.fixture(scope="module")
def exported(real_file: Path) -> Any:
    """What alphalens would be handed."""
    return factor_data(dense_horizon(read_scores(real_file), 1), OPTIONS.min_stocks)


def of_days(evaluation: Evaluation, name: str) -> np.ndarray:
    measured = evaluation.files[0].horizons[1]
    return measured.series[name][np.isfinite(measured.series["rank_ic"])]


@pytest.mark.filterwarnings("ignore")
def test_ic_deciles_turnover_and_autocorrelation_equal_alphalens(
    evaluation: Evaluation, exported: Any
) -> None:
    from alphalens import performance

    measured = evaluation.files[0].horizons[1]
    ic = performance.factor_information_coefficient(exported)["1D"].to_numpy()
    np.testing.assert_allclose(of_days(evaluation, "rank_ic"), ic, atol=1e-6)
    means, _ = performance.mean_return_by_quantile(exported)
    np.testing.assert_allclose([d.mean.value for d in measured.deciles], means["1D"], atol=1e-6)
    for quantile, name in ((10, "new_top_names"), (1, "new_bottom_names")):
        turnover = performance.quantile_turnover(exported["factor_quantile"], quantile).to_numpy()
        np.testing.assert_allclose(of_days(evaluation, name)[1:], turnover[1:], atol=1e-6)
    autocorrelation = performance.factor_rank_autocorrelation(exported).to_numpy()
    np.testing.assert_allclose(
        of_days(evaluation, "rank_autocorrelation")[1:], autocorrelation[1:], atol=1e-6
    )


@pytest.mark.filterwarnings("ignore")
def test_quantiles_are_those_that_alphalens_cuts_itself(exported: Any) -> None:
    from alphalens.utils import quantize_factor

    untied = exported.groupby(level="date")["factor"].transform(lambda x: x.nunique() == len(x))
    cut = quantize_factor(exported[untied], quantiles=10)
    if len(cut):
        np.testing.assert_array_equal(exported["factor_quantile"][untied].to_numpy(), cut.to_numpy())


def test_correlations_and_gains_equal_scipy_and_scikit_learn(evaluation: Evaluation, exported: Any) -> None:
    from scipy.stats import pearsonr, rankdata, spearmanr
    from sklearn.metrics import ndcg_score

    for day, (_, rows) in enumerate(exported.groupby(level="date")):
        score, target = rows["factor"].to_numpy(), rows["1D"].to_numpy()
        assert of_days(evaluation, "rank_ic")[day] == pytest.approx(
            spearmanr(score, target).statistic, abs=1e-6
        )
        assert of_days(evaluation, "ic")[day] == pytest.approx(pearsonr(score, target).statistic, abs=1e-6)
        gain = (rankdata(target) - 1) / (len(target) - 1)
        assert of_days(evaluation, "ndcg")[day] == pytest.approx(ndcg_score([gain], [score], k=10), abs=1e-6)


@pytest.mark.parametrize("lags", [0, 4])
def test_newey_west_errors_equal_statsmodels(evaluation: Evaluation, lags: int) -> None:
    from statsmodels.api import OLS

    days = of_days(evaluation, "rank_ic")
    options = {"maxlags": lags, "use_correction": True}
    fit = OLS(days, np.ones(len(days))).fit(cov_type="HAC", cov_kwds=options)
    interval = intervals({"rank_ic": evaluation.files[0].horizons[1].series["rank_ic"]}, lags, draws=2)[
        "rank_ic"
    ]
    assert interval.error == pytest.approx(fit.bse[0], abs=1e-6)
    assert interval.t == pytest.approx(fit.tvalues[0], abs=1e-6)
    if lags == 0:
        assert evaluation.files[0].horizons[1].figures["rank_ic"].error == interval.error
