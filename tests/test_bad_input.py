"""Bad input gets one line that says what, where and what to do; no traceback, nothing half-written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from atft.data.build import CacheOptions, build_cache
from atft.errors import InputError
from atft.files.panel_files import MEMORY
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.panel import PanelSchema
from full_disk import full_disk

Edit = Callable[[pl.DataFrame], pl.DataFrame]

PANELS: dict[str, tuple[Edit, str]] = {
    "duplicate rows": (lambda f: pl.concat([f, f[5:6]]).sort("date", "code"), "duplicate rows, the first is"),
    "a feature of nulls": (
        lambda f: f.with_columns(x_2=pl.lit(None, pl.Float32)),
        "no value of 'x_2' is known",
    ),
    "an empty panel": (lambda f: f.head(0), "the panel has no row"),
}


def leftovers(folder: Path) -> list[str]:
    """What a refused command must not leave: temporary files, part of a cache, a run's directory."""
    names = [
        p for p in folder.rglob("*") if p.name.endswith((".tmp", ".partial")) or p.parent.name == "cache"
    ]
    return [str(p.relative_to(folder)) for p in (*names, *folder.glob("logs/**/*")) if p.name != MEMORY]


@pytest.mark.parametrize("case", PANELS)
def test_a_panel_that_cannot_be_used_is_refused_in_one_line(
    case: str,
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    edit, said = PANELS[case]
    panel = make_panel()
    edit(pl.read_parquet(panel)).write_parquet(panel)
    outcome = atft("fit", "--config", tiny_config(tmp_path, panel))
    assert said in outcome.error_line and outcome.code == 2
    # What training days know is a matter of the split: the cache itself is sound and stays.
    assert leftovers(tmp_path) == [] or case == "a feature of nulls"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_head(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:7])


def scribble(path: Path) -> None:
    path.write_text("date,code\n2015-01-05,S000\n")


def flip(path: Path, at: float = 0.4) -> None:
    held = bytearray(path.read_bytes())
    held[int(len(held) * at)] ^= 0x40
    path.write_bytes(bytes(held))


@pytest.fixture(scope="module")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A panel as the program writes it."""
    path = tmp_path_factory.mktemp("market") / "panel.parquet"
    write_market(path, MarketOptions(stocks=24, days=80, features=20, horizons=[1, 5]))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "advice"),
    [(truncate, "again"), (cut_head, "again"), (scribble, "write a panel as Parquet"), (flip, "again")],
)
def test_a_damaged_panel_is_refused_in_one_line(
    damage: Callable[[Path], None],
    advice: str,
    small_market: bytes,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    panel = tmp_path / "panel.parquet"
    panel.write_bytes(small_market)
    damage(panel)
    outcome = atft("fit", "--config", tiny_config(tmp_path, panel))
    assert "panel.parquet" in outcome.error_line and advice in outcome.error_line
    assert leftovers(tmp_path) == []


def test_no_flipped_byte_of_a_panel_that_the_program_wrote_is_read(
    small_market: bytes, tmp_path: Path
) -> None:
    panel, options = tmp_path / "panel.parquet", CacheOptions(dir=str(tmp_path / "cache"))
    rng = np.random.default_rng(7)
    footer = len(small_market) - 8 - int.from_bytes(small_market[-8:-4], "little")
    pages, rest = rng.integers(4, footer - 12, 200), rng.integers(footer, len(small_market), 100)
    for at in (*pages.tolist(), *rest.tolist()):
        broken = bytearray(small_market)
        broken[at] ^= 1 << int(rng.integers(8))
        panel.write_bytes(broken)
        with pytest.raises(InputError):
            build_cache(panel, PanelSchema(), [1, 5], options, None)
    assert leftovers(tmp_path) == []


KEYS: dict[str, tuple[list[str], str]] = {
    "an unknown nested key": (["--data.loader.lokback", "4"], "did you mean 'data.loader.lookback'"),
    "an unknown argument of the optimiser": (["--model.optimizer.init_args.learnrate", "1"], "learnrate"),
    "an unknown class": (["--model.optimizer", "atft.optim.adabelief.AdaBelieve"], "AdaBelieve"),
    "an unknown term": (["--model.objective.terms", "{sharp: 1.0}"], "did you mean 'sharpe'"),
    "an unknown target transform": (["--model.objective.target", "rank_norm"], "did you mean 'rank_normal'"),
    "a width of nothing": (["--model.network.hidden_size", "0"], "hidden_size must be 4 to 4096, got 0"),
    "no history": (["--data.loader.lookback", "0"], "lookback must be at least 1, got 0"),
    "more history than days": (["--data.loader.lookback", "500"], "has no usable day"),
    "a step of nothing": (["--data.loader.batch_size", "0"], "batch_size must be at least 4, got 0"),
    "a rule that a calendar does not have": (
        ["--data.cache.calendar", "{rare_weekdays: drop}"],
        "data.cache.calendar.rare_weekdays must be one of error, exclude, keep, got 'drop'",
    ),
    "a negative rate": (["--model.optimizer.init_args.lr", "-1"], "earning rate"),
    "an empty split": (["--data.split.test", "[2031-01-01, 2031-12-31]"], "data.split.test"),
    "a path where nothing is": (["--data.panel.path", "nowhere.parquet"], "nowhere.parquet: no Parquet file"),
    "a monitor that does not exist": (["--checkpoint.monitor", "val/rankic"], "did you mean 'val/rank_ic'"),
    "a name that leaves the root": (["--name", "../elsewhere"], "name must be"),
    "a device that is not there": (["--trainer.accelerator", "tpu"], "trainer: Requirement 'torch_xla"),
    "a precision that does not exist": (["--trainer.precision", "33-true"], "precision"),
    "no checkpoint to go on from": (["--ckpt_path", "last"], "no last.ckpt under"),
    "a checkpoint that is not there": (["--ckpt_path", "gone.ckpt"], "gone.ckpt: no such file"),
    "a config that is not there": (["--config", "gone.yaml"], "gone.yaml"),
    "graph options out of range": (["--data.graph.refresh_days", "0"], "refresh_days must be at least 1"),
    "a cache where a file is": (["--data.cache.dir", __file__], "set data.cache.dir"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_wrong_key_or_value_is_refused_in_one_line(
    case: str, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    arguments, said = KEYS[case]
    logs = ["--trainer.default_root_dir", str(tmp_path / "logs")]
    outcome = atft("fit", "--config", tiny_run.config, *logs, *arguments)
    assert said in outcome.error_line and outcome.code == 2
    assert leftovers(tmp_path) == []


def test_a_config_that_is_no_yaml_is_refused_in_one_line(atft: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("trainer: {max_epochs: [1\nmodel")
    assert "bad.yaml" in atft("fit", "--config", config).error_line


def test_debug_shows_the_traceback(tiny_run: Any, atft: Callable[..., Any]) -> None:
    from atft.errors import InputError

    with pytest.raises(InputError, match="hidden_size must be"):
        atft("fit", "--config", tiny_run.config, "--model.network.hidden_size", "0", "--debug")


# -- caches


@pytest.mark.parametrize("name", ["days.arrow", "graph.arrow", "manifest.json"])
@pytest.mark.parametrize("damage", [truncate, flip])
def test_a_damaged_cache_is_refused_in_one_line(
    name: str,
    damage: Callable[[Path], None],
    tiny_run: Any,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    import shutil

    shutil.copytree(tiny_run.cache, tmp_path / "cache" / tiny_run.cache.name)
    (found,) = (tmp_path / "cache").glob(f"*/{name}")
    damage(found)
    outcome = atft("fit", "--config", tiny_config(tmp_path, tiny_run.panel))
    assert str(found) in outcome.error_line and "build it again" in outcome.error_line
    assert not (tmp_path / "logs").exists()


def test_a_cache_of_another_panel_is_refused(
    tiny_run: Any,
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    config = tiny_config(tmp_path, make_panel(seed=9))
    assert atft("cache", "--config", config).code == 0
    (own,) = (tmp_path / "cache").glob("[!.]*")
    (own / "manifest.json").write_bytes((tiny_run.cache / "manifest.json").read_bytes())
    assert (
        f"the manifest of cache {tiny_run.cache.name}, not of this folder"
        in atft("fit", "--config", config).error_line
    )


# -- checkpoints


def garbage(path: Path) -> None:
    path.write_bytes(b"not a checkpoint at all" * 50)


@pytest.mark.parametrize("command", ["fit", "predict", "validate"])
@pytest.mark.parametrize("damage", [truncate, garbage])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    command: str, damage: Callable[[Path], None], tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "bad.ckpt"
    checkpoint.write_bytes((tiny_run.directory / "last.ckpt").read_bytes())
    damage(checkpoint)
    logs = ["--trainer.default_root_dir", str(tmp_path / "logs")]
    outcome = atft(command, "--config", tiny_run.config, "--ckpt_path", checkpoint, *logs)
    assert "bad.ckpt: not a readable checkpoint" in outcome.error_line
    assert leftovers(tmp_path) == []
    if command != "fit":
        assert "bad.ckpt: not a readable checkpoint" in atft(command, "--ckpt_path", checkpoint).error_line


def test_a_checkpoint_of_something_else_is_refused(atft: Callable[..., Any], tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    assert "not a checkpoint of atft" in atft("predict", "--ckpt_path", tmp_path / "foreign.ckpt").error_line


def test_a_checkpoint_whose_features_the_panel_lacks_is_refused(
    tiny_run: Any, make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    panel = make_panel()
    pl.read_parquet(panel).drop("x_5").write_parquet(panel)
    best = tiny_run.directory / "best_model.ckpt"
    where = [
        "--data.panel.path",
        panel,
        "--data.cache.dir",
        tmp_path / "cache",
        "--out",
        tmp_path / "p.parquet",
    ]
    outcome = atft("predict", "--ckpt_path", best, *where)
    assert "missing ['x_5']" in outcome.error_line
    assert not list(tmp_path.glob("*p.parquet*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--model.network.hidden_size", "16"],
            "set model.network, model.members and model.horizons to its own",
        ),
        (["--model.horizons", "[1]"], "horizons"),
        (["--model.optimizer", "atft.optim.adabelief.AdaBelief"], "AdamW"),
    ],
)
def test_a_checkpoint_of_another_network_or_optimiser_is_refused(
    arguments: list[str], said: str, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    logs = ["--trainer.default_root_dir", str(tmp_path / "logs"), "--data.cache.dir", str(tmp_path / "cache")]
    last = ["--ckpt_path", tiny_run.directory / "last.ckpt", "--trainer.max_epochs", "3"]
    outcome = atft("fit", "--config", tiny_run.config, *last, *logs, *arguments)
    assert said in outcome.error_line and "checkpoint" in outcome.error_line


def test_a_run_that_has_all_its_epochs_is_not_resumed_for_none(
    tiny_run: Any, atft: Callable[..., Any]
) -> None:
    outcome = atft("fit", "--config", tiny_run.config, "--ckpt_path", "last")
    assert "2 epochs of trainer.max_epochs 2 done; raise it" in outcome.error_line


# -- full disks


def test_a_disk_that_fills_while_the_cache_is_built_leaves_nothing_of_it(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny_config(tmp_path, tiny_run.panel)
    with full_disk(20_000):
        outcome = atft("fit", "--config", config)
    assert "the disk is full; make room or set data.cache.dir" in outcome.error_line
    assert leftovers(tmp_path) == []
    assert atft("cache", "--config", config).code == 0


def test_a_disk_that_fills_while_a_checkpoint_is_written_ends_the_run_as_failed(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    logs = ["--trainer.default_root_dir", str(tmp_path / "logs")]
    # Without the pictures, whose file would be the first that is too large.
    logs += ["--validation_figures.every", "0", "--gradient_monitor.every", "0"]
    with full_disk(50_000):
        outcome = atft("fit", "--config", tiny_run.config, *logs)
    assert outcome.code == 2
    assert [line[:11] for line in outcome.err.splitlines()] == ["epoch   1/2", "atft: error"]
    assert "best_model.ckpt: the disk is full" in outcome.err
    run = tmp_path / "logs" / "tiny" / "version_0"
    assert json.loads((run / "receipt.json").read_text())["status"] == "failed"
    assert "the disk is full" in (run / "run.log").read_text()
    assert not [p.name for p in run.iterdir() if "ckpt" in p.name or p.name.endswith(".tmp")]


def test_a_disk_that_fills_while_predictions_are_written_leaves_no_part_of_them(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    best, out = tiny_run.directory / "best_model.ckpt", tmp_path / "p.parquet"
    cache = ["--data.cache.dir", tiny_run.folder / "cache"]
    with full_disk(12_000):
        outcome = atft("predict", "--ckpt_path", best, "--out", out, *cache)
    assert f"{out}: the disk is full" in outcome.error_line
    assert list(tmp_path.iterdir()) == []


def test_predictions_that_cannot_be_written_there_are_refused_before_the_work(
    tiny_run: Any, atft: Callable[..., Any]
) -> None:
    best = tiny_run.directory / "best_model.ckpt"
    assert (
        "cannot write there"
        in atft("predict", "--ckpt_path", best, "--out", f"{__file__}/p.parquet").error_line
    )


# -- commands without a checkpoint


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_untrained_network_is_not_asked(command: str, tiny_run: Any, atft: Callable[..., Any]) -> None:
    assert "--ckpt_path" in atft(command, "--config", tiny_run.config).error_line
    assert "--ckpt_path" in atft(command).error_line


def test_fit_without_a_config_says_what_it_needs(atft: Callable[..., Any]) -> None:
    assert atft("fit").error_line == "fit needs --config FILE, such as --config quickstart, or --prices PATH"
