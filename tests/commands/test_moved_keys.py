"""A key of an earlier version is one line that says what to write instead, through whatever door it comes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser, Namespace

from atft.commands.checkpoint_config import checkpoint_config
from atft.commands.config_keys import parse
from atft.commands.moved_keys import MARKET, MOVED, REMOVED, TERM_OPTIONS, check_moved
from atft.commands.train import build
from atft.data import graph, loader
from atft.errors import InputError
from atft.losses.terms import options_of
from atft.market import simulate
from atft.market.options import COMMUNITY_SIZE
from atft.search.question.options import read_sweep
from atft.trading_days import DAY_RULES
from tests.support.checkpoints import small_checkpoint

HUBER = (
    "key 'model.objective.huber_delta' has moved; write "
    "model.objective.terms: {huber: {weight: ..., delta: ...}}"
)


@pytest.fixture(autouse=True)
def former_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that stand for those of any command."""
    monkeypatch.setitem(MOVED, "features.days_back", "lookback_days: 20")
    monkeypatch.setitem(MOVED, "sweep.tries", "n_trials: 20")
    monkeypatch.setitem(MOVED, "model.network.wide", "model.network.hidden_size: 64")
    monkeypatch.setitem(REMOVED, "data.cache.layout", "rows")
    monkeypatch.setitem(REMOVED, "silence", None)


@pytest.mark.parametrize("key", TERM_OPTIONS)
def test_every_option_of_a_term_is_where_the_table_says(key: str) -> None:
    term, option = TERM_OPTIONS[key]
    assert option in options_of(term, 1.0)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["fit", "--config", "old.yaml"], f"old.yaml: {HUBER}"),
        (["fit", "--config", "new.yaml", "--model.objective.huber_delta", "2.0"], HUBER),
        (
            [
                "fit",
                "--config=new.yaml",
                '--curriculum.phases=[{"name": "a", "epochs": 1, "gate": {"above": 0.1}}]',
            ],
            "key 'curriculum.phases[0].gate' has moved; write "
            "curriculum.phases: [{criterion: val/rank_ic > 0.01, otherwise: stop}]",
        ),
        (["validate", "--config", "old.yaml"], f"old.yaml: {HUBER}"),
        (["cache", "--config", "old.yaml"], f"old.yaml: {HUBER}"),
        (["fit", "--config", "new.yaml", "--silence.x", "3"], "key 'silence' was removed; leave it out"),
        (
            ["fit", "--config", "new.yaml", "--data.cache.layout", "columns"],
            "key 'data.cache.layout' was removed, it is always \"rows\"; leave it out",
        ),
        (
            ["features", "--prices", "p.csv", "--out", "o.parquet", "--days_back", "3"],
            "key 'days_back' has moved; write lookback_days: 20",
        ),
    ],
)
def test_the_line_says_what_to_write(
    words: list[str], line: str, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text("model: {objective: {huber_delta: 2.0}}\n")
    Path("new.yaml").write_text("name: run\n")
    outcome = atft(*words)
    assert outcome.error_line == line and outcome.code == 2


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"space": {"model.network.wide": {"type": "int", "low": 4, "high": 8}}},
            "space: key 'model.network.wide'",
        ),
        (
            {"fixed": {"model.objective.huber_delta": 2.0}},
            "fixed: key 'model.objective.huber_delta' has moved",
        ),
        ({"tries": 3}, "key 'tries' has moved; write n_trials: 20"),
    ],
)
def test_a_sweeps_file_is_answered_alike(changes: dict[str, Any], line: str, tmp_path: Path) -> None:
    space = {"model.network.dropout": {"type": "float", "low": 0.1, "high": 0.5}}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"study": "s", "base": "base.yaml", "space": space, **changes}))
    with pytest.raises(InputError) as raised:
        read_sweep(path)
    assert line in str(raised.value)


def test_a_checkpoint_is_read_where_its_removed_keys_have_the_value_of_today(
    tmp_path: Path,
) -> None:
    def stored(config: str) -> Path:
        torch.save(small_checkpoint(atft={"config": config}), tmp_path / "a.ckpt")
        return tmp_path / "a.ckpt"

    def read(config: str) -> Any:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("-c", "--config", action="config")
        for key in ("data.cache.dtype", "data.panel.path", "data.loader.lookback", "model.objective.target"):
            parser.add_argument(f"--{key}", type=str)
        parser.add_argument("--model.network.hidden_size", type=int)
        return parse(parser, ["--config", checkpoint_config(stored(config))], "validate")

    taken = read("data: {cache: {layout: rows, dtype: float32}}\nsilence: {}\n")
    assert taken.data.cache == Namespace(dtype="float32")
    with pytest.raises(InputError, match=r"key 'data.cache.layout' was removed, it is always \"rows\""):
        read("data: {cache: {layout: columns}}")
    with pytest.raises(
        InputError,
        match=r"^the checkpoint's .*: key 'model.network.wide' has moved; write model.network.hidden_size",
    ):
        read("model: {network: {wide: 3}}")


def test_what_an_earlier_run_wrote_is_read_where_its_removed_keys_change_nothing(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = yaml.safe_load((tiny_run.directory / "config.yaml").read_text())
    dotted = yaml.safe_dump({**config, "data.cache.layout": "rows"})
    config["data"]["cache"]["layout"], config["silence"] = "rows", {}
    for written in (dotted, yaml.safe_dump(config)):
        (tmp_path / "old.yaml").write_text(written)
        outcome = atft("fit", "--config", tmp_path / "old.yaml", "--print_config")
        assert outcome.code == 0 and "layout" not in outcome.out and "silence" not in outcome.out
    build("fit", config)
    assert config["silence"] == {}, "the caller's own mapping is left as it is"
    config["data"]["cache"]["layout"] = "columns"
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(config))
    assert "data.cache.layout' was removed" in atft("fit", "--config", tmp_path / "old.yaml").error_line


@pytest.mark.parametrize(
    ("key", "command", "line"),
    [
        ("data.cache.rare_weekdays", "", "has moved; write data.cache.calendar: {rare_weekdays: exclude}"),
        ("gaps", "features", "has moved; write calendar: {gaps: keep}"),
        ("data.cache.infinite", "", "has moved; write data.cache.infinite_as_missing: true"),
        ("data.loader.pin_memory", "", "was removed; leave it out"),
        ("community", "simulate", "was removed, it is always 6; leave it out"),
        ("data.panel.simulate.community", "", "was removed, it is always 6; leave it out"),
    ],
)
def test_former_keys_of_data_and_market_say_what_to_write(key: str, command: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        check_moved(key, command=command)
    assert str(caught.value) == f"key {key!r} {line}"


def test_a_removed_key_is_said_to_have_the_value_that_the_code_has() -> None:
    assert MARKET == {
        "lookback": simulate.CYCLE_WINDOW_DAYS,
        "oracle_ic": simulate.ORACLE_IC,
        "persistence": simulate.PERSISTENCE,
        "cycle_amplitude": simulate.CYCLE_AMPLITUDE,
        "community": COMMUNITY_SIZE,
        "community_share": simulate.COMMUNITY_SHARE,
        "missing": simulate.SUSPENDED_SHARE,
    }
    assert REMOVED["data.graph.threshold"] == graph.MIN_CORRELATION
    assert REMOVED["data.graph.shrinkage"] == graph.SHRINKAGE_DAYS
    assert REMOVED["data.loader.prefetch_factor"] == loader.PREFETCH_BLOCKS
    assert REMOVED["data.loader.timeout"] == loader.BLOCK_TIMEOUT_SECONDS
    for fault, ways in DAY_RULES.items():
        assert REMOVED[f"data.cache.{fault}"] == ways[0]
