import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from atft.errors import InputError, RunFailed
from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.study.files import publish_trial
from atft.search.study.study import begin_study, open_study
from atft.search.workers.process import child_command
from atft.search.workers.start import prepare, run, run_arguments

Make = Callable[..., SweepOptions]


def test_only_a_new_sweep_is_tried_over_its_space_and_a_mistake_leaves_no_study(
    toy_sweep: Make, toy_study: Callable[[SweepOptions], optuna.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(sweep: SweepOptions) -> None:
        raise InputError("a corner cannot be built")

    monkeypatch.setattr("atft.search.question.preflight.preflight", mistaken)
    sweep = toy_sweep()
    with pytest.raises(InputError, match="a corner cannot be built"):
        prepare(sweep)
    assert not sweep.directory.exists()
    toy_study(sweep)
    with pytest.raises(
        InputError, match="base: no file trains; name one"
    ):  # the base config: the preflight is over
        prepare(sweep)


def test_a_new_study_does_not_begin_over_the_trials_of_one_whose_database_is_lost(
    make_sweep: Make, own_config: Path
) -> None:
    sweep = make_sweep()
    publish_trial(sweep.trial_directory(3), {"study_id": "lost"}, create_trial(value=0.1))
    with pytest.raises(
        InputError, match="holds trials of a study that the database does not have; run rebuild"
    ):
        prepare(sweep)
    assert [path.name for path in sweep.directory.iterdir()] == ["trial_3"]
    begin_study(sweep, identify(sweep))
    prepare(sweep)  # a study that is there goes on


def test_a_storage_that_does_not_answer_is_an_error_before_the_space_is_tried(
    make_sweep: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.search.question.preflight.preflight", lambda sweep: pytest.fail("tried"))
    with pytest.raises(InputError, match="check that the database exists and you may access it"):
        prepare(make_sweep(storage="postgresql://me@127.0.0.1:1/none"))


def test_days_on_which_no_trial_could_train_leave_no_study(
    make_sweep: Make, own_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.search.question.preflight.preflight", lambda sweep: "preflight: ...")
    sweep = make_sweep(folds=3)
    with pytest.raises(InputError, match="folds: 3 validations of 11 days leave 6 training days"):
        prepare(sweep)
    assert not sweep.directory.exists()


def test_what_all_trials_share_is_built_before_the_first_and_a_changed_sweep_is_an_error(
    make_sweep: Make, own_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep()
    begin_study(sweep, identify(sweep))
    prepare(sweep)
    assert list((tmp_path / "cache").rglob("*.arrow"))
    capsys.readouterr()
    with pytest.raises(InputError, match="things that its values depend on changed"):
        prepare(replace(sweep, metric="train/loss"))
    assert "direction: 'maximize' -> 'minimize'" in capsys.readouterr().err


def test_a_preparation_whose_supervisor_was_killed_ends_too_and_leaves_no_study(make_sweep: Make) -> None:
    sweep = make_sweep()
    words = [sys.executable, "-m", "atft.search.workers.start", "--sweep", sweep.as_json(), "--parent", "1"]
    in_background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # a script's shell switches Ctrl-C off
    ended = subprocess.run([*in_background, *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")
    assert not sweep.directory.exists()


def test_an_invalid_sweep_is_one_line_of_the_other_process_and_its_exit_status(make_sweep: Make) -> None:
    command = child_command("start", make_sweep())
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = (line for line in ended.stderr.splitlines() if not line.startswith("preparing the sweep, "))
    assert line.startswith("atft: error: ") and "tiny.yaml" in line


def test_an_invalid_sweep_does_not_say_that_it_starts(
    write_sweep: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = subprocess.CompletedProcess[str]([], 2)
    monkeypatch.setattr("atft.search.workers.start.cap_threads", lambda threads: None)
    monkeypatch.setattr("atft.search.workers.start.subprocess.run", lambda *words, **options: ended)
    assert run(["--config", str(write_sweep())]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("status", "how"), [(-9, r"ended by signal 9 .*"), (130, "stopped")])
def test_a_preparation_that_a_signal_ended_is_an_error_of_one_line(
    status: int, how: str, write_sweep: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.CompletedProcess[str]([], status)
    monkeypatch.setattr("atft.search.workers.start.cap_threads", lambda threads: None)
    monkeypatch.setattr("atft.search.workers.start.subprocess.run", lambda *words, **options: ended)
    with pytest.raises(
        RunFailed, match=rf"^preparing the sweep was {how}; the same command begins it again$"
    ):
        run(["--config", str(write_sweep())])


def test_options_become_changes_of_the_sweeps_file() -> None:
    words = ["--config", "a.yaml", "--n-trials", "5", "--storage", "grpc://h:1"]
    words += ["--set", "limits.epochs=3", "--set", "x=a=b"]
    given = run_arguments(words)
    assert given.changes == {"n_trials": 5, "storage": "grpc://h:1", "limits.epochs": "3", "x": "a=b"}


def test_cores_are_divided_among_the_workers_unless_threads_are_named(
    write_sweep: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    caps: list[int] = []
    monkeypatch.setattr("atft.search.workers.start.cap_threads", caps.append)
    monkeypatch.setattr("atft.search.workers.dry_run.dry_run", lambda sweep: 0)
    words = ["--config", str(write_sweep()), "--dry-run"]
    assert run([*words, "--threads", "3", "--workers", "2"]) == run([*words, "--workers", "10000"]) == 0
    assert caps == [3, 1]


@pytest.fixture
def sweep(write_sweep: Callable[..., Path], own_config: Path) -> tuple[Path, SweepOptions]:
    """A small sweep over the small panel, its study made already: that spares the preflight."""
    path = write_sweep(n_trials=1)
    read = read_sweep(path)
    begin_study(read, identify(read))
    return path, read


def installed(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "atft", "sweep", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_one_command_runs_a_sweep(sweep: tuple[Path, SweepOptions]) -> None:
    path, read = sweep
    first = installed("--config", path)
    assert first.returncode == 0, first
    assert "small: 1 of 1 trials finished, 1 complete, 0 pruned" in first.stderr
    folder = Path(read.root) / "small"
    start, watch = f"small: 1 trial, 1 at a time, in {folder}", f"sweep status --config {path} --watch 30"
    assert f"{start}; to watch it: python -m atft {watch}\n" in first.stderr
    best = json.loads((folder / "best_params.json").read_text())
    assert best["study_id"] == open_study(read).user_attrs["study_id"]
    assert (folder / "trial_0" / "best_model.ckpt").is_file()


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_no_thread_is_an_error_of_one_line(threads: str) -> None:
    with pytest.raises(InputError, match=rf"^--threads must be at least 1, got {threads}$"):
        run_arguments(["--config", "quick", "--threads", threads])
