"""cache: build what a config names, say what is in it, verify every byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_building_says_what_is_in_it_and_fit_then_uses_it(
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    config = tiny_config(tmp_path, make_panel())
    outcome = atft("cache", "--config", config)
    assert outcome.code == 0 and "window 20, every 5 weekdays" in outcome.out
    (built,) = (tmp_path / "cache").iterdir()
    before = (built / "days.arrow").stat().st_mtime_ns
    assert atft("fit", "--config", config, "--trainer.max_epochs", "1").code == 0
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [built.name]
    assert (built / "days.arrow").stat().st_mtime_ns == before


def test_building_makes_no_run(
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    assert atft("cache", "--config", tiny_config(tmp_path, make_panel())).code == 0
    assert not (tmp_path / "logs").exists()


def test_verifying_reads_everything(tiny_run: Any, atft: Callable[..., Any]) -> None:
    outcome = atft("cache", "--config", tiny_run.config, "--verify")
    assert outcome.code == 0 and outcome.out.splitlines()[-1] == "verified: every digest matches"


def test_verifying_finds_a_day_that_nobody_has_read_yet(
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    import os

    config = tiny_config(tmp_path, make_panel())
    assert atft("cache", "--config", config).code == 0
    (days,) = (tmp_path / "cache").glob("*/days.arrow")
    stat, content = days.stat(), bytearray(days.read_bytes())
    content[len(content) // 2] ^= 1
    days.write_bytes(bytes(content))
    os.utime(days, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing but its bytes tells
    assert "is damaged (checksum differs)" in atft("cache", "--config", config, "--verify").error_line
