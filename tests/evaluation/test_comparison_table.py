"""The table that ends a fit: rows in one order, each a line that a log can be searched for."""

import re

import numpy as np

from atft.day_statistics import RANKING_METRICS
from atft.evaluation.comparison_table import comparison_table, paired_lines, suspect_lines
from atft.evaluation.paired import paired_differences
from atft.evaluation.plain_table import table_text
from atft.evaluation.summary import Estimate, SummaryRow, summarise_scorers
from small_scores import table_of


def rows() -> list[SummaryRow]:
    rng = np.random.default_rng(0)
    out: list[SummaryRow] = []
    for horizon in (5, 1, 20):
        target = 0.02 * rng.standard_normal((60, 50))
        noise = rng.standard_normal((60, 50))
        scorers = {
            "oracle": target,
            "reversal": noise,
            "ridge": 10 * target + noise,
            "network": 20 * target + noise,
        }
        out += summarise_scorers(scorers, table_of(horizon, target, delayed=np.roll(target, 1, axis=0)))
    return out


BANDS = {h: {"rank_ic": (-0.0123, 0.0124), "ic": (-0.02, 0.02), "sharpe": (-0.25, 0.25)} for h in (1, 5, 20)}


def test_scorers_and_horizons_stand_in_their_order() -> None:
    text = table_text(comparison_table(rows(), BANDS, title="validation"))
    found = re.findall(r"^(network|ridge|reversal|random 95 %|oracle)\s+(\d+d)", text, flags=re.MULTILINE)
    scorers = ("network", "ridge", "reversal", "random 95 %", "oracle")
    assert found == [(s, f"{h}d") for h in (1, 5, 20) for s in scorers]
    assert text.startswith("validation")


def test_a_line_holds_each_value_with_its_error() -> None:
    every = rows()
    text = table_text(comparison_table(every, BANDS))
    line = next(t for t in text.splitlines() if re.match(r"network +5d", t))
    row = next(r for r in every if (r.scorer, r.horizon, r.lag) == ("network", 5, 0))
    later = next(r for r in every if (r.scorer, r.horizon, r.lag) == ("network", 5, 1))
    for value, error in (row.figures["rank_ic"], later.figures["rank_ic"]):
        assert f"{value:+.4f} ± {error:.4f}" in line
    sharpe, error = row.figures["sharpe"]
    assert f"{sharpe:+.3f} ± {error:.3f}" in line and " 60 " in line
    assert "-0.0123 .. +0.0124" in next(t for t in text.splitlines() if re.match(r"random 95 % +5d", t))


def test_a_scorer_has_no_row_where_it_was_not_measured_and_random_scores_no_lagged_cell() -> None:
    figures = dict.fromkeys(RANKING_METRICS, Estimate(0.1, 0.01))
    keys = (("mine", 5, 0), ("network", 5, 0), ("oracle", 1, 0))
    few = [SummaryRow(*key, 60, thin, figures) for thin, key in enumerate(keys)]
    table = comparison_table(few, {h: BANDS[h] for h in (1, 5)})
    cells = [re.split(r"  +", line) for line in table_text(table).splitlines() if re.search(r" \dd ", line)]
    names = [
        ["random 95 %", "1d"],
        ["oracle", "1d"],
        ["network", "5d"],
        ["mine", "5d"],
        ["random 95 %", "5d"],
    ]
    assert [row[:2] for row in cells] == names
    assert cells[0][2:] == ["-0.0123 .. +0.0124", "-0.0200 .. +0.0200", "-0.250 .. +0.250"]
    assert table.caption == "left out, 2 days with fewer than 2 stocks"


def test_it_is_plain_text_of_whole_lines() -> None:
    text = table_text(comparison_table(rows(), BANDS))
    assert "\x1b" not in text and "…" not in text and max(map(len, text.splitlines())) <= 150


def test_what_is_not_there_is_left_out() -> None:
    few = [r for r in rows() if r.scorer == "network" and r.lag == 0 and r.horizon == 1]
    text = table_text(comparison_table(few))
    assert "network" in text and "random" not in text and "oracle" not in text and "5d" not in text


def test_days_of_too_few_stocks_are_counted_below_the_table() -> None:
    target = np.random.default_rng(0).standard_normal((10, 30))
    target[3, 5:] = np.nan
    for thin, said in (
        (1, "1 day with fewer than 20 stocks"),
        (2, "2 days with fewer than 20 stocks"),
    ):
        target[2 + thin, 5:] = np.nan
        found = summarise_scorers({"network": target}, table_of(1, target), 20)
        text = table_text(comparison_table(found, min_stocks=20))
        assert text.splitlines()[-1] == f"left out, {said}"
    assert "left out" not in table_text(comparison_table(rows(), BANDS))


def test_a_scorer_without_a_value_says_nan() -> None:
    target = np.random.default_rng(0).standard_normal((10, 8))
    flat = summarise_scorers({"network": np.zeros_like(target)}, table_of(1, target))
    assert re.search(r"network +1d +0 +nan +nan +nan", table_text(comparison_table(flat)))


def test_a_paired_difference_is_a_line_with_its_error_and_interval() -> None:
    rng = np.random.default_rng(0)
    days = {"lightgbm": rng.standard_normal(40), "network": rng.standard_normal(40)}
    (pair,) = paired_differences(days, 0)
    few = pair._replace(difference=pair.difference._replace(low=np.nan, high=np.nan))
    first, second = paired_lines({1: pair, 5: few})
    number = r"[+-]\d\.\d{4}"
    assert re.fullmatch(
        rf"network - lightgbm 1d: RankIC {number} ± 0\.\d{{4}}, 95 % {number} \.\. {number}, 40 days", first
    )
    assert re.fullmatch(
        rf"network - lightgbm 5d: RankIC {number} too few days for an interval, 40 days", second
    )


def test_a_figure_that_no_honest_score_has_is_a_warning_which_names_the_furthest_beyond() -> None:
    def row(
        scorer: str, rank_ic: float, ic: float, error: float, horizon: int = 1, lag: int = 0
    ) -> SummaryRow:
        figures = {"rank_ic": Estimate(rank_ic, error), "ic": Estimate(ic, error)}
        return SummaryRow(scorer, horizon, lag, 50, 0, figures)

    advice = "suspect a bug or a leak first; python -m atft probe --config FILE looks for one"
    said = f"which no honest score reaches: {advice}"
    leak = [row("network", 0.4, 0.3, 0.01), row("lightgbm", 0.2, -0.5, 0.01), row("ridge", 0.05, 0.05, 0.01)]
    assert suspect_lines([*leak, row("network", -0.23, 0.0, 0.01, 5)]) == [
        f"WARNING 1d: IC -0.5000 of lightgbm is beyond ±0.10, {said}",
        f"WARNING 5d: RankIC -0.2300 of network is beyond ±0.22, {said}",
    ]
    nan = float("nan")
    honest = [row("network", 0.1, -0.1, 0.01), row("few days", 0.3, 0.3, 0.15), row("nothing", nan, nan, nan)]
    assert (
        suspect_lines([*honest, row("network", 0.4, 0.4, 0.01, lag=1), row("network", 0.2, 0.2, 0.01, 5)])
        == []
    )
    assert len(suspect_lines([row("enough days", 0.3, 0.3, 0.149)])) == 1
    assert suspect_lines([row("too few days for an error", 0.4, 0.4, nan)]) == []
    # 60 days of 20 stocks: scores that never change reach 0.26 at 20 days by chance, where errors are too small.
    band = {20: {"rank_ic": (-0.058, 0.058), "ic": (-0.058, 0.058)}}
    assert suspect_lines([row("slow noise", 0.255, 0.2, 0.05, 20)], band) == []
    assert len(suspect_lines([row("beyond it", 0.265, 0.2, 0.05, 20)], band)) == 1
