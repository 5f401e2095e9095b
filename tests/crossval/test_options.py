"""The options of crossval are taken out of the words of fit, which keep their order."""

from pathlib import Path

import pytest

from atft.crossval.options import HELP, CrossvalOptions, split_arguments
from atft.errors import InputError


def test_options_are_taken_wherever_they_stand_and_the_rest_is_fits() -> None:
    words = [
        "--config",
        "a.yaml",
        "--seeds",
        "5",
        "--data.split.val",
        "[a, b]",
        "--workers=2",
        "--threads",
        "4",
    ]
    options, rest = split_arguments(
        [*words, "--warm_start", "true", "--resume", "logs/version_0", "-c", "b.yaml"]
    )
    assert options == CrossvalOptions(5, 2, True, Path("logs/version_0"))
    assert rest == ["--config", "a.yaml", "--data.split.val", "[a, b]", "--threads", "4", "-c", "b.yaml"]


def test_without_options_one_run_at_a_time_and_nothing_else_is_asked() -> None:
    assert split_arguments(["--config", "a.yaml"]) == (CrossvalOptions(), ["--config", "a.yaml"])
    assert split_arguments(["--warm_start", "--config", "a"]) == (
        CrossvalOptions(warm_start=True),
        ["--config", "a"],
    )
    assert split_arguments(["--warm_start", "false"])[0].warm_start is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds takes a whole number from 1 to 1000, got '0'"),
        (["--seeds", "five"], "--seeds takes a whole number from 1 to 1000, got 'five'"),
        (["--workers", "-2"], "workers"),
        (["--workers", "9" * 5000], "--workers takes a whole number"),
        (["--warm_start", "maybe"], "--warm_start takes true or false, got 'maybe'"),
    ],
)
def test_a_value_that_an_option_does_not_take_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        split_arguments(words)
    assert len(str(error.value)) < 120


def test_an_option_without_a_value_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^--seeds needs a value$"):
        split_arguments(["--seeds"])


def test_help_has_every_option_and_fits_a_screen() -> None:
    assert all(f"--{name}" in HELP for name in ("seeds", "workers", "threads", "warm_start", "resume"))
    assert max(map(len, HELP.splitlines())) < 116 and len(HELP.splitlines()) < 40
