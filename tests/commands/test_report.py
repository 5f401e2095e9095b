"""python -m atft report: files to a page, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from atft.commands.report import run
from atft.errors import InputError
from foreign_file import write_foreign

FAST = ["--draws", "20", "--min_stocks", "10"]


def test_the_page_stands_beside_the_first_file_or_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_foreign(tmp_path / "mine.csv")
    assert run("report", ["--predictions", str(path), *FAST]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    out = tmp_path / "other" / "page.html"
    assert run("report", [str(path), *FAST, "--horizon", "5", "--out", str(out)]) == 0
    assert "Evaluation of mine" in out.read_text() and "5 days" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "report needs a FILE"),
        (["missing.parquet"], "missing.parquet"),
        (["."], "a folder; give a Parquet"),
        (["a.csv", "--out", "page.pdf"], r"the suffix decides the format, it must be \.html"),
        (["a.csv"] * 6, "at most 5 files, got 6; name fewer"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("report", words)


def test_the_command_imports_no_torch() -> None:
    code = "import sys, atft.commands.report, atft.tear_sheet.sheet; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
