"""A small version of `python -m benchmarks.attacks`, and whether its harness sees what it must see."""

import random
import sys
from importlib import import_module
from pathlib import Path

import pytest

from atft.errors import InputError
from benchmarks.attacks.__main__ import main, module_of, read_results, table
from benchmarks.attacks.damage import damaged
from benchmarks.attacks.verdict import GOOD, Result, observe
from benchmarks.attacks.workers import attack_once, run_all

SMALL = {"cache": 30, "panel": 8, "checkpoint": 6, "config": 20, "hostile": 8, "prices": 12, "calendar": 10}
"""Attacks of each kind here, spread over the whole table's."""


@pytest.mark.parametrize("kind", SMALL)
def test_damaged_wrong_and_hostile_inputs_end_in_one_line_or_in_the_sound_result(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(kind)
    (folder / "sound").mkdir()
    name = module_of(kind)
    module = import_module(name)
    attack = module.prepare(folder / "sound")
    numbers = range(0, module.COUNT, module.COUNT // SMALL[kind] | 1)
    results = {n: attack_once(attack, name, 1, n, folder) for n in numbers}
    assert {n: r for n, r in results.items() if r.verdict not in GOOD} == {}


def test_each_end_of_an_attack_has_its_verdict_and_a_dead_worker_costs_one_attack(tmp_path: Path) -> None:
    ways = ["clean", "harmless", "untidy", "traceback", "silent", "crash", "hang"]
    # Long enough for a sound attack on a busy machine; the one that hangs sleeps longer than any limit here.
    orders = [("faulty_attack", n, 2.0 if way == "hang" else 60.0) for n, way in enumerate(ways)]
    found = {number: result for _, number, result in run_all(orders, 1, seed=1, folder=tmp_path)}
    assert [found[n].verdict for n in range(len(ways))] == ways


def test_an_error_that_leaves_a_file_behind_is_untidy() -> None:
    def action() -> str:
        raise FileNotFoundError(2, "No such file or directory", "x.csv")

    assert observe("gone", action).verdict == "clean"
    assert observe("gone", action, lambda: "half.tmp").verdict == "untidy"


def test_lines_of_slow_work_before_the_error_are_not_untidy() -> None:
    def action() -> str:
        print("validate, 0:00:01 so far", file=sys.stderr)
        raise InputError("checkpoint: another network; set model.network")

    assert observe("slow", action).verdict == "clean"


def test_damage_changes_the_bytes_and_a_seed_repeats_it() -> None:
    data = bytes(range(256)) * 40
    for seed in range(200):
        after, what = damaged(random.Random(seed), data)
        assert after != data and what
        assert damaged(random.Random(seed), data) == (after, what)


def test_the_table_counts_by_kind_and_in_all() -> None:
    ends = ["clean", "clean", "silent"]
    results = {("cache", n): Result("x", verdict) for n, verdict in enumerate(ends)}
    head, cache, total = table(results).splitlines()
    assert dict(zip(head.split()[1:], cache.split()[1:], strict=True)) | {"tried": "3"} == {
        **dict.fromkeys(head.split()[1:], "0"),
        "tried": "3",
        "clean": "2",
        "silent": "1",
    }
    assert total.split()[1:] == cache.split()[1:]


def test_kept_results_are_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "results.jsonl"
    words = ["--only", "cache", "--share", "0.002", "--workers", "1", "--results", str(kept)]
    assert main(words) == 0
    assert set(read_results(kept, seed=1)) == {("cache", 0), ("cache", 1)}
    assert read_results(kept, seed=2) == {}
    capsys.readouterr()
    assert main(words) == 0
    assert "0 attacks in" in capsys.readouterr().out
