"""Whoever reads the lines of a command: its files and its exit status are the same."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from atft.process.lasting_streams import outlast_readers

WORK = """
import sys
from pathlib import Path
from atft.process.lasting_streams import outlast_readers

outlast_readers()
print("a line")
print("a warning", file=sys.stderr)
print("a table, ± and ─", flush=True)
Path(sys.argv[1]).write_text("whole")
sys.exit(3)
"""


@pytest.mark.parametrize("gone", ["stdout", "stderr", "both"])
def test_work_goes_on_after_its_reader_has_left(gone: str, tmp_path: Path) -> None:
    out = tmp_path / "list.csv"
    err = subprocess.STDOUT if gone == "both" else subprocess.PIPE
    words = [sys.executable, "-c", WORK, str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=err, text=True) as process:
        getattr(process, "stdout" if gone == "both" else gone).close()
        if gone == "stdout":
            assert process.stderr.read() == "a warning\n"
        if gone == "stderr":
            assert process.stdout.read() == "a line\na table, ± and ─\n"
    assert process.returncode == 3 and out.read_text() == "whole"


@pytest.mark.parametrize("full", ["stderr", "stdout"])
def test_a_full_disk_loses_warnings_and_no_results(full: str, tmp_path: Path) -> None:
    out = tmp_path / "list.csv"
    with Path("/dev/full").open("w") as disk:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {full: disk}
        ended = subprocess.run([sys.executable, "-c", WORK, str(out)], **streams, check=False)  # type: ignore[call-overload]
    assert (ended.returncode == 3) == out.exists() == (full == "stderr")


def test_a_probe_whose_reader_has_left_still_says_that_it_found_a_leak(tmp_path: Path) -> None:
    scores, found = tmp_path / "scores.csv", tmp_path / "found.json"
    rows = [
        f"2020-01-{day:02},{code},{code * day % 7},{code * day % 7}" for day in (1, 2, 3) for code in range(9)
    ]
    scores.write_text("\n".join(["date,code,score,target", *rows]))
    words = [sys.executable, "-m", "atft", "probe", "--predictions", str(scores), "--json", str(found)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdout.close()
    assert process.returncode == 1 and found.is_file()


def test_a_stream_of_another_program_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, closed = io.StringIO(), None
    monkeypatch.setattr(sys, "stdout", ours)
    monkeypatch.setattr(sys, "stderr", closed)
    outlast_readers()
    assert sys.stdout is ours and sys.stderr is None
