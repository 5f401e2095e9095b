"""compare: directories and files of any origin as words, names in the tables, one-line errors, no torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.cli import main
from atft.commands.compare import named_files, predictions_of
from atft.errors import InputError


def write_scores(path: Path, seed: int, days: int = 30, stocks: int = 25) -> Path:
    """A file of one horizon with a weak signal, in the format of its suffix."""
    rng, own = np.random.default_rng(0), np.random.default_rng(seed)
    target = 0.02 * rng.standard_normal((days, stocks))
    dates = np.datetime64("2021-03-01") + np.arange(days)
    frame = pl.DataFrame(
        {
            "date": np.repeat(dates, stocks),
            "code": [f"C{i:02d}" for i in range(stocks)] * days,
            "score": (target + 0.1 * own.standard_normal(target.shape)).ravel(),
            "target": target.ravel(),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


def test_a_directory_of_predictions_and_a_file_of_another_program_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_scores(tmp_path / "logs" / "mine" / "version_0" / "predictions.parquet", 1).parent
    theirs, out = write_scores(tmp_path / "theirs.csv", 2), tmp_path / "out.json"
    ridge = write_scores(tmp_path / "logs" / "mine_ridge" / "version_0" / "predictions.parquet", 3).parent
    (ridge / "baseline.json").write_text("{}")
    words = [
        "compare",
        str(run),
        f"trees={theirs}",
        f"ridge={ridge}",
        "--baselines",
        "[trees]",
        "--draws",
        "30",
    ]
    words += ["--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert any(line.startswith("mine/version_0") for line in lines)
    pairs = [line.split()[:3] for line in lines]
    best = "trees" if ["mine/version_0", "trees", "1d"] in pairs else "ridge"
    assert ["mine/version_0", best, "1d"] in pairs and ["blend", best, "1d"] in pairs
    assert any(line.startswith("blend") for line in lines) and f"figures in {out}" in lines
    assert list(json.loads(out.read_text())["files"]) == ["mine/version_0", "trees", "ridge"]
    assert json.loads(out.read_text())["options"]["baselines"] == ["trees", "ridge"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "compare needs a RUN_OR_FILE"),
        (["nowhere"], "nowhere: no such run or file"),
        (["--blent", "false"], "compare has no option '--blent'; did you mean '--blend'?"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_a_directory_without_predictions_names_those_inside_that_have_them(tmp_path: Path) -> None:
    inside = write_scores(tmp_path / "version_3" / "predictions.parquet", 1)
    assert predictions_of(inside.parent) == predictions_of(inside) == inside
    with pytest.raises(
        InputError, match=r"no predictions.parquet in this directory; name one of .*: version_3"
    ):
        predictions_of(tmp_path)


def test_names_are_unique_and_none_is_that_of_a_control(tmp_path: Path) -> None:
    a, b = (write_scores(tmp_path / name / "scores.csv", 1) for name in "ab")
    assert list(named_files([f"x={a}", f"y={b}"])) == ["x", "y"]
    assert len(named_files([str(a), str(b)])) == 2
    for words in ([f"x={a}", f"x={b}"], [f"reversal={a}"], [f"blend={a}"]):
        with pytest.raises(InputError, match="two rows would be called"):
            named_files(words)


def test_comparing_imports_no_torch(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "a.csv", 1)
    code = f"""
import sys
from atft.cli import main
assert main(["compare", {str(path)!r}, "--draws", "10"]) == 0
print(sorted({{"torch", "lightning"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
