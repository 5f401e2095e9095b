"""The table of `python -m benchmarks`: what it says of a run; those of the pages are of the stored run."""

import ast
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main, read_results, run_all, seconds_of
from benchmarks.run_one import measured, run
from benchmarks.speed_rows import BENCHMARKS, LIMITS, README, ROWS
from benchmarks.speed_table import aligned, markdown, number

ROOT = Path(__file__).parent.parent
STORED = ROOT / "docs" / "speed.json"
RESULTS: dict[str, dict[str, Any]] = {
    "machine": {"figures": {"copy_gb_per_second": 12.5, "matrix_fp32_gflop_per_second": 180.0}},
    "train": {"figures": {"stock_days_per_second": 4321.6, "gflop_per_second": 45.0}, "seconds": 60.0},
    "loader": {"figures": {"times_a_copy": 1.2, "gb_per_second": 10.0, "memory_growth_mb": 0.0}},
    "evaluate": {"figures": {"rows_per_second": 150_000.0, "peak_gb": 0.58}},
    "peer_tft": {"not_run": "pytorch-forecasting is missing"},
    "append": {"figures": {"day_seconds": 0.0456}},
    "elsewhere": {"figures": {"start_seconds": 7.0}},
}
ALIGNED = """\
what                                                    figure  unit          limit or goal       share
training end to end, 60 days, 32 features, hidden 64     4,322  stock-days/s
its matrix products                                       45.0  GFLOP/s       matrix product 180    25%
a block of 8 days x 4,000 stocks, beside a copy of it     1.20  times         ≤ 1.5                125%
reading such a block                                      10.0  GB/s          copy 12.5             80%
memory that twice as many days add                           0  MB
appending a day of 1,000 stocks to panel and cache       0.046  s
evaluating predictions, start included                 150,000  rows/s        ≥ 200,000             75%
its peak memory                                           0.58  GB            ≤ 4                  690%
this machine: copy                                        12.5  GB/s
this machine: matrix product, float32                      180  GFLOP/s
elsewhere: start seconds                                  7.00
peer_tft: not run: pytorch-forecasting is missing"""
STORED_RUN = {
    "format": 1,
    "command": "python -m benchmarks --out a.json",
    "date": "2020-01-02",
    "machine": {
        "processor": "AMD EPYC",
        "cores": 2,
        "threads": 1,
        "memory_gb": 25.2,
        "gpu": None,
        "torch": "2",
    },
    "results": RESULTS,
}
README_TABLE = """\
| what | figure | unit | limit or goal | share |
| --- | ---: | --- | --- | ---: |
| training end to end, 60 days, 32 features, hidden 64 | 4,322 | stock-days/s |  |  |
| a block of 8 days x 4,000 stocks, beside a copy of it | 1.20 | times | ≤ 1.5 | 125% |
| this machine: matrix product, float32 | 180 | GFLOP/s |  |  |

`python -m benchmarks --out a.json`, 2020-01-02: AMD EPYC, 2 cores, 1 thread, 25 GB of memory, no GPU, torch 2."""


def test_the_table_of_a_terminal_is_aligned_and_ends_with_what_did_not_run() -> None:
    assert aligned(RESULTS) == ALIGNED


def test_readmes_table_has_its_rows_and_the_machine() -> None:
    assert markdown(STORED_RUN, readme=True) == README_TABLE


def test_the_pages_table_has_all_rows_and_what_did_not_run() -> None:
    text = markdown(STORED_RUN)
    assert "| reading such a block | 10.0 | GB/s | copy 12.5 | 80% |" in text
    assert text.endswith("torch 2.\n\n- peer_tft: not run: pytorch-forecasting is missing")


def test_a_limit_that_was_not_measured_is_left_empty() -> None:
    (line,) = [row for row in aligned({"loader": RESULTS["loader"]}).splitlines() if "reading" in row]
    assert line.split() == ["reading", "such", "a", "block", "10.0", "GB/s"]


def test_the_tables_of_the_pages_are_what_the_command_prints_of_the_stored_run() -> None:
    content = read_results(STORED)
    assert markdown(content) in (ROOT / "docs" / "speed.md").read_text()
    readme = (ROOT / "README.md").read_text()
    assert ("| what | figure |" in readme) == (markdown(content, readme=True) in readme)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (2182.4, "2,182"), (99.96, "100"), (45.25, "45.2"), (9.996, "10.0"), (7.25, "7.25")],
)
def test_a_figure_has_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert number(value) == text


def test_small_and_negative_figures_keep_their_digits() -> None:
    assert (number(0.0831), number(0.00123), number(-3.5)) == ("0.083", "0.0012", "-3.50")


def test_each_benchmark_has_its_function_and_each_row_its_benchmark() -> None:
    for name in BENCHMARKS:
        tree = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text())
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert functions["figures"].args.args[0].arg == "budget_s" and "main" in functions, name
    assert {row.figure.partition(".")[0] for row in ROWS} <= set(BENCHMARKS)
    assert set(README) < {row.figure for row in ROWS} and {row.of for row in ROWS} - {""} == set(LIMITS)


def test_each_benchmark_gets_its_share_of_the_budget_and_the_machine_is_always_measured() -> None:
    budgets: dict[str, float] = {}

    def measure(name: str, budget_s: float) -> dict[str, Any]:
        budgets[name] = budget_s
        return {"figures": {}}

    assert list(run_all(["train", "evaluate"], 80, measure, lambda line: None)) == [
        "machine",
        "train",
        "evaluate",
    ]
    assert budgets == {"machine": 10, "train": 30, "evaluate": 40}


def test_a_benchmark_that_fails_is_one_line() -> None:
    result = measured("price_noise", 1.0, 1)  # a module without the function
    assert set(result) == {"not_run"} and result["not_run"].startswith("ended with 1: AttributeError: ")


def test_a_benchmark_whose_need_is_absent_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmarks.machine
    from atft.errors import InputError

    def absent(budget_s: float) -> dict[str, float]:
        raise InputError("needs a CUDA device")

    monkeypatch.setattr(benchmarks.machine, "figures", absent)
    assert run("machine", 1.0) == {"not_run": "needs a CUDA device"}
    monkeypatch.setattr(benchmarks.machine, "figures", lambda budget_s: __import__("no_such_package"))
    assert run("machine", 1.0) == {"not_run": "no_such_package is not installed"}


def test_the_limits_of_the_machine_are_rates() -> None:
    from benchmarks.machine import figures

    rates = figures(0.01, copy_mb=1, file_mb=8, matrix_size=64)
    assert len(rates) == 4 and all(rate > 0 for rate in rates.values())


def test_a_run_is_written_whole_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.__main__.measured", lambda name, budget_s, threads: RESULTS[name])
    monkeypatch.setattr("benchmarks.__main__.cap_threads", lambda count: None)
    words = ["--only", "train", "--budget", "1m", "--threads", "1", "--out", str(tmp_path / "speed.json")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    content = read_results(tmp_path / "speed.json")
    assert aligned(content["results"]) in printed and content["results"]["train"] == RESULTS["train"]
    assert content["command"] == f"python -m benchmarks {' '.join(words)}"
    assert main(["--readme", str(tmp_path / "speed.json")]) == 0
    assert capsys.readouterr().out == markdown(content, readme=True) + "\n"


def test_a_file_of_another_kind_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("{", "[]", '{"format": 0}'):
        (tmp_path / "other.json").write_text(text)
        assert main(["--readme", str(tmp_path / "other.json")]) == 2
        line = capsys.readouterr().err
        assert line.startswith("benchmarks: error: ") and "other.json: not " in line and line.count("\n") == 1


def test_times_are_seconds_minutes_or_hours(capsys: pytest.CaptureFixture[str]) -> None:
    assert [seconds_of(text) for text in ("90", "90s", "10m", "1.5h")] == [90, 90, 600, 5400]
    for text in ("0s", "ten", "-1m"):
        with pytest.raises(SystemExit):
            main([f"--budget={text}"])
        assert "takes a time such as 90s, 10m or 1h" in capsys.readouterr().err
