"""The JSON beside a program: words for sizes that are any, numbers as their type has them, NaN as null."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.export.description import _tensor, describe, json_text, plain
from atft.export.one_day import OneDay, inputs_of_day
from networks import small_network


def test_sizes_that_are_any_are_words_and_the_others_numbers() -> None:
    shapes = {
        "features": (torch.zeros(6, 9, 4), [6, "stocks", 4]),
        "observed": (torch.zeros(6, 9, dtype=torch.bool), [6, "stocks"]),
        "universe": (torch.zeros(9, dtype=torch.bool), ["stocks"]),
        "edge_index": (torch.zeros(2, 5, dtype=torch.int64), [2, "edges"]),
        "edge_attr": (torch.zeros(5, 2), ["edges", 2]),
        "regime": (torch.zeros(3), [3]),
        "exposure": (torch.zeros(9, 2), ["stocks", 2]),
        "score": (torch.zeros(9, 2), ["stocks", 2]),
        "quantiles": (torch.zeros(9, 2, 3), ["stocks", 2, 3]),
    }
    for name, (value, shape) in shapes.items():
        described = _tensor(name, value)
        assert described["shape"] == shape and described["meaning"], name
        assert described["type"] == str(value.dtype).removeprefix("torch.")


def test_numbers_come_back_as_the_same_float32_and_what_is_not_finite_is_null() -> None:
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.tensor(json.loads(json.dumps(plain(values)))), values)
    assert plain(torch.tensor([[torch.nan, 0.1]])) == [[None, 0.1]]
    assert plain(torch.tensor([True])) == [True]


def test_the_file_has_an_entry_a_line_and_is_json() -> None:
    content = {"a": 1, "b": [{"x": [1, 2]}, {"x": 3}], "c": {"d": [1], "e": None}, "f": [], "g": {}}
    text = json_text(content)
    assert json.loads(text) == content
    assert '\n  {"x": [1, 2]},\n' in text and '\n  "d": [1],\n' in text


@pytest.mark.parametrize("whole", [True, False])
def test_a_description_has_what_its_inputs_need_and_nothing_else(
    whole: bool, make_batch: Callable[..., DayBatch]
) -> None:
    manifest: Any = SimpleNamespace(
        features=["a", "b", "c"], scaling=["raw", "rank", "zscore"], half=[False, True, False],
        regimes=["vix"], exposures=["size", "beta"], sectors=["mines", "banks"], graph={"k": 3},
    )  # fmt: skip
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    network = small_network("MASTER", quantiles=levels if whole else []).eval()
    program = OneDay(network, {1: [0.2, 0.1], 5: [0.3, 0.1]} if whole else None)
    more = ("edge_index", "edge_attr", "regime", "sector", "exposure") if whole else ()
    batch = make_batch(days=1)
    inputs = inputs_of_day(batch, ("features", "observed", "universe", *more))
    with torch.no_grad():
        results = program.results(network(batch))
    found = describe(inputs, results, manifest, ["c", "b"], program)
    assert found["features"] == [
        {"name": "c", "prepared": "zscore"},
        {"name": "b", "prepared": "rank", "rounded_to": "float16"},
    ]
    assert list(found["preparation"]) == ["rank", "zscore"]
    assert (found["lookback"], found["least_stocks"], found["horizons"]) == (batch.lookback, 3, [1, 5])
    optional = {
        "regime_names": ["vix"],
        "exposure_names": ["size", "beta"],
        "sector_names": ["mines", "banks"],
        "graph": {"k": 3},
        "quantiles": levels,
        "intervals": [{"level": 0.8, "ends": [0.1, 0.9]}, {"level": 0.5, "ends": [0.25, 0.75]}],
    }
    shown = {name: found[name] for name in optional if name in found}
    assert shown == (optional if whole else {})
