"""Headline figures are what their names say of the days' measures."""

import numpy as np
import pytest

from atft.day_series import mean_over_std
from atft.evaluation.books import SPREAD_OVER, Books
from atft.evaluation.figures import FIGURES, headline_figures


def days(seed: int, mean: float = 0.01) -> np.ndarray:
    return mean + 0.05 * np.random.default_rng(seed).standard_normal(120)


def figures(horizon: int, returns_from: str) -> tuple[dict[str, np.ndarray], Books, dict[str, float]]:
    series = {
        name: days(i) for i, name in enumerate(("rank_ic", "ic", "spread", "competition_spread", "turnover"))
    }
    books = Books(days(10), days(11, 0.005), series["turnover"], np.full(120, np.nan), returns_from)
    found = headline_figures(series, books, horizon, draws=50, seed=0)
    return series, books, {name: interval.value for name, interval in found.items()}


def test_means_and_ratios_are_those_of_the_days() -> None:
    series, books, found = figures(5, "return_1d")
    for name in ("rank_ic", "ic", "spread", "turnover"):
        assert found[name] == pytest.approx(series[name].mean())
    assert found["rank_icir"] == pytest.approx(mean_over_std(series["rank_ic"]))
    assert found["competition_sharpe"] == pytest.approx(mean_over_std(series["competition_spread"]))
    assert found["sharpe_annual"] == pytest.approx(mean_over_std(series["spread"]) * np.sqrt(252 / 5))
    assert found["gross_annual"] == pytest.approx(252 * books.gross.mean())
    assert found["net_annual"] == pytest.approx(252 * books.net.mean())
    assert found["book_sharpe_net"] == pytest.approx(mean_over_std(books.net) * np.sqrt(252))
    assert "capacity" not in found and "rank_ic_lag1" not in found
    assert list(found) == [name for name in FIGURES if name in found]


def test_a_book_without_daily_returns_has_the_sharpe_of_its_trades() -> None:
    _, books, found = figures(5, SPREAD_OVER)
    assert found["book_sharpe"] == pytest.approx(mean_over_std(books.gross) * np.sqrt(252 / 5))
    assert found["gross_annual"] == pytest.approx(252 * books.gross.mean())


def test_each_figure_has_a_heading_and_a_meaning() -> None:
    headings = [kind.heading for kind in FIGURES.values()]
    assert len(set(headings)) == len(headings) and all(kind.meaning for kind in FIGURES.values())
    assert {kind.unit for kind in FIGURES.values()} == {"", "%", "bps"}
    assert (FIGURES["spread"].title, FIGURES["rank_ic"].title) == ("spread, bps", "RankIC")


def test_a_figure_that_chance_does_not_bring_to_0_has_no_t() -> None:
    names = ("rank_ic", "ic", "spread", "hit_rate", "precision", "precision_chance", "ndcg", "turnover")
    series = {name: days(i, 0.5) for i, name in enumerate(names)}
    books = Books(days(10), days(11), series["turnover"], np.full(120, np.nan), SPREAD_OVER)
    found = headline_figures(series, books, 1, draws=50, seed=0)
    assert all(np.isfinite(found[name].error) for name in names)
    without = {name for name in found if np.isnan(found[name].t)}
    assert without == {
        *("hit_rate", "precision", "precision_chance", "ndcg", "turnover", "drawdown"),
    }
