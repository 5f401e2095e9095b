"""Arguments of commands that read files: options from a dataclass, one-line errors, no torch."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from atft.commands import compare, evaluate, report
from atft.commands.file_arguments import FileCommand, file_parser, parse_file_arguments
from atft.errors import InputError


@dataclass(frozen=True)
class ReadOptions:
    """What is read.

    Args:
        split: rows of this split.
        draws: how many.
        blend: add a mean.
    """

    split: str | None = None
    draws: int = 100
    blend: bool = True


COMMAND = FileCommand("compare", "FILE", "Compare files.", ReadOptions)


def test_files_come_as_words_and_options_by_their_names() -> None:
    words = ["a.csv", "--blend", "false", "b.csv", "--draws=7", "--out", "c.json"]
    files, options, out = parse_file_arguments(COMMAND, words, (".csv", ".json"))
    assert files == ["a.csv", "b.csv"] and out == Path("c.json")
    assert options == ReadOptions(None, 7, False)
    assert parse_file_arguments(COMMAND, ["a"], ())[1:] == (ReadOptions(), None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "compare needs a FILE; python -m atft compare --help"),
        (["a", "--drawn", "3"], "compare has no option '--drawn'; did you mean '--draws'?"),
        (["a", "--hello", "3"], "compare has no option '--hello'; known: --blend, "),
        (["a", "--draws", "many"], "draws"),
        (["a", "--blend"], "blend"),
        (["a", "--out", ""], "--out is empty; write a value, or leave it out"),
        (["a", "--out="], "--out is empty; write a value, or leave it out"),
        (["a", ""], "the name of a file is empty; write a value, or leave it out"),
        (["a", "--out", "b.xlsx"], "--out b.xlsx: the suffix decides the format, it must be .csv or .json"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(words: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_file_arguments(COMMAND, words, (".csv", ".json"))
    text = str(caught.value)
    assert message in text and "\n" not in text and len(text) < 200


def test_the_help_has_the_sentences_of_the_dataclass() -> None:
    text = " ".join(file_parser(COMMAND).format_help().split())
    assert "rows of this split" in text and "how many" in text and "[FILE ...]" in text


@pytest.mark.parametrize(
    ("command", "out"),
    [
        (evaluate.COMMAND, "Folder for "),
        (report.COMMAND, "report.html beside"),
        (compare.COMMAND, ".csv or .json"),
    ],
)
def test_the_help_says_what_out_names_and_what_an_option_is_without_a_value(
    command: FileCommand, out: str
) -> None:
    text = " ".join(file_parser(command).format_help().split())
    assert out in text.split("--out OUT", 2)[2].split("--threads")[0]
    assert "None" not in text and text.count("default: those of ``test``") == 1


def test_parsing_imports_no_torch() -> None:
    code = """
import sys
from dataclasses import make_dataclass
from atft.commands import compare, evaluate, report
from atft.commands.file_arguments import FileCommand, parse_file_arguments
kind = make_dataclass("Kind", [("draws", int, 3)])
parse_file_arguments(FileCommand("compare", "FILE", "", kind), ["a", "--draws", "5"], ())
print(sorted({"torch", "lightning", "polars", "arch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
