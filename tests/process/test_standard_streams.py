"""A program whose standard streams are closed runs as any other."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_with_closed_streams_has_the_status_of_any_other(closed: str) -> None:
    for word, status in (("--version", 0), ("fits", 2)):
        command = f"exec '{sys.executable}' -m atft {word} {closed}"
        assert subprocess.run(["sh", "-c", command], capture_output=True, timeout=60).returncode == status


OPENS = """
import subprocess, sys
from atft.process.standard_streams import open_closed_streams
open_closed_streams()
with open({path!r}, "w") as file:
    print("lost", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo lost; echo lost >&2"])
    file.write("kept")
"""


def test_no_file_gets_what_goes_to_a_closed_stream(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = OPENS.format(path=str(path))
    command = f"exec '{sys.executable}' -c '{code}' >&- 2>&-".replace(f"'{path}'", f'"{path}"')
    assert subprocess.run(["sh", "-c", command], timeout=60).returncode == 0
    assert path.read_text() == "kept"
