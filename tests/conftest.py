"""Fixtures that every test shares; shapes written in signatures are checked while the tests run."""

from pathlib import Path

from jaxtyping import config as shape_checks
from jaxtyping import install_import_hook

from atft.process.threads import cap_threads

# Before any pool is made: with `-n` there are as many processes as cores.
cap_threads(1)
SOURCE = Path(__file__).parent.parent / "atft"
# Only modules whose signatures name shapes: wrapping all, which mypy checks anyway, takes 10 s per process.
SHAPED = [
    ".".join(p.relative_to(SOURCE.parent).with_suffix("").parts)
    for p in sorted(SOURCE.rglob("*.py"))
    if any(name in p.read_text() for name in ("jaxtyping", "PerStock", "ByHorizon"))
]
# The tower lets an int stand for a float, as it does for mypy and in YAML.
install_import_hook(SHAPED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import io  # noqa: E402
import json  # noqa: E402
import random  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import redirect_stderr, redirect_stdout  # noqa: E402
from datetime import date  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from atft.batch import EDGE_FEATURES, DayBatch  # noqa: E402
from atft.nn.graph_attention import MIN_TABLE_WIDTH  # noqa: E402
from dotted import set_at  # noqa: E402

torch.set_num_threads(1)
UNSHAPED = (
    "callbacks/",
    "commands/",
    "search/",
    "test_attacks",
    "test_bad_input",
    "test_configs",
    "test_hostile",
    "export/",
)
UNSHAPED += (
    "probes/test_later",
    "probes/test_pipeline",
    "probes/test_training",
    "runs/test_comparison",
    "runs/test_trainer",
    "test_docs",
    "test_leaks",
    "test_lookahead",
    "test_networks",
    "test_own_",
    "test_panel_start",
    "test_reproducible",
)
"""Tests of whole runs: they train what others train with shapes checked, which takes a third of a run's time."""
# The same examples in each run: a change is judged by what it changes. No example fails for its time: a busy
# machine is no fault. `--hypothesis-profile explore` looks for examples that were never tried.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("same")


def _random_batch(
    days: int = 3,
    stocks: int = 17,
    features: int = 5,
    lookback: int = 8,
    horizons: int = 2,
    edges_per_stock: int = 4,
    exposures: int = 2,
    regimes: int = 2,
    missing: float = 0.1,
    seed: int = 0,
) -> DayBatch:
    """A block of noise with holes in it: unobserved rows, NaN features, unknown labels, a varying universe."""
    rng = torch.Generator().manual_seed(seed)
    span = lookback + days - 1

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    def chance(share: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=rng) < share

    observed = ~chance(missing, span, stocks)
    universe = ~chance(missing, days, stocks) & observed[lookback - 1 :]
    table = normal(span, stocks, features)
    table[chance(missing, span, stocks, features)] = torch.nan
    table[~observed] = torch.nan
    target = 0.02 * normal(days, stocks, horizons)
    target[chance(missing, days, stocks, horizons)] = torch.nan
    ends = []
    for day in range(days):
        ranked = universe[day].nonzero()[:, 0]
        for stock in ranked.tolist():
            near = ranked[torch.randperm(len(ranked), generator=rng)[:edges_per_stock]]
            ends += [(day * stocks + int(n), day * stocks + stock) for n in near if int(n) != stock]
    edge_index = torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T.contiguous()
    return DayBatch(
        features=table,
        observed=observed,
        universe=universe,
        target=target,
        valid=universe[..., None] & target.isfinite(),
        edge_index=edge_index,
        edge_attr=normal(edge_index.shape[1], len(EDGE_FEATURES)),
        stock=torch.arange(stocks),
        day=torch.arange(100, 100 + days),
        sector=torch.randint(-1, 3, (days, stocks), generator=rng),
        exposure=normal(days, stocks, exposures),
        regime=normal(days, regimes),
        weight=torch.full((days,), 1 / days),
        closes_step=True,
        # More than there are, so that messages are summed as a table.
        max_neighbours=edges_per_stock + MIN_TABLE_WIDTH,
    )


@pytest.fixture(autouse=True)
def one_thread_and_one_seed() -> None:
    """Compute on one thread and draw the same numbers, whatever the tests before have set and drawn.

    There are as many processes as cores, and which tests one of them runs differs from run to run. The seed is none
    that a test uses itself: its noise would be its data.
    """
    torch.set_num_threads(1)
    torch.manual_seed(271828)
    random.seed(271828)


@pytest.fixture(autouse=True)
def shapes_checked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check the shapes of signatures, but for the tests of whole commands."""
    place = str(request.path.relative_to(Path(__file__).parent))
    shape_checks.update("jaxtyping_disable", place.startswith(UNSHAPED))
    yield
    shape_checks.update("jaxtyping_disable", False)


@pytest.fixture
def types_unchecked(shapes_checked: None) -> None:
    """Let arguments of other types in, as outside of the tests."""
    shape_checks.update("jaxtyping_disable", True)


@pytest.fixture
def toypkg(tmp_path: Path) -> Iterator[None]:
    """The package of `own_package`, importable as ``toypkg``."""
    from own_package import importable_package

    with importable_package(tmp_path, "toypkg"):
        yield


@pytest.fixture
def make_batch() -> Callable[..., DayBatch]:
    """A factory of noisy blocks; see the keyword arguments of ``_random_batch``."""
    return _random_batch


def trading_days(count: int, first: date = date(2015, 1, 5)) -> list[date]:
    """Weekdays from ``first`` on."""
    days: list[date] = np.busday_offset(first, np.arange(count), roll="forward").tolist()
    return days


def _write_panel(
    path: Path,
    days: int = 80,
    stocks: int = 20,
    features: int = 6,
    horizons: tuple[int, ...] = (1, 5),
    missing: float = 0.05,
    seed: int = 0,
    extra: dict[str, Any] | None = None,
) -> Path:
    """A small panel of the default schema, sorted by (date, code): real prices' shape, none of their meaning.

    Targets follow their definition, close[t + h] / close[t] - 1, and are null at the end. ``x_0`` carries a
    strong signal for the next day.
    """
    import polars as pl

    rng = np.random.default_rng(seed)
    returns = 0.02 * rng.standard_normal((days + 1, stocks))
    close = 100 * np.exp(np.cumsum(returns, axis=0))[:-1]
    forward = {}
    for h in horizons:
        target = np.full((days, stocks), np.nan)
        target[:-h] = close[h:] / close[:-h] - 1
        forward[f"target_{h}d"] = target
    past = np.full((days, stocks), np.nan)
    past[1:] = close[1:] / close[:-1] - 1
    table = {f"x_{i}": rng.standard_normal((days, stocks)) for i in range(features)}
    table["x_0"] = returns[1:] / 0.02 + rng.standard_normal((days, stocks))
    calendar = trading_days(days)
    row_day, row_stock = np.divmod(np.arange(days * stocks), stocks)
    keep = rng.random(days * stocks) >= missing
    columns: dict[str, Any] = {
        "date": [calendar[d] for d in row_day],
        "code": [f"S{s:03d}" for s in row_stock],
        "sector": [f"sector{s % 3}" if s % 5 else None for s in row_stock],
        "universe": rng.random(days * stocks) >= missing,
        **{n: v.ravel().astype(np.float32) for n, v in table.items()},
        **{n: v.ravel().astype(np.float32) for n, v in forward.items()},
        "exposure_size": rng.standard_normal(days * stocks).astype(np.float32),
        "regime_volatility": np.repeat(rng.random(days), stocks).astype(np.float32),
        "return_1d": past.ravel().astype(np.float32),
        "momentum_20d": rng.standard_normal(days * stocks).astype(np.float32),
        "traded_value": np.exp(rng.standard_normal(days * stocks)).astype(np.float32),
        **(extra or {}),
    }
    frame = pl.DataFrame(columns).with_columns(pl.col(pl.Float32).fill_nan(None)).filter(pl.Series(keep))
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path


@pytest.fixture
def make_panel(tmp_path: Path) -> Callable[..., Path]:
    """A factory of small panel files in the test's folder; see the arguments of ``_write_panel``."""

    def make(name: str = "panel.parquet", **options: Any) -> Path:
        return _write_panel(tmp_path / name, **options)

    return make


class Outcome(NamedTuple):
    """What a command did: its exit status and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line that a command which failed prints."""
        lines = self.err.strip().splitlines()
        assert self.code != 0 and len(lines) == 1 and lines[0].startswith("atft: error: "), self
        return lines[0].removeprefix("atft: error: ")


@pytest.fixture(scope="session", autouse=True)
def no_line_for_being_slow() -> None:
    """What a command prints does not depend on the machine: no line because half a minute is over."""
    from atft.process.progress import OF_PROCESS

    OF_PROCESS.due = lambda: False


def run_command(*arguments: Any) -> Outcome:
    """Run ``python -m atft`` with these arguments inside this process."""
    from atft.cli import main

    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as end:  # the parser's way to end after --help and --print_config
            code = end.code if isinstance(end.code, int) else 1
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def atft() -> Callable[..., Outcome]:
    """Run a command in this process: ``atft("fit", "--config", path).code``."""
    return run_command


def _tiny_config(folder: Path, panel: Path, **changes: Any) -> Path:
    """A training config for the small panel; ``changes`` are dotted keys with ``__`` for the dots."""
    config: dict[str, Any] = {
        "seed_everything": 3,
        "name": "tiny",
        "threads": 1,
        "baselines": ["ridge"],  # their own tests fit the others
        "checkpoint": {"select": "best"},  # whatever the default is; their own tests ask for the last epoch
        "validation_figures": {"every": 0},  # half the time of so small a run; their own tests ask for them
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "default_root_dir": str(folder / "logs")},
        "model": {
            "horizons": [1, 5],
            "network": {"init_args": {"hidden_size": 8, "gat_layers": 1}},
            "objective": {"terms": {"huber": 0.1, "ic": 0.3, "rank_ic": 0.5, "sharpe": 0.1}},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
            "scheduler": {
                "class_path": "atft.optim.schedules.WarmupCosine",
                "init_args": {"warmup_epochs": 0.5, "epochs": 4},
            },
        },
        "data": {
            "panel": {"path": str(panel)},
            "split": {
                "train": ["2015-01-05", "2015-02-27"],
                "val": ["2015-03-02", "2015-03-25"],
                "test": ["2015-03-26", "2015-04-24"],
                "embargo_days": 2,
            },
            "cache": {"dir": str(folder / "cache")},
            "graph": {"k": 3, "window": 20, "min_observations": 10, "refresh_days": 5, "sector_k": 2},
            "loader": {"lookback": 6, "block_days": 3, "batch_size": 100},
        },
    }
    for key, value in changes.items():
        set_at(config, key.replace("__", "."), value)
    path = folder / "tiny.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=1))  # JSON is YAML
    return path


@pytest.fixture(scope="session")
def fit_parser() -> Any:
    """The parser of ``fit``, built once: building it takes most of the time of parsing."""
    from atft.commands.ranking_cli import RankingCLI
    from atft.errors import InputError
    from atft.runs.third_parties import silence_third_parties

    silence_third_parties()
    built = []

    class Stopped(RankingCLI):
        def parse_arguments(self, parser: Any, args: Any) -> None:
            built.append(parser)
            raise InputError("built")

    with pytest.raises(InputError, match="built"):
        Stopped("fit", {})
    return built[0]


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., Path]:
    """Write a config that trains in a second: ``tiny_config(folder, panel, trainer__max_epochs=2)``."""
    return _tiny_config


@pytest.fixture
def own_config(tmp_path: Path) -> Path:
    """A tiny config, ``tiny.yaml``, and its panel in the test's folder, for a test that changes what is there."""
    return _tiny_config(tmp_path, _write_panel(tmp_path / "panel.parquet"))


class TinyRun(NamedTuple):
    """A finished one-epoch run on the small panel, which tests read and do not change."""

    folder: Path
    panel: Path
    config: Path
    directory: Path
    printed: Outcome
    cache: Path
    """Its own; other tests add theirs beside it."""

    @property
    def best(self) -> list[str]:
        """Words for the selected checkpoint and the run's caches, of which a checkpoint says nothing."""
        checkpoint = self.directory / "best_model.ckpt"
        return ["--ckpt_path", str(checkpoint), "--data.cache.dir", str(self.folder / "cache")]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Train once for all tests that look at what a run leaves behind."""
    folder = tmp_path_factory.mktemp("tiny")
    panel = _write_panel(folder / "panel.parquet")
    config = _tiny_config(folder, panel, trainer__max_epochs=2)
    printed = run_command("fit", "--config", config)
    assert printed.code == 0, printed
    (cache,) = (folder / "cache").glob("[!.]*")
    return TinyRun(folder, panel, config, folder / "logs" / "tiny" / "version_0", printed, cache)
