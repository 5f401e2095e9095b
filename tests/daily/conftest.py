"""The scorer and the cache of the run that all tests share."""

from typing import Any, NamedTuple

import pytest

from atft.daily.scorer import Scorer, load_scorer
from atft.daily.source import Source, source_of
from atft.data.cache import DayCache
from tests.crossval.conftest import starts, stub  # noqa: F401  (fixtures: runs that are not trained)


class Daily(NamedTuple):
    """What scores the days of the small run, and those days."""

    scorer: Scorer
    source: Source
    cache: DayCache


@pytest.fixture(scope="session")
def daily(tiny_run: Any) -> Daily:
    """The checkpoint of the small run, loaded once."""
    scorer = load_scorer(tiny_run.directory / "best_model.ckpt")
    source = source_of(scorer.config, "tiny", None, str(tiny_run.folder / "cache"))
    return Daily(scorer, source, source.open_cache())
