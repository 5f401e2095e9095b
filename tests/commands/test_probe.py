"""probe: exit status, table, JSON, and one line for what cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.commands.probe import HELP
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.probes.pipeline_slice import blown_up_rows


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "market.parquet"
    write_market(path, MarketOptions(stocks=40, days=120, features=17))
    return path


def test_a_clean_panel_ends_with_0_and_one_with_a_leak_with_1(
    panel: Path, tmp_path: Path, atft: Callable[..., Any]
) -> None:
    out = tmp_path / "findings.json"
    clean = atft("probe", "--panel", panel, "--features", "[x_flow, x_move]", "--json", out)
    assert clean.code == 0 and "no leak in 12 probes" in clean.out
    assert json.loads(out.read_text())["leaks"] == 0
    pl.read_parquet(panel).with_columns(x_planted="target_5d").write_parquet(tmp_path / "p.parquet")
    config = tmp_path / "mine.yaml"
    config.write_text('data: {panel: {schema: {features: ["x_p*", x_flow]}}}\nmodel: {horizons: [5]}\n')
    planted = atft("probe", "--config", config, "--panel", tmp_path / "p.parquet")
    (tmp_path / "later.yaml").write_text("name: later\n")
    several = atft(
        "probe", "--config", config, "-c", tmp_path / "later.yaml", "--panel", tmp_path / "p.parquet"
    )
    assert planted.code == 1 and several == planted
    assert "x_planted: it ranks stocks exactly as target_5d" in " ".join(planted.out.split())


def test_a_config_names_columns_of_other_names_beside_a_panel(
    panel: Path, tmp_path: Path, atft: Callable[..., Any]
) -> None:
    pl.read_parquet(panel).rename({"date": "as of", "sector": "33"}).write_parquet(tmp_path / "p.parquet")
    schema = '{date: as of, sector: "33", universe: null, features: [x_flow], target_unit: score}'
    (tmp_path / "mine.yaml").write_text(f"data: {{panel: {{schema: {schema}}}}}\n")
    done = atft("probe", "--panel", tmp_path / "p.parquet", "--config", tmp_path / "mine.yaml")
    assert done.code == 0 and "no leak in 12 probes" in done.out, done


def test_scores_are_probed_with_their_panel(panel: Path, tmp_path: Path, atft: Callable[..., Any]) -> None:
    members = pl.read_parquet(panel).filter("universe")
    scores = members.select("date", "code", score=pl.col("x_flow").fill_null(0.0), target="target_1d")
    scores.write_parquet(tmp_path / "s.parquet")
    done = atft("probe", "--predictions", tmp_path / "s.parquet", "--panel", panel)
    assert done.code == 0 and "no leak in 8 probes" in done.out, done
    scores.with_columns(split=pl.lit("oos")).write_parquet(tmp_path / "s.parquet")
    named = atft("probe", "--predictions", tmp_path / "s.parquet", "--split", "oos")
    assert named.code == 0 and "of the split 'oos'" in named.out, named


def test_a_config_is_probed_with_its_panel(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.probes.later_days.CHANGES", {"blown up": blown_up_rows})
    done = atft("probe", "--config", tiny_run.config, "--json", tmp_path / "f.json")
    findings = {f["probe"]: f for f in json.loads((tmp_path / "f.json").read_text())["findings"]}
    assert findings["purge"]["verdict"] == findings["later days"]["verdict"] == "ok", findings
    # The feature that the small panel's next return is planted in.
    assert done.code == 1 and findings["future"]["evidence"].startswith("x_0: RankIC")


def test_what_cannot_be_used_is_one_line(panel: Path, atft: Callable[..., Any], tmp_path: Path) -> None:
    assert atft("probe").out == HELP == atft("probe", "--help").out
    for words, text in {
        ("--json", "f.json"): "probe needs --panel FILE, --predictions FILE or --config FILE",
        ("--panel", tmp_path / "none.parquet"): "no Parquet file there",
        ("--panel", panel, "--feature", "x"): "unknown key 'feature'; did you mean 'features'",
        ("--panel", panel, "--targets", "y_{h}"): "no column matches the targets 'y_{h}'",
        ("--predictions", panel): "no column 'score', and none of its aliases",
        ("--predictions", panel, "--earlier", panel): "--earlier FILE needs --panel FILE",
        ("--panel", panel, "--split", "test"): "--split is of a predictions file; give --predictions FILE",
        (
            "--predictions",
            panel,
            "--horizons",
            "[1]",
        ): "--horizons are of a panel; a predictions file has its own",
    }.items():
        assert text in atft("probe", *words).error_line
