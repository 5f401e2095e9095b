"""What a study's values depend on: which changes are seen, and which are free."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.errors import InputError
from atft.search.question.identity import Identity, as_plain, differences, identify, of_plain, refuse_changed
from atft.search.question.options import SweepOptions

MakeSweep = Callable[..., SweepOptions]
LR = "model.optimizer.init_args.lr"


@pytest.fixture
def base(make_panel: Callable[..., Path], tiny_config: Callable[..., Path], tmp_path: Path) -> Path:
    return tiny_config(tmp_path, make_panel())


def change(base: Path, key: str, value: Any) -> None:
    held = yaml.safe_load(base.read_text())
    *parents, last = key.split(".")
    inside = held
    for parent in parents:
        inside = inside.setdefault(parent, {})
    inside[last] = value
    base.write_text(yaml.safe_dump(held))


def test_an_identity_repeats_and_survives_json(base: Path, make_sweep: MakeSweep) -> None:
    one, again = identify(make_sweep()), identify(make_sweep())
    assert one == again and differences(one, again) == []
    held = of_plain(json.loads(json.dumps(as_plain(one))))
    assert differences(held, one) == [] and held.config_digest == one.config_digest


FREE: dict[str, dict[str, Any]] = {
    "more trials": {"n_trials": 9},
    "other workers": {"workers": 3, "threads": 1},
    "another sampler and pruner": {"sampler": {"name": "random", "seed": 9}, "pruner": {"name": "none"}},
    "time limits": {"limits": {"epochs": 2, "minutes": 3.0, "hang_minutes": 1.0}},
    "points to try": {"enqueue": [{LR: 0.01}]},
    "loader processes": {"fixed": {"data.loader.num_workers": 2}},
    "a base value of a searched key": {"base_change": (LR, 0.5)},
    "the base's name": {"base_change": ("name", "other")},
    "the base's own epochs": {"base_change": ("trainer.max_epochs", 99)},
}


@pytest.mark.parametrize("name", FREE)
def test_what_moves_only_the_search_is_free(name: str, base: Path, make_sweep: MakeSweep) -> None:
    changes = dict(FREE[name])
    before = identify(make_sweep())
    if "base_change" in changes:
        change(base, *changes.pop("base_change"))
    assert differences(before, identify(make_sweep(**changes))) == []


SEEN: dict[str, tuple[dict[str, Any], str]] = {
    "the space": (
        {"space": {LR: {"type": "float", "low": 0.01, "high": 0.1}}},
        f"space: {LR}: {{'type': 'float', 'low': 0.001, 'high': 0.1, 'log': True, 'step': None}} -> "
        f"{{'type': 'float', 'low': 0.01, 'high': 0.1, 'log': False, 'step': None}}",
    ),
    "the metric": ({"metric": "val/ic"}, "metric: 'val/rank_ic' -> 'val/ic'"),
    "the direction": ({"direction": "minimize"}, "direction: 'maximize' -> 'minimize'"),
    "the folds": ({"folds": 3}, "folds: None -> 3"),
    "the epochs": ({"limits": {"epochs": 5}}, "config: trainer.max_epochs: 2 -> 5"),
    "a fixed value": ({"fixed": {"model.network.dropout": 0.4}}, "config: model.network.dropout: 0.1 -> 0.4"),
    "a base value": (
        {"base_change": ("model.objective.terms.huber", 0.2)},
        "config: model.objective.terms.huber: 0.1 -> 0.2",
    ),
    "the split": ({"base_change": ("data.split.embargo_days", 3)}, "config: data.split.embargo_days: 2 -> 3"),
    "the schema": (
        {"base_change": ("data.panel.schema", {"exclude": ["x_1"]})},
        "config: data.panel.schema.exclude: [] -> ['x_1']",
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_the_values_depend_on_is_seen(name: str, base: Path, make_sweep: MakeSweep) -> None:
    changes, line = SEEN[name]
    changes, before = dict(changes), identify(make_sweep())
    if "base_change" in changes:
        change(base, *changes.pop("base_change"))
    now = identify(make_sweep(**changes))
    assert line in differences(before, now) and now.config_digest != before.config_digest
    assert now.data_digest == before.data_digest


def test_another_panel_is_seen_and_another_place_of_the_cache_is_not(
    base: Path, make_sweep: MakeSweep, make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    before = identify(make_sweep())
    change(base, "data.cache.dir", str(tmp_path / "elsewhere"))
    assert differences(before, identify(make_sweep())) == []
    make_panel(seed=1)
    now = identify(make_sweep())
    assert differences(before, now) == [f"data: {before.data_digest} -> {now.data_digest}"]


def test_a_simulated_market_is_known_by_its_options(base: Path, make_sweep: MakeSweep) -> None:
    digests = []
    for stocks in (30, 30, 31):
        change(base, "data.panel", {"simulate": {"stocks": stocks, "days": 60}})
        digests.append(identify(make_sweep()).data_digest)
    assert digests[0] == digests[1] != digests[2]


def test_nothing_is_built_and_no_row_is_read(base: Path, make_sweep: MakeSweep, tmp_path: Path) -> None:
    identify(make_sweep())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["panel.parquet", "sweep.yaml", "tiny.yaml"]


def test_the_refusal_is_one_line_with_the_difference_as_notes() -> None:
    was, now = Identity({"a": 1, "b": 2}, "d"), Identity({"a": 1, "b": 3}, "d")
    refuse_changed("s", was, was)
    with pytest.raises(
        InputError, match=r"study s: 1 thing that its values depend on changed \(b: 2 -> 3\)"
    ) as e:
        refuse_changed("s", was, now)
    assert e.value.__notes__ == ["b: 2 -> 3"]
