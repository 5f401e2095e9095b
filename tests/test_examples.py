"""The examples run as they stand, in a folder of their own."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"
IMAGE = "image/png"


def run_in(folder: Path, program: str | Path, *arguments: str) -> str:
    """Run a program in a process of its own, and return what it printed."""
    here = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(program)] if isinstance(program, Path) else [sys.executable, "-c", program]
    words += arguments
    done = subprocess.run(words, cwd=folder, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells() -> list[dict[str, Any]]:
    """The notebook's cells of code."""
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples write: the second finds the frame and the cache of the first."""
    return tmp_path_factory.mktemp("examples")


def scripts() -> list[Path]:
    """Every program of examples/, benchmarks/ and hpo/."""
    files = sorted(
        path for folder in ("examples", "benchmarks", "hpo") for path in (ROOT / folder).rglob("*.py")
    )
    return [path for path in files if path.parent.name == "examples" or '"__main__"' in path.read_text()]


@pytest.mark.parametrize("script", scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_program_reads_its_arguments_with_a_parser(script: Path) -> None:
    text = script.read_text()
    assert "ArgumentParser(" in text or "from atft.cli import main" in text


@pytest.mark.parametrize("script", scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_imports_its_siblings_by_their_package(script: Path) -> None:
    # By its bare name a sibling is found beside a script, but not where -m starts the program.
    siblings = {path.stem for path in script.parent.glob("*.py")}
    imports = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
    assert siblings.isdisjoint(node.module for node in imports)


@pytest.mark.parametrize(
    "script",
    [
        "examples/train_on_your_frame.py",
        "benchmarks/interval_coverage.py",
        "benchmarks/row_speed.py",
        "benchmarks/run_one.py",
        "benchmarks/weigh.py",
    ],
)
def test_help_is_printed_and_nothing_is_done(script: str, tmp_path: Path) -> None:
    printed = run_in(tmp_path, ROOT / script, "--help")
    assert printed.startswith("usage: ") and "--help" in printed and not list(tmp_path.iterdir())


def test_a_panel_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    script = ROOT / "examples" / "train_on_your_frame.py"
    words = [sys.executable, str(script), "nosuch.parquet"]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.splitlines()[1:] == [
        "train_on_your_frame.py: error: nosuch.parquet: no such file"
    ]


@pytest.mark.slow
def test_the_script_trains_on_a_frame_and_beats_a_ridge(folder: Path) -> None:
    printed = run_in(folder, ROOT / "examples" / "train_on_your_frame.py")
    figures = {
        scorer: float(re.findall(rf"│ 1 +┆ {scorer} +┆ 0 +┆ \d+ +┆ (-?\d\.\d+)", printed)[0])
        for scorer in ("network", "ridge", "oracle")
    }
    assert 0.07 < figures["ridge"] < figures["network"] < figures["oracle"]
    assert (folder / "lightning_logs" / "frame" / "version_0" / "best_model.ckpt").is_file()


@pytest.mark.slow
def test_the_notebooks_cells_run_one_after_the_other(folder: Path) -> None:
    code = ["display = print", *("".join(cell["source"]) for cell in cells())]
    run_in(folder, "\n\n".join(code))
    assert (folder / "lightning_logs" / "first_look" / "version_0" / "receipt.json").is_file()


def test_the_notebook_is_saved_as_it_ran_with_its_pictures() -> None:
    ran = cells()
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    outputs = [output for cell in ran for output in cell["outputs"]]
    assert sum(IMAGE in output.get("data", {}) for output in outputs) == 3
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "/tmp/" not in NOTEBOOK.read_text() and str(Path.home()) not in json.dumps(outputs)
    assert NOTEBOOK.stat().st_size < 300_000
