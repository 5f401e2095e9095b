import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from atft.errors import InputError, RunFailed
from atft.search.cli import COMMANDS, run
from atft.search.question.options import SweepOptions, read_sweep

DOOR = Path(__file__).parents[2] / "hpo" / "sweep.py"


def error_of(*arguments: str) -> str:
    with pytest.raises(InputError) as error:
        run("sweep", arguments)
    return str(error.value)


def test_help_names_every_command_and_imports_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from atft.search.cli import run; run('sweep', ['--help']); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert not {"torch", "optuna", "lightning", "rich", "numpy"} & set(printed.split("\n")[-2].split())
    assert run("sweep", ["run", "--help"]) == 0
    assert "Exit status: 0 the budget is spent" in capsys.readouterr().out


def test_every_command_that_is_named_exists() -> None:
    from importlib.util import find_spec

    assert all(find_spec(module) for module, _ in COMMANDS.values())


def test_no_command_imports_torch_in_the_process_that_lasts() -> None:
    modules = [module for module, _ in COMMANDS.values()]
    sweep = {"study": "a", "base": "b", "space": {"x": {"type": "float", "low": 0.0, "high": 1.0}}}
    code = (
        f"import sys, {', '.join(modules)}; from atft.search.question.options import sweep_of; "
        f"sweep_of({sweep}); print(*sys.modules)"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "lightning"} & set(imported.split())


def test_what_is_mistyped_is_answered_with_what_was_meant() -> None:
    assert error_of("stats") == "no command 'stats'; did you mean 'status'?"
    assert error_of("--confg", "x.yaml") == "unknown option '--confg'; did you mean '--config'?"
    assert error_of("run") == "a sweep needs --config FILE, such as --config quick"
    assert error_of("--config", "x", "--set", "epochs").startswith("--set takes KEY=VALUE, got 'epochs'")
    assert error_of("--config", "absent.yaml").startswith("absent.yaml: No such file")


@pytest.mark.parametrize("command", ["status", "best", "report", "dashboard"])
def test_a_database_that_does_not_answer_is_one_line_of_every_command(
    command: str,
    write_sweep: Callable[..., Path],
    toy_study: Callable[[SweepOptions], optuna.Study],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("atft.search.study.storage.LOCK_SECONDS", 0.1)
    path = write_sweep()
    sweep = read_sweep(path)
    toy_study(sweep)
    with closing(sqlite3.connect(sweep.directory / "study.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunFailed, match=r"storage sqlite:.*database is locked; nothing is lost"):
            run("sweep", [command, "--config", str(path)])


@pytest.mark.parametrize("door", [[DOOR], ["-m", "atft", "sweep"]], ids=["hpo/sweep.py", "atft sweep"])
def test_both_ways_to_start_it_print_the_same_line_and_end_with_two(door: list[str]) -> None:
    words = [sys.executable, *door, "stats"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "atft: error: no command 'stats'; did you mean 'status'?\n"
