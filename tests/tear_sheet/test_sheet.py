"""The page: every section, every name escaped, nothing loaded; looked at in a browser where there is one."""

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atft.errors import InputError
from atft.evaluation.result import Evaluation
from atft.tear_sheet.sheet import tear_sheet

TITLES = [
    "Headline figures", "Differences", "Returns by decile", "Cumulative spread", "RankIC by day", "RankIC by month",
    "RankIC by year", "Decay", "Turnover", "Sector and size", "Exposures", "Regimes", "Best and worst days",
    "Coverage", "Receipt",
]  # fmt: skip
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return tear_sheet(evaluation)


def one_file(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, files=evaluation.files[:1], differences=[])


def test_every_section_is_there_and_no_name_is_html(text: str, evaluation: Evaluation) -> None:
    assert re.findall(r"<h2>([^<]+)</h2>", text) == TITLES
    assert "<script" not in text and "<b>&" not in text
    assert "alert(1)" in text, "the names are shown"
    alone = tear_sheet(one_file(evaluation))
    assert re.findall(r"<h2>([^<]+)</h2>", alone) == [t for t in TITLES if t != "Differences"]


def test_no_id_is_used_twice_and_the_page_is_the_same_bytes_again(text: str, evaluation: Evaluation) -> None:
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert tear_sheet(evaluation) == text


def test_warnings_stand_before_all_sections(evaluation: Evaluation) -> None:
    file = evaluation.files[0]
    measured = dataclasses.replace(file.horizons[1], warnings=["suspect a bug or a leak first"])
    file = dataclasses.replace(file, horizons={1: measured}, causal=False)
    alone = tear_sheet(dataclasses.replace(one_file(evaluation), files=[file]))
    first = alone.index("<h2>")
    assert 0 < alone.index("suspect a bug or a leak first") < first and 0 < alone.index("not causal") < first


def test_a_file_without_context_has_a_page_that_says_which_columns_are_missing(
    evaluation: Evaluation,
) -> None:
    file = evaluation.files[0]
    bare = {
        h: dataclasses.replace(
            m,
            exposures={},
            groups={"year": m.groups["year"]},
            controls=m.controls[:2],
            figures={n: f for n, f in m.figures.items() if n != "neutral_rank_ic"},
        )
        for h, m in file.horizons.items()
    }
    alone = tear_sheet(
        dataclasses.replace(
            one_file(evaluation), files=[dataclasses.replace(file, horizons=bare, receipt={})]
        )
    )
    for words in (
        "no column exposure_size",
        "neither a column sector",
        "no column regime_*",
        "No receipt.json",
    ):
        assert words in alone


def test_a_horizon_without_a_ranked_day_has_a_warning_and_no_empty_chart(evaluation: Evaluation) -> None:
    file = evaluation.files[0]
    horizons = {1: file.horizons[1], 5: dataclasses.replace(file.horizons[5], days=0)}
    alone = tear_sheet(
        dataclasses.replace(one_file(evaluation), files=[dataclasses.replace(file, horizons=horizons)])
    )
    assert "5 days: no day could be ranked, see Coverage" in alone
    assert "<h3>1 day</h3>" in alone and "<h3>5 days</h3>" not in alone


def test_more_files_than_colours_are_an_error(evaluation: Evaluation) -> None:
    with pytest.raises(InputError, match="at most 5 files, got 6; name fewer"):
        tear_sheet(dataclasses.replace(evaluation, files=evaluation.files * 3))


def test_three_years_of_four_horizons_stay_small(evaluation: Evaluation) -> None:
    days = 750
    rng = np.random.default_rng(0)
    dates = np.busday_offset("2015-01-02", np.arange(days)).astype("datetime64[D]")
    file = evaluation.files[0]

    def long(values: Any) -> Any:
        return rng.standard_normal(days)

    measured = file.horizons[1]
    measured = dataclasses.replace(
        measured,
        dates=dates,
        series={name: long(values) for name, values in measured.series.items()},
        books=measured.books._replace(gross=long(0), net=long(0)),
        stocks=np.full(days, 4000),
    )
    coverage = dataclasses.replace(file.coverage, stocks_per_day=measured.stocks)
    file = dataclasses.replace(file, coverage=coverage, horizons=dict.fromkeys((1, 5, 10, 20), measured))
    assert len(tear_sheet(dataclasses.replace(evaluation, files=[file], differences=[]))) < 1_500_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (420, "dark")])
def test_a_browser_shows_every_section_asks_for_nothing_and_does_not_scroll_sideways(
    text: str, browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.locator("h2:visible").all_inner_texts() == TITLES
    assert said == [] and [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # No chart's text lies outside of its chart, which would cut it.
    cut = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(t => {
            const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
            return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
        }).map(t => t.textContent)"""
    )
    assert cut == []
    context.close()
