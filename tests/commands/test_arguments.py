"""Words of a command line, in every way in which they are written."""

from pathlib import Path

import pytest

from atft.commands.arguments import (
    check_one_path,
    check_outputs,
    check_read,
    read_count,
    read_words,
    take_options,
    with_home,
)
from atft.errors import InputError


def test_a_count_is_a_whole_number_from_one_to_a_thousand() -> None:
    assert [read_count("--seeds", text) for text in ("1", "0007", "1000")] == [1, 7, 1000]
    for text in ("", "0", "1001", "-3", "2.0", "x", "9" * 5000):
        with pytest.raises(InputError, match="--seeds takes a whole number from 1 to 1000, got") as raised:
            read_count("--seeds", text)
        assert len(str(raised.value)) < 120


def test_an_option_has_its_value_however_it_is_written() -> None:
    words = ["--a=1", "--b", "2", "-cf", "-c=f", "-c", "f=g", "--last", "--x", "-3", "net=run", "--y"]
    read = [(word.name, word.value) for word in read_words(words)]
    assert read == [
        *(("--a", "1"), ("--b", "2"), ("--config", "f"), ("--config", "f"), ("--config", "f=g")),
        *(("--last", None), ("--x", "-3"), ("net=run", None), ("--y", None)),
    ]
    assert [part for word in read_words(words) for part in word.written] == words


def test_the_home_folder_is_meant_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert with_home("--data.cache.dir=~/c") == f"--data.cache.dir={tmp_path}/c"
    config = {"data": {"cache": {"dir": "~/c"}}, "list": ["~/a", 3, None], "name": "~"}
    home = {"data": {"cache": {"dir": f"{tmp_path}/c"}}, "list": [f"{tmp_path}/a", 3, None], "name": "~"}
    assert with_home(config) == home
    assert [with_home(word) for word in ("a~/b", "--a=b~/c", "~user/x", "--a")] == [
        *("a~/b", "--a=b~/c", "~user/x", "--a")
    ]


def test_options_are_taken_out_with_their_values_and_the_others_stay() -> None:
    words = [
        "--prices=a.csv",
        "--features.calendar",
        "XNYS",
        "--name",
        "x",
        "--features.min_close=1",
        "--all",
        "--prices_of=b.csv",
    ]
    assert take_options(words, "--prices", "--features.") == (
        [("prices", "a.csv"), ("features.calendar", "XNYS"), ("features.min_close", "1")],
        ["--name", "x", "--all", "--prices_of=b.csv"],
    )
    for short in (["--prices"], ["--prices", "--name", "x"], ["--prices", "a", "--features.min_close"]):
        with pytest.raises(InputError, match=r"needs a value$"):
            take_options(short, "--prices", "--features.")


def test_a_commands_own_options_are_apart_from_the_keys_of_a_config() -> None:
    words = ["--folds", "3", "--data.x=1", "-c", "a.yaml", "--warm", "--seeds=2", "--last"]
    assert take_options(words, "--folds", "--seeds", flag="--warm") == (
        [("folds", "3"), ("warm", "true"), ("seeds", "2")],
        ["--data.x=1", "-c", "a.yaml", "--last"],
    )
    assert take_options(["--warm=false"], flag="--warm") == ([("warm", "false")], [])
    assert take_options(["", "--warm"], "--folds") == ([], ["", "--warm"])
    with pytest.raises(InputError, match=r"^--folds needs a value$"):
        take_options(["--folds", "--warm"], "--folds", flag="--warm")


def test_prices_are_one_path() -> None:
    for words in (
        ["--prices", "a", "--out", "b"],
        ["x", "--prices", "a"],
        ["--prices=a", "b", "c"],
        ["a", "b", "c"],
    ):
        check_one_path(words)
    with pytest.raises(
        InputError, match=r"^--prices takes one file, folder or glob, got a and b; a glob needs"
    ):
        check_one_path(["--prices", "a", "b"])
    with pytest.raises(InputError, match=r"^--prices is given twice"):
        check_one_path(["--prices=a", "--prices", "b"])


def test_a_key_that_a_command_overlooks_is_an_error_with_all_that_are_below_it() -> None:
    check_read(["--model.objectives=1", "-c", "a.yaml"], ["--model.objective"], "pretrain")
    for words in (["--model.objective", "{}"], ["-c", "a.yaml", "--model.objective.terms.ic=1"]):
        with pytest.raises(
            InputError, match=r"^--model\.objective\S* is not read by pretrain; leave it out$"
        ):
            check_read(words, ["--model.objective", "--model.scheduler"], "pretrain")


@pytest.mark.parametrize("option", ["--out", "--json", "--alphalens"])
def test_what_a_run_has_left_is_not_replaced(option: str, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").touch()
    (tmp_path / "metrics.csv").touch()
    for name in ("receipt.json", "metrics.csv"):
        with pytest.raises(
            InputError, match=rf"^{option} {tmp_path}/{name}: that file is evidence of the run in"
        ):
            check_outputs(["a.parquet", "b.parquet", option, f"{tmp_path}/{name}"])
    check_outputs(["a.parquet", "b.parquet", option, f"{tmp_path}/figures.json"])


def test_a_name_that_is_no_text_is_not_written() -> None:
    with pytest.raises(InputError, match=r"--out b\\udcff.csv: the name is not UTF-8 text; give another"):
        check_outputs(["--out", "b\udcff.csv"])
    check_outputs(["--out", "é😀.csv"])


def test_a_run_may_be_written_beside_what_it_keeps(tmp_path: Path) -> None:
    (tmp_path / "importance.json").touch()
    check_outputs(["--run", str(tmp_path), "--out", f"{tmp_path}/importance.json"])
    check_outputs(["--out", "--json"])
    folders = ("--prices", "--panel", "--earlier", "--data.panel.path")
    for option, path in (*((option, tmp_path) for option in folders), ("--x", f"{tmp_path}/*.json")):
        words = ["--out", f"{tmp_path}/importance.json", option, str(path)]
        with pytest.raises(InputError, match=r"importance\.json: this command reads that file"):
            check_outputs(words)


def test_a_file_is_read_as_a_word_with_a_name_or_without_and_a_long_value_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    for word in (f"{tmp_path}/a.json", f"net={tmp_path}/a.json"):
        with pytest.raises(InputError, match=r"^--json \S*a\.json: this command reads that file"):
            check_outputs([word, "--json", f"{tmp_path}/a.json"])
    check_outputs(["--names", "x" * 5000, "--out", f"{tmp_path}/b.json"])
