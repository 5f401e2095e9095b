"""What every command that looks at a study takes."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.search.show.arguments import OPTIONS, sweep_arguments


def test_the_sweep_is_read_with_another_storage_beside_the_commands_own_options(
    write_sweep: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONS, "look", {"--depth": {"type": int}})
    words = ["--config", str(write_sweep()), "--storage", "grpc://host:1", "--depth", "3"]
    options, sweep = sweep_arguments("look", "Look.", words)
    assert (sweep.study, sweep.storage, options.depth) == ("small", "grpc://host:1", 3)


def test_help_names_the_command_and_its_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONS, "look", {"--depth": {"help": "how deep"}})
    with pytest.raises(SystemExit):
        sweep_arguments("look", "Look at it.", ["--help"])
    shown = capsys.readouterr().out
    assert "python -m atft sweep look" in shown and "Look at it." in shown and "how deep" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "a.yaml", "--watch"], "unrecognized arguments: --watch"),
        (["--config", "a.yaml", "--depth", "deep"], "argument --depth: invalid int value: 'deep'"),
        ([], "the following arguments are required: --config"),
    ],
)
def test_a_mistake_in_the_words_is_one_line(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONS, "look", {"--depth": {"type": int}})
    with pytest.raises(InputError) as caught:
        sweep_arguments("look", "Look.", words)
    assert str(caught.value) == f"{message}; see python -m atft sweep look --help"


@pytest.mark.parametrize("command", ["best", "report", "rebuild", "dashboard"])
def test_a_command_explains_itself_where_python_leaves_docstrings_out(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"atft.search.show.{command}")
    monkeypatch.setattr(module, "__doc__", None)
    with pytest.raises(SystemExit):
        module.run(["--help"])
    assert f"python -m atft sweep {command}" in capsys.readouterr().out
