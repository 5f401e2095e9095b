"""cache: build what a config names, say what is in it, verify every byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_building_says_what_is_in_it_and_fit_then_uses_it(
    own_config: Path, atft: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = atft("cache", "--config", own_config)
    assert outcome.code == 0 and "window 20, every 5 weekdays" in outcome.out
    (built,) = (tmp_path / "cache").glob("[!.]*")
    before = (built / "days.arrow").stat().st_mtime_ns
    assert atft("fit", "--config", own_config, "--trainer.max_epochs", "1").code == 0
    assert [p.name for p in (tmp_path / "cache").glob("[!.]*")] == [built.name]
    assert (built / "days.arrow").stat().st_mtime_ns == before


def test_building_makes_no_run(own_config: Path, atft: Callable[..., Any], tmp_path: Path) -> None:
    assert atft("cache", "--config", own_config).code == 0
    assert not (tmp_path / "logs").exists()


def test_verifying_reads_everything(tiny_run: Any, atft: Callable[..., Any]) -> None:
    outcome = atft("cache", "--config", tiny_run.config, "--verify")
    assert outcome.code == 0 and outcome.out.splitlines()[-1] == "verified: every digest matches"


def test_verifying_finds_a_day_that_nobody_has_read_yet(
    own_config: Path, atft: Callable[..., Any], tmp_path: Path
) -> None:
    import os

    assert atft("cache", "--config", own_config).code == 0
    (days,) = (tmp_path / "cache").glob("*/days.arrow")
    stat, content = days.stat(), bytearray(days.read_bytes())
    content[len(content) // 2] ^= 1
    days.write_bytes(bytes(content))
    os.utime(days, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing but its bytes tells
    assert "is damaged (checksum differs)" in atft("cache", "--config", own_config, "--verify").error_line


def test_help_is_a_page_and_that_of_prune_is_its_own(atft: Callable[..., Any]) -> None:
    page, prune = atft("cache", "--help").out, atft("cache", "--prune", "--help").out
    assert "--verify" in page and "--data.panel.path" in page and len(page.splitlines()) < 50
    assert prune.startswith("usage: python -m atft cache --prune") and "--data.panel.path" not in prune
    assert "--prices" not in page and "--prices" in atft("fit", "--help").out
