"""cache --prune removes what no run names and no run's configuration would open today, and nothing else."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.commands import prune
from atft.commands.prune import freed_bytes, judge_caches
from atft.errors import InputError

Command = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, tiny_run: Any) -> Path:
    """Runs and caches: the tiny run's, two of its panel's earlier states, one of another question, and files."""
    shutil.copytree(tiny_run.directory, tmp_path / "logs" / "tiny" / "version_0")
    caches = tmp_path / "cache"
    shutil.copytree(tiny_run.cache, caches / tiny_run.cache.name)
    for number, change in enumerate(({}, {}, {"horizons": [2]}), 1):
        name = f"{number:016x}-{number:016x}"
        shutil.copytree(tiny_run.cache, caches / name, copy_function=os.link)
        path = caches / name / "manifest.json"
        content = json.loads(path.read_text())
        path.unlink()
        content["manifest"] |= {"digest": name, "source": f"earlier {number}", **change}
        path.write_text(json.dumps(content))
        os.utime(path, (number * 1000, number * 1000))
    (caches / "market-0.parquet").touch()
    (caches / "notes-and-more").mkdir()
    return tmp_path


def needed(folder: Path) -> dict[str, str]:
    """Why each cache is kept, by the beginning of its name."""
    return {c.path.name[:16]: c.reason for c in judge_caches(folder / "cache", [folder / "logs"])}


def test_a_cache_stays_where_a_receipt_names_it_or_a_configuration_opens_it(
    folder: Path, tiny_run: Any
) -> None:
    run, own = str(folder / "logs" / "tiny" / "version_0"), tiny_run.cache.name[:16]
    first, second, other = (f"{number:016x}" for number in (1, 2, 3))
    assert needed(folder) == {own: run, first: "", second: "", other: ""}
    # The newest of the same question is what the next days are appended to.
    path = folder / "cache" / f"{second}-{second}" / "manifest.json"
    os.utime(path, None)
    assert needed(folder) == {own: run, first: "", second: f"{run}, today", other: ""}
    # What the panel is today is opened today, whatever its age; and a run of another question needs its own.
    receipt = folder / "logs" / "tiny" / "version_0" / "receipt.json"
    content = json.loads(receipt.read_text())
    receipt.write_text(json.dumps(content | {"digests": {"data": f"{other}-{other}"}}))
    assert needed(folder) == {own: f"{run}, today", first: "", second: f"{run}, today", other: run}
    config = receipt.with_name("config.yaml")
    changed = yaml.safe_load(config.read_text())
    assert changed["data"]["panel"]["schema"].pop("lag") == 0  # as in a run of a version without the key
    config.write_text(yaml.safe_dump(changed))
    assert needed(folder)[own] == f"{run}, today"
    changed["model"]["horizons"] = [2]
    config.write_text(yaml.safe_dump(changed))
    assert needed(folder) == {own: "", first: "", second: "", other: run}


def test_only_what_no_run_needs_is_removed_and_a_dry_run_removes_nothing(
    folder: Path, tiny_run: Any, atft: Command
) -> None:
    words = ["cache", "--prune", "--data.cache.dir", folder / "cache", "--runs", folder / "logs"]
    before = sorted(path.name for path in (folder / "cache").glob("[!.]*"))
    outcome = atft(*words, "--dry_run")
    assert outcome.code == 0 and "3 of 4 caches, would free" in outcome.out, outcome
    assert sorted(path.name for path in (folder / "cache").glob("[!.]*")) == before
    outcome = atft(*words)
    assert outcome.code == 0 and "3 of 4 caches, freed" in outcome.out
    left = [tiny_run.cache.name, "market-0.parquet", "notes-and-more"]
    assert sorted(path.name for path in (folder / "cache").glob("[!.]*")) == sorted(left)
    assert "0 of 1 caches, freed    0.000 GB" in atft(*words).out
    # The days that the removed ones shared are still there.
    assert atft("cache", "--config", tiny_run.config, "--verify").code == 0


def test_a_runs_configuration_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(prune, "_config", lambda run: read.append(run) or {})
    runs = {receipt.parent for receipt in (folder / "logs").rglob("receipt.json")}
    assert len(judge_caches(folder / "cache", [folder / "logs"])) > 1
    assert len(read) == len(runs) and set(read) == runs


def test_shared_files_free_nothing_until_all_that_share_them_are_gone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "days").write_bytes(b"x" * 1000)
    (tmp_path / "b" / "days").hardlink_to(tmp_path / "a" / "days")
    (tmp_path / "a" / "own").write_bytes(b"x" * 10)
    assert freed_bytes([tmp_path / "a"]) == 10 and freed_bytes([tmp_path / "a", tmp_path / "b"]) == 1010


def test_without_the_runs_nothing_is_removed(folder: Path, atft: Command) -> None:
    words = ["cache", "--prune", "--data.cache.dir", folder / "cache"]
    assert "no such folder; name it" in atft(*words, "--runs", folder / "log").error_line
    assert "takes no '--dry'" in atft(*words, "--dry", "--runs", folder / "logs").error_line
    assert len(list((folder / "cache").glob("[!.]*"))) == 6
    with pytest.raises(InputError, match="no such folder"):
        judge_caches(folder / "caches", [folder / "logs"])
    assert "--dry_run" in atft("cache", "--prune", "--help").out
