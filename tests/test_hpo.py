"""Every sweep of the repository reads, fits its base config, and searches keys that do something."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft.search.question.options import read_sweep
from atft.search.question.space import random_points

ROOT = Path(__file__).parent.parent
SWEEPS = sorted((ROOT / "hpo").glob("*.yaml"))


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a panel of the production schema, of two rows."""
    (tmp_path / "panels").mkdir()
    features = {f"feat_{i:03d}": [0.1, 0.2] for i in range(6)}
    returns = {f"feat_ret_{h}d": [0.01, 0.02] for h in (1, 5, 10, 20)}
    columns = {"Date": [date(2016, 1, 4)] * 2, "Code": ["1301", "1302"], "sector33_code": ["50", "51"]}
    panel = pl.DataFrame({**columns, **features, **returns, "return_1d": [0.0, 0.01]})
    panel.write_parquet(tmp_path / "panels" / "tokyo.parquet")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_a_sweep_opens_with_the_command_that_runs_it(path: Path) -> None:
    opening = path.read_text().partition("\nstudy:")[0]
    assert f"python -m atft sweep --config {path.stem}\n" in opening
    assert "Takes" in opening or "Not timed here" in opening
    assert all(line.startswith("#") for line in opening.splitlines())
    assert read_sweep(path).study == path.stem


@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_the_keys_of_a_sweep_stand_in_its_base_config_and_a_point_builds(path: Path, at_home: Path) -> None:
    from atft.commands.train import build
    from atft.search.question.config import trial_config

    sweep = read_sweep(path)
    for point in [*sweep.enqueue, *random_points(sweep.space, 2)]:
        build("fit", trial_config(sweep, point))
    assert sorted(p.name for p in at_home.iterdir()) == ["panels"]


@pytest.mark.slow
@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_every_key_of_a_sweep_does_something_and_its_corners_step(path: Path, at_home: Path) -> None:
    from atft.search.question.preflight import preflight

    tried = re.search(r"(\d+) of \d+ corners", preflight(read_sweep(path), seconds=120))
    assert tried and int(tried[1]) >= 4
