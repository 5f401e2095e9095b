"""A child process is the command line itself; tests/process/test_termination.py: it ends with its parent."""

import subprocess

from atft import __version__
from atft.crossval.child import child_program


def test_a_child_is_the_command_line() -> None:
    done = subprocess.run([*child_program(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"atft {__version__}\n" and done.stderr == ""


def test_an_error_of_the_input_has_its_own_exit_status() -> None:
    done = subprocess.run([*child_program(), "fti"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "did you mean 'fit'?" in done.stderr
