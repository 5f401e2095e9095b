"""A study keeps the base config that it was made with."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from atft.errors import InputError
from atft.search.question.frozen import BaseWatch, base_file, check_frozen, freeze
from atft.search.question.options import SweepOptions
from atft.search.workers.supervisor import Supervisor

Make = Callable[..., SweepOptions]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text("# as it was\nmodel: {gradient_clip: 1.0}\n")
    return path


def edit(path: Path, text: str) -> None:
    """Write another text, later on the clock of the file system."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_the_first_start_copies_the_base_and_later_ones_use_the_copy(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    own = freeze(sweep, study)
    assert Path(own.base) == base_file(sweep) and Path(own.base).read_text() == base.read_text()
    edit(base, "model: {gradient_clip: 0.01}\n")
    assert freeze(sweep, study) == own and "1.0" in Path(own.base).read_text()
    check_frozen(own, study)
    with pytest.raises(InputError, match=r"base.yaml: edited since study toy was made; restore it"):
        check_frozen(sweep, study)


def test_a_machine_without_the_copy_makes_one_of_the_same_content_only(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    base_file(sweep).unlink()
    edit(base, "model: {gradient_clip: 0.01}\n")
    with pytest.raises(InputError, match="changed since study toy was made; restore it, or copy"):
        freeze(sweep, study)
    edit(base, "model:\n  gradient_clip: 1.0  # laid out in another way\n")
    check_frozen(freeze(sweep, study), study)


def test_a_change_of_the_base_is_said_once_and_layout_is_none(
    toy_sweep: Make, toy_study: Callable[..., Any], base: Path
) -> None:
    sweep = toy_sweep(base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    watch = BaseWatch(sweep, study)
    assert watch.line() is None
    edit(base, "model: {gradient_clip: 1.0}\n")
    assert watch.line() is None
    edit(base, "model: {gradient_clip: 0.5}\n")
    said = watch.line()
    assert said == f"{base} no longer matches this study; its trials go on with {base_file(sweep)}"
    edit(base, "model: {gradient_clip: 0.4}\n")
    assert watch.line() is None
    gone = BaseWatch(sweep, study)
    base.unlink()
    assert gone.line() == said


def test_a_running_sweep_says_that_its_base_was_edited(
    toy_sweep: Make, toy_study: Callable[..., Any], toy_command: Callable[..., list[str]], base: Path
) -> None:
    sweep = toy_sweep(n_trials=1, base=str(base))
    study = toy_study(sweep)
    freeze(sweep, study)
    edit(base, "model: {gradient_clip: 0.5}\n")
    said = Console(file=io.StringIO(), width=300)
    command = toy_command(toy_sweep(n_trials=1), os.getpid())
    assert Supervisor(sweep, study, command, said).run() == 0
    assert said.file.getvalue().count("no longer matches this study") == 1  # type: ignore[attr-defined]
