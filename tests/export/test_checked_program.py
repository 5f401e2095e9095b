"""A run's checkpoint as ONNX, recurrence and graph included: onnxruntime gives the scores of the run's own file."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.commands.train import build
from atft.errors import InputError
from atft.export import checked_program
from atft.export.checked_program import example_stocks, export_program
from atft.export.one_day import OneDay, inputs_of_day

ROOT = Path(__file__).parents[2]


class Exported(NamedTuple):
    """A checkpoint as ONNX."""

    session: Any
    """Of onnxruntime."""
    described: dict[str, Any]
    printed: str
    program: Path


@pytest.fixture(scope="module")
def exported(tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Export once for all tests here."""
    import onnxruntime

    out = tmp_path_factory.mktemp("export") / "scorer.onnx"
    outcome = atft("export", *tiny_run.best, "--out", out)
    assert outcome.code == 0, outcome
    session = onnxruntime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    return Exported(session, json.loads((out.parent / "scorer.onnx.json").read_text()), outcome.out, out)


def test_onnxruntime_gives_the_scores_of_the_runs_own_file(exported: Exported, tiny_run: Any) -> None:
    data = build("predict", tiny_run.best).datamodule
    dates = data.open_cache().manifest.dates
    names = tuple(value.name for value in exported.session.get_inputs())
    scored = pl.read_parquet(tiny_run.directory / "predictions.parquet")
    stocks = set()
    for day in data.predict_days()[::3]:
        inputs = inputs_of_day(data.block_of_day(int(day)), names)
        (score,) = exported.session.run(["score"], {name: value.numpy() for name, value in inputs.items()})
        rows = scored.filter(pl.col("date") == dates[day]).sort("code", "horizon")
        np.testing.assert_allclose(score, rows["score"].to_numpy().reshape(score.shape), atol=1e-5, rtol=0)
        stocks.add((len(score), inputs["edge_index"].shape[1]))
    assert len(stocks) > 5  # days of many sizes


def test_the_description_feeds_a_runtime_that_knows_nothing_else(exported: Exported) -> None:
    described = exported.described
    inputs = {value["name"]: value for value in described["inputs"]}
    assert list(inputs) == ["features", "observed", "universe", "edge_index", "edge_attr"]
    example = described["example"]
    fed = {
        # A null of JSON becomes NaN where the type is a float.
        name: np.array(example[name], dtype=value["type"])
        for name, value in inputs.items()
    }
    assert len(fed["universe"]) == 4 and fed["edge_attr"].shape[1] == 2, "with an edge at least"
    outputs = [value["name"] for value in described["outputs"]]
    found = exported.session.run(outputs, fed)
    for name, value in zip(outputs, found, strict=True):
        np.testing.assert_allclose(value, np.array(example[name], "float32"), atol=1e-6, rtol=0)
    assert [feature["name"] for feature in described["features"]] == [f"x_{i}" for i in range(6)]
    assert described["horizons"] == [1, 5] and described["lookback"] == 6
    assert described["graph"]["k"] == 3 and described["target_unit"] == "rank_normal"
    assert described["preparation"].keys() == {"raw"}
    assert described["network"] == "atft.nn.atft_gat_fan.ATFTGATFAN"


def test_the_function_of_the_manual_runs_the_example_also_without_an_edge(
    exported: Exported, tmp_path: Path
) -> None:
    manual: dict[str, Any] = {}
    exec((ROOT / "docs" / "export.md").read_text().split("```python\n")[1].split("```")[0], manual)
    found = manual["run_example"](str(exported.program))
    expected = np.array(exported.described["example"]["score"], "float32")
    np.testing.assert_allclose(found["score"], expected, atol=1e-6, rtol=0)
    no_edge = {**exported.described["example"], "edge_index": [[], []], "edge_attr": []}
    (tmp_path / "p.onnx").write_bytes(exported.program.read_bytes())
    (tmp_path / "p.onnx.json").write_text(json.dumps({**exported.described, "example": no_edge}))
    assert np.isfinite(manual["run_example"](str(tmp_path / "p.onnx"))["score"]).all()


def test_it_was_compared_on_twenty_days_before_it_was_written(exported: Exported) -> None:
    compared = exported.described["compared"]
    days = [date.fromisoformat(day) for day in compared["days"]]
    assert len(days) == 20 and days == sorted(set(days)) and min(days) >= date(2015, 3, 2)
    assert compared["largest_difference"] <= 1e-5 and compared["by"].startswith("onnxruntime ")
    assert "scores of 20 days from" in exported.printed


def test_the_example_has_stocks_with_edges_where_there_are_some(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(days=1, stocks=30)
    linked = batch._replace(
        edge_index=torch.tensor([[21, 9, 5, 9, 7, 8], [12, 12, 3, 12, 12, 12]]), edge_attr=torch.ones(6, 2)
    )
    assert example_stocks(linked).tolist() == [7, 9, 12, 21]
    none = batch._replace(edge_index=torch.empty(2, 0, dtype=torch.int64), edge_attr=torch.empty(0, 2))
    assert example_stocks(none).tolist() == [0, 1, 2, 3]
    few = make_batch(days=1, stocks=3, edges_per_stock=1)
    assert example_stocks(few).tolist() == [0, 1, 2]


def test_a_program_that_scores_otherwise_is_not_written(
    tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = build("export", tiny_run.best)

    def other(content: bytes, kind: str) -> Any:
        program = OneDay(cli.model.network.requires_grad_(False))
        return lambda inputs: {name: value + 2e-5 for name, value in program(**inputs).items()}

    monkeypatch.setattr(checked_program, "write_program", lambda *_: b"")
    monkeypatch.setattr(checked_program, "load_program", other)
    out = tmp_path / "scorer.pt2"
    cli.model.network.train()
    with pytest.raises(InputError, match=r"not written; on 2015-0\d-\d\d .* by 2\.0e-05, the limit is 1e-05"):
        export_program(cli.model, cli.datamodule, "pt2", out)
    assert list(tmp_path.iterdir()) == [] and cli.model.network.training
