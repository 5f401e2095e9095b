import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atft.search.question.options import SweepOptions, read_sweep
from atft.search.study.study import open_study

DOOR = Path(__file__).parents[2] / "hpo" / "sweep.py"


@pytest.fixture
def sweep(
    write_sweep: Callable[..., Path],
    tiny_config: Callable[..., Path],
    make_panel: Callable[..., Path],
    tmp_path: Path,
) -> tuple[Path, SweepOptions]:
    """A small sweep over the small panel, its study made already: that spares the preflight."""
    tiny_config(tmp_path, make_panel())
    path = write_sweep(n_trials=1)
    read = read_sweep(path)
    open_study(read)
    return path, read


def door(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, DOOR, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_one_command_runs_a_sweep_and_the_same_command_again_only_tells_of_it(
    sweep: tuple[Path, SweepOptions],
) -> None:
    path, read = sweep
    first = door("--config", path)
    assert first.returncode == 0, first
    assert "small: 1 of 1 trials finished, 1 complete, 0 pruned" in first.stderr
    folder = Path(read.root) / "small"
    best = json.loads((folder / "best_params.json").read_text())
    assert best["study_id"] == open_study(read, create=False).user_attrs["study_id"]
    assert (folder / "trial_0" / "best_model.ckpt").is_file()
    again = door("--config", path)
    assert again.returncode == 0
    assert len(open_study(read, create=False).trials) == 1


def test_a_sweep_that_changed_is_refused_with_the_difference(sweep: tuple[Path, SweepOptions]) -> None:
    refused = door("--config", sweep[0], "--set", "metric=train/loss")
    assert refused.returncode == 2
    assert "direction: 'maximize' -> 'minimize'" in refused.stderr
    assert refused.stderr.strip().splitlines()[-1].startswith("atft: error: study small: ")
