"""A study keeps its question: which changes are seen, which are free, and the base config that it was made with."""

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from atft.errors import InputError
from atft.search.question.frozen import (
    Identity,
    StudyChanged,
    base_file,
    check_frozen,
    differences,
    freeze,
    identify,
    watch_base,
)
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.workers.supervisor import Supervisor
from dotted import set_at

Make = Callable[..., SweepOptions]
NETWORK = "model.network.init_args"
LR = "model.optimizer.init_args.lr"
SPACE = {LR: {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}}


def change(base: Path, key: str, value: Any) -> None:
    base.write_text(yaml.safe_dump(set_at(yaml.safe_load(base.read_text()), key, value)))


def ask(base: Path, **changes: Any) -> SweepOptions:
    """A sweep over a training config."""
    plain = {"study": "small", "base": str(base), "root": str(base.parent / "logs"), "limits": {"epochs": 2}}
    return sweep_of({**plain, "space": SPACE, **changes})


@pytest.fixture(scope="module")
def before(tiny_run: Any) -> Identity:
    """The identity of a sweep over the small config."""
    return identify(ask(tiny_run.config))


@pytest.fixture
def trained_base(tiny_run: Any, tmp_path: Path) -> Path:
    """A copy of the small config, to be changed."""
    return Path(shutil.copy(tiny_run.config, tmp_path))


def test_an_identity_repeats_and_survives_json(trained_base: Path, before: Identity) -> None:
    again = identify(ask(trained_base))
    assert before == again and differences(before, again) == []
    stored = Identity(**json.loads(json.dumps(asdict(before))))
    assert differences(stored, before) == [] and stored.config_digest == before.config_digest


FREE: dict[str, dict[str, Any]] = {
    "more trials": {"n_trials": 9},
    "other workers": {"workers": 3},
    "another sampler and pruner": {"sampler": {"name": "random", "seed": 9}, "pruner": {"name": "none"}},
    "time limits": {"limits": {"epochs": 2, "minutes": 3.0}},
    "points to try": {"enqueue": [{LR: 0.01}]},
    "loader processes": {"fixed": {"data.loader.num_workers": 2}},
    "a base value of a searched key": {"base_change": (LR, 0.5)},
    "the base's name": {"base_change": ("name", "other")},
    "the base's own epochs": {"base_change": ("trainer.max_epochs", 99)},
}


@pytest.mark.parametrize("name", FREE)
def test_what_moves_only_the_search_is_free(name: str, trained_base: Path, before: Identity) -> None:
    changes = dict(FREE[name])
    if "base_change" in changes:
        change(trained_base, *changes.pop("base_change"))
    assert differences(before, identify(ask(trained_base, **changes))) == []


SEEN: dict[str, tuple[dict[str, Any], str]] = {
    "the space": (
        {"space": {LR: {"type": "float", "low": 0.01, "high": 0.1}}},
        f"space: {LR}: {{'type': 'float', 'low': 0.001, 'high': 0.1, 'log': True, 'step': None}} -> "
        f"{{'type': 'float', 'low': 0.01, 'high': 0.1, 'log': False, 'step': None}}",
    ),
    "the metric": ({"metric": "val/ic"}, "metric: 'val/rank_ic' -> 'val/ic'"),
    "the direction": ({"metric": "train/loss"}, "direction: 'maximize' -> 'minimize'"),
    "the folds": ({"folds": 3}, "folds: None -> 3"),
    "the epochs": ({"limits": {"epochs": 5}}, "config: trainer.max_epochs: 2 -> 5"),
    "a fixed value": (
        {"fixed": {f"{NETWORK}.dropout": 0.4}},
        f"config: {NETWORK}.dropout: 0.1 -> 0.4",
    ),
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
def test_what_the_values_depend_on_is_seen(name: str, trained_base: Path, before: Identity) -> None:
    changes, line = SEEN[name]
    changes = dict(changes)
    if "base_change" in changes:
        change(trained_base, *changes.pop("base_change"))
    now = identify(ask(trained_base, **changes))
    assert line in differences(before, now) and now.config_digest != before.config_digest
    assert now.data_digest == before.data_digest


def test_another_panel_is_seen_and_another_place_of_the_cache_is_not(
    trained_base: Path, before: Identity, make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    change(trained_base, "data.cache.dir", str(tmp_path / "elsewhere"))
    assert differences(before, identify(ask(trained_base))) == []
    change(trained_base, "data.panel.path", str(make_panel(seed=1)))
    now = identify(ask(trained_base))
    (line,) = differences(before, now)
    assert line.startswith("data (the bytes of the panel's files")
    assert line.endswith(f"): {before.data_digest} -> {now.data_digest}")


def test_a_simulated_market_is_known_by_its_options(trained_base: Path) -> None:
    digests = []
    for stocks in (30, 30, 31):
        change(trained_base, "data.panel", {"simulate": {"stocks": stocks, "days": 60}})
        digests.append(identify(ask(trained_base)).data_digest)
    assert digests[0] == digests[1] != digests[2]


def test_nothing_is_built_and_no_row_is_read(trained_base: Path, tmp_path: Path) -> None:
    identify(ask(trained_base))
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.yaml"]


# -- the base config


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text("# as it was\nmodel: {gradient_clip: 1.0}\n")
    return path


def edit(path: Path, text: str) -> None:
    """Write another text, later on the clock of the file system."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_the_first_start_copies_the_base_and_later_ones_use_the_copy(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    copied = freeze(sweep, study)
    assert Path(copied.base) == base_file(sweep) and Path(copied.base).read_text() == base.read_text()
    edit(base, "model: {gradient_clip: 0.01}\n")
    assert freeze(sweep, study) == copied and "1.0" in Path(copied.base).read_text()
    check_frozen(copied, study)
    with pytest.raises(InputError, match=r"base.yaml: edited since study toy was made; restore it"):
        check_frozen(sweep, study)
    for break_it in (lambda: Path(copied.base).write_text("model: ["), Path(copied.base).unlink):
        break_it()
        with pytest.raises(
            StudyChanged, match=r"base.yaml: removed or damaged since study toy was made; restore it"
        ):
            check_frozen(copied, study)


def test_a_machine_without_the_copy_makes_one_of_the_same_content_only(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    base_file(sweep).unlink()
    edit(base, "model: {gradient_clip: 0.01}\n")
    with pytest.raises(InputError, match="changed since study toy was made; restore it, or copy"):
        freeze(sweep, study)
    edit(base, "model:\n  gradient_clip: 1.0  # laid out in another way\n")
    check_frozen(freeze(sweep, study), study)


def test_a_change_of_the_base_is_warned_of_once_and_layout_is_none(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    watch = watch_base(sweep, study)
    assert next(watch) is None
    edit(base, "model: {gradient_clip: 1.0}\n")
    assert next(watch) is None
    edit(base, "model: {gradient_clip: 0.5}\n")
    warning = next(watch)
    assert warning == f"{base} no longer matches this study; its trials go on with {base_file(sweep)}"
    edit(base, "model: {gradient_clip: 0.4}\n")
    assert next(watch) is None
    gone = watch_base(sweep, study)
    base.unlink()
    assert next(gone) == warning and next(gone) is None


def test_a_running_sweep_says_that_its_base_was_edited(
    toy_sweep: Make, toy_study: Callable[..., Any], toy_command: Callable[..., list[str]], base: Path
) -> None:
    sweep = toy_sweep(n_trials=1, base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    edit(base, "model: {gradient_clip: 0.5}\n")
    console = Console(file=io.StringIO(), width=300)
    command = toy_command(toy_sweep(n_trials=1), os.getpid())
    assert Supervisor(sweep, study, command, console).run() == 0
    assert console.file.getvalue().count("no longer matches this study") == 1  # type: ignore[attr-defined]
