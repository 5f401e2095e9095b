"""The scorer and the cache of the run that all tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from atft.daily.network_scorer import load_network
from atft.daily.scorer import Scorer
from atft.daily.source import Source, source_of
from atft.data.cache import DayCache
from tests.crossval.conftest import starts, stub  # noqa: F401  (fixtures: runs that are not trained)


class Daily(NamedTuple):
    """What scores the days of the small run, and those days."""

    scorer: Scorer
    source: Source
    cache: DayCache


@pytest.fixture(scope="session")
def treed_run(tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run like the small one, with LightGBM beside the network and another seed."""
    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    words = ["--trainer.default_root_dir", tmp_path_factory.mktemp("treed"), "--seed_everything", "4"]
    printed = atft("fit", "--config", tiny_run.config, *words, "--baselines", "[lightgbm]")
    assert printed.code == 0, printed
    return Path(words[1]) / "tiny" / "version_0"


@pytest.fixture(scope="session")
def daily(tiny_run: Any) -> Daily:
    """The checkpoint of the small run, loaded once."""
    scorer = load_network(tiny_run.directory / "best_model.ckpt")
    source = source_of(scorer.config, "tiny", None, str(tiny_run.folder / "cache"))
    return Daily(scorer, source, source.open_cache())
