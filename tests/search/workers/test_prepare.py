import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.study.study import open_study, study_directory
from atft.search.workers.prepare import exists, in_own_process, prepare

Make = Callable[..., SweepOptions]


def test_a_study_exists_once_it_says_what_it_is_of(
    toy_sweep: Make, toy_study: Callable[[SweepOptions], optuna.Study]
) -> None:
    sweep = toy_sweep()
    assert not exists(sweep)
    toy_study(sweep)
    assert exists(sweep)


def test_what_all_trials_share_is_built_before_the_first_and_a_changed_sweep_is_refused(
    make_sweep: Make, tiny_config: Callable[..., Path], make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    tiny_config(tmp_path, make_panel())
    sweep = make_sweep()
    open_study(sweep)
    prepare(sweep)
    assert list((tmp_path / "cache").rglob("*.arrow"))
    with pytest.raises(InputError, match="things that its values depend on changed"):
        prepare(replace(sweep, metric="val/ic"))


def test_a_preparation_whose_supervisor_was_killed_ends_too_and_leaves_no_study(make_sweep: Make) -> None:
    sweep = make_sweep()
    words = [sys.executable, "-m", "atft.search.workers.prepare", "--sweep", sweep.as_json(), "--parent", "1"]
    in_background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # a script's shell switches Ctrl-C off
    ended = subprocess.run([*in_background, *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")
    assert not study_directory(sweep).exists()


def test_a_refusal_in_the_other_process_is_one_line_and_its_exit_status(
    make_sweep: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    assert in_own_process(make_sweep(), threads=1) == 2
    said = capfd.readouterr().err
    assert said.startswith("atft: error: ") and "tiny.yaml" in said and said.count("\n") == 1
