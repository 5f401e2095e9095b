"""A name stands for a shipped config; a file of the user's own is never overlooked."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.commands import shipped_configs as shipped
from atft.commands.shipped_configs import (
    base_path,
    config_path,
    first_sentence,
    list_configs,
    shipped_configs,
)
from atft.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_of(action: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as raised:
        action()
    return str(raised.value)


def test_in_a_clone_they_are_the_top_level_folders_and_in_a_wheel_they_are_inside_of_the_package(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, folder in {"fit": "configs", "sweep": "hpo"}.items():
        files = shipped_configs(command)
        assert sorted(files.values()) == sorted((ROOT / folder).glob("*.yaml"))
    assert not shipped_configs("fit").keys() & shipped_configs("sweep").keys()
    inside = elsewhere / "atft" / "shipped" / "hpo"
    inside.mkdir(parents=True)
    (inside / "other.yaml").write_text("# Another one. It is small.\n")
    monkeypatch.setattr(shipped, "__file__", str(elsewhere / "atft" / "commands" / "shipped_configs.py"))
    assert shipped_configs("sweep") == {"other": inside / "other.yaml"}
    assert shipped_configs("fit") == {}


def test_a_name_is_a_shipped_config_and_everything_else_is_a_path() -> None:
    assert config_path("quickstart") == ROOT / "configs" / "quickstart.yaml"
    assert config_path("quick", "sweep") == ROOT / "hpo" / "quick.yaml"
    for path in ("quickstart.yaml", "./quickstart", "configs/quickstart", "x" * 5000, "a\0b", ""):
        assert config_path(path) == Path(path)


def test_a_file_of_exactly_that_name_wins_and_a_copy_beside_it_is_an_error(elsewhere: Path) -> None:
    (elsewhere / "tokyo").write_text("name: mine\n")
    assert config_path("tokyo") == Path("tokyo")
    (elsewhere / "quickstart.yaml").write_text("name: mine\n")
    said = error_of(lambda: config_path("quickstart"))
    assert said.startswith(
        "--config quickstart is shipped, quickstart.yaml is here: write quickstart.yaml or /"
    )
    assert config_path(said.rpartition(" ")[2]) == shipped_configs("fit")["quickstart"]


def test_an_unknown_name_is_answered_with_the_nearest_and_one_of_the_other_command_with_that() -> None:
    said = error_of(lambda: config_path("quikstart"))
    assert said == "--config quikstart: no such file, and no shipped config; did you mean 'quickstart'?"
    Path("momentum.yaml").write_text("name: momentum\n")
    assert error_of(lambda: config_path("momentum")).endswith("did you mean 'momentum.yaml'?")
    other = error_of(lambda: config_path("quick"))
    assert other == "--config quick is for another command: python -m atft sweep --config quick"


def test_base_is_relative_to_the_sweeps_file_or_a_shipped_config(elsewhere: Path) -> None:
    for name in ("hpo", "configs", "logs"):
        (elsewhere / name).mkdir()
    (elsewhere / "configs" / "mine.yaml").write_text("name: mine\n")
    folder = Path("hpo")
    assert base_path("../configs/mine.yaml", folder).samefile("configs/mine.yaml")
    assert base_path(str(elsewhere / "configs" / "mine.yaml"), folder) == elsewhere / "configs" / "mine.yaml"
    assert base_path("quickstart", folder) == ROOT / "configs" / "quickstart.yaml"
    assert base_path("gone.yaml", folder) == Path("hpo/gone.yaml")
    said = error_of(lambda: base_path("configs/mine.yaml", folder))
    assert said == "base is relative to the sweep's file; write ../configs/mine.yaml"
    (elsewhere / "hpo" / "quickstart").write_text("name: mine\n")
    assert base_path("quickstart", folder) == Path("hpo/quickstart")


def test_each_opens_with_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for command in shipped.FOLDERS:
        for name, path in shipped_configs(command).items():
            assert re.fullmatch(r"[A-Z][^.?]*[.?]", first_sentence(path)), path
            assert f"  {name:<20}{first_sentence(path)}\n" in list_configs() + "\n"
    assert shipped.run("configs", []) == shipped.run("configs", ["--help"]) == 0
    assert capsys.readouterr().out == 2 * f"{list_configs()}\n"


def test_one_is_printed_as_it_is_so_that_it_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    assert shipped.run("configs", ["quick"]) == 0
    assert capsys.readouterr().out == (ROOT / "hpo" / "quick.yaml").read_text()
    said = error_of(lambda: shipped.run("configs", ["quik"]))
    assert said == "configs: no config 'quik'; did you mean 'quick'?"
    assert "no config 'quick tokyo'" in error_of(lambda: shipped.run("configs", ["quick", "tokyo"]))


def test_fit_finds_a_shipped_config_from_any_folder(atft: Callable[..., Any]) -> None:
    outcome = atft("fit", "--config", "quickstart", "--print_config")
    assert outcome.code == 0 and "name: quickstart\n" in outcome.out
    missing = atft("fit", "--config=tokyo")
    assert missing.code == 2
    assert (
        f"panel panels/tokyo.parquet: no Parquet file there (looked in {Path.cwd()}); set data.panel.path"
        in missing.err
    )
