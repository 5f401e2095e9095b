"""Options that Python code gives with another type are one line that names the key."""

import json
import math
from contextlib import nullcontext
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import atft
from atft.baselines.tree_options import TreeOptions
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.side_by_side import CompareOptions
from atft.features.known_rows import JoinOptions
from atft.features.options import FeatureOptions
from atft.option_types import as_in_config, check_least, check_option_types, check_type
from atft.panel import PanelSchema

DATES = ["2015-01-01", "2015-09-30"]


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("PanelSchema", {"features": "x_*"}, "data.panel.schema.features must be a list of texts, got 'x_*'"),
        ("PanelSchema", {"lag": "1"}, "data.panel.schema.lag must be a whole number, got '1'"),
        ("PanelSchema", {"date": 3}, "data.panel.schema.date must be a text, got 3"),
        ("PanelOptions", {"path": {1}}, "data.panel.path must be a text or null, got a set"),
        ("PanelOptions", {"schema": {}}, "data.panel.schema must be a PanelSchema, got {}"),
        ("SplitOptions", {"embargo_days": True}, "data.split.embargo_days must be a whole number, got True"),
        ("SplitOptions", {"folds": {"n": 3}}, "data.split.folds must be a FoldOptions or null, got {'n': 3}"),
        ("FoldOptions", {"n": "3"}, "data.split.folds.n must be a whole number, got '3'"),
        ("LoaderOptions", {"lookback": 20.0}, "data.loader.lookback must be a whole number, got 20.0"),
        ("GraphOptions", {"k": "5"}, "data.graph.k must be a whole number, got '5'"),
        (
            "CacheOptions",
            {"dtype": "float64"},
            "data.cache.dtype must be one of float32, float16, got 'float64'",
        ),
        ("CacheOptions", {"calendar": "keep"}, "data.cache.calendar must be a mapping, got 'keep'"),
        ("CacheOptions", {"calendar": {"gaps": 1}}, "data.cache.calendar.gaps must be a text, got 1"),
        ("MarketOptions", {"horizons": 5}, "simulate.horizons must be a list of whole numbers, got 5"),
        ("ObjectiveOptions", {"terms": ["ic"]}, "model.objective.terms must be a mapping, got ['ic']"),
        (
            "ObjectiveOptions",
            {"terms": {"ic": "1"}},
            "model.objective.terms.ic must be a number or a mapping",
        ),
        ("ObjectiveOptions", {"neutral_to": "sector"}, "model.objective.neutral_to must be a list of texts"),
        ("ObjectiveOptions", {"horizon_weights": 3}, "must be a mapping or a list of numbers or null, got 3"),
    ],
)
def test_an_option_of_another_type_is_one_line(kind: str, options: dict[str, Any], message: str) -> None:
    needed = {"train": DATES, "val": DATES} if kind == "SplitOptions" else {}
    with pytest.raises(atft.InputError) as caught:
        getattr(atft, kind)(**needed, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_written_as_a_text_or_counts_as_a_number_is_taken() -> None:
    assert atft.PanelOptions(cast(Any, Path("panel.parquet"))) == atft.PanelOptions("panel.parquet")
    cache = atft.CacheOptions(dir=cast(Any, Path("cache")), min_date=cast(Any, date(2015, 1, 1)))
    assert cache == atft.CacheOptions(dir="cache", min_date="2015-01-01")
    eras = atft.PanelSchema(first_era=cast(Any, date(2003, 1, 3)))
    assert eras == atft.PanelSchema(first_era="2003-01-03")
    atft.PanelSchema(features=cast(Any, ("x_*",)))
    atft.LoaderOptions(lookback=cast(Any, np.int64(20)))
    atft.ObjectiveOptions(terms={"ic": 1, "ndcg": {"weight": np.float32(0.1), "temperature": 1}})  # type: ignore
    check_type("key", None, int | None)
    check_type("key", 3, Any)


def test_what_stands_for_another_type_becomes_what_a_config_has() -> None:
    schema = PanelSchema(first_era=cast(Any, date(2015, 1, 1)), lag=cast(Any, np.int64(1)))
    assert schema == PanelSchema(first_era="2015-01-01", lag=1) and type(schema.lag) is int
    cache = atft.CacheOptions(dir=cast(Any, Path("here")), rank=cast(Any, ("x_*",)))
    assert cache == atft.CacheOptions(dir="here", rank=["x_*"])
    weights: Any = {"ic": np.float64(1), "ndcg": {"weight": np.float32(0.5)}}
    objective = atft.ObjectiveOptions(terms=weights, horizon_weights={cast(Any, np.int64(5)): 2.0})
    assert json.dumps(asdict(objective))
    assert objective.terms == {"ic": 1.0, "ndcg": {"weight": 0.5}} and objective.horizon_weights == {5: 2.0}
    kept = None, True, 1, 0.5, "x", [1], {"a": object}
    assert [as_in_config(value) for value in kept] == [*kept]


def test_a_message_is_short_and_has_an_article() -> None:
    with pytest.raises(atft.InputError, match=r"^key must be a text, got an OSError$"):
        check_type("key", OSError(), str)
    with pytest.raises(atft.InputError) as caught:
        check_type("key", ["x"] * 1000, str)
    assert len(str(caught.value)) < 100


def test_a_field_with_a_check_of_its_own_is_left_to_it() -> None:
    loader = atft.LoaderOptions()
    object.__setattr__(loader, "lookback", "20")
    with pytest.raises(atft.InputError):
        check_option_types("data.loader", loader)
    check_option_types("data.loader", loader, but=("lookback",))


@pytest.mark.parametrize(
    ("value", "said"),
    [(1, "b.x must be at least 2, got 1"), (math.nan, "got nan"), (math.inf, "and finite"), (2, "")],
)
def test_the_first_option_below_its_bound_is_named_and_null_passes(value: float, said: str) -> None:
    options = SimpleNamespace(x=value, y=None, z=0)
    with pytest.raises(atft.InputError, match=said) if said else nullcontext():
        check_least("b.", options, x=2, y=5, z=0)
    check_least("b.", SimpleNamespace(x=3, y=None), 3, x=2, y=5)
    with pytest.raises(atft.InputError, match=r"b\.x must be at least 2 and at most 3, got 4"):
        check_least("b.", SimpleNamespace(x=4), 3, x=2)


def _option_kinds() -> dict[str, type]:
    """Every dataclass of options that Python code makes."""
    exported = [getattr(atft, name) for name in atft.__all__ if name.endswith("Options")]
    others = [EvaluateOptions, CompareOptions, FeatureOptions, JoinOptions, TreeOptions]
    return {kind.__name__: kind for kind in (*exported, *others, PanelSchema)}


def _numbers(kind: type) -> list[str]:
    """Names of its fields that are one number."""
    return [f.name for f in fields(kind) if f.type in (int, float, int | None, float | None)]


NUMBERS = [(kind, name) for kind in _option_kinds().values() for name in _numbers(kind)]


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda part: getattr(part, "__name__", part))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "3", [3]])
def test_a_number_of_any_options_is_finite_and_no_other_type(kind: type, name: str, value: Any) -> None:
    required = {"train": DATES, "val": DATES} if kind is atft.SplitOptions else {}
    with pytest.raises(atft.InputError, match=rf"{name} (must be|is out of range)"):
        kind(**required, **{name: value})


def test_the_numbers_of_all_options_are_found() -> None:
    found = {(kind.__name__, name) for kind, name in NUMBERS}
    assert {
        ("EvaluateOptions", "cost_bps"),
        ("FeatureOptions", "min_close"),
        ("TreeOptions", "trees"),
    } <= found
    assert {("LoaderOptions", "lookback"), ("ObjectiveOptions", "recency_half_life_days")} <= found
    assert len(found) > 40
