"""What the parser does not accept becomes one short line: the key, what it takes, what came."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentParser

from atft.commands.config_keys import parse
from atft.commands.key_tree import tree_of
from atft.commands.parser_errors import MAX_LINE, kinds_of, parser_errors, shorten
from atft.errors import InputError


@dataclass
class Inner:
    """Options.

    Args:
        epochs: how many.
    """

    epochs: int = 1


def small_parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--stocks", type=int)
    parser.add_argument("--rate", type=float | None)
    parser.add_argument("--norm", type=Literal["none", "fan"] | Literal["san"] | None)
    parser.add_argument("--phases", type=list[Inner] | None)
    parser.add_argument("--terms", type=dict[str, float])
    return parser


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"stocks": "many"}, "fit: stocks takes a whole number, got 'many'"),
        ({"stocks": "x" * 5000}, "fit: stocks takes a whole number, got 'xxx"),
        ({"rate": [1]}, "fit: rate takes a number or null, got '[1]'"),
        ({"norm": "fun"}, "fit: norm takes one of fan, none, san or null, got 'fun'"),
        ({"terms": 3}, "fit: terms takes a mapping to numbers, got '3'"),
        ({"terms": {"ic": "high"}}, "fit: terms takes a mapping to numbers, got 'high'"),
        ({"phases": [{"epochs": "x"}]}, "fit: phases.epochs takes a whole number, got 'x'"),
        ({"phases": 3}, "fit: phases takes a list or null, got '3'"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_key(given: dict[str, Any], line: str) -> None:
    parser = small_parser()
    with pytest.raises(InputError) as raised, parser_errors("fit", tree_of(parser)):
        parser.parse_object(given)
    assert str(raised.value).startswith(line) and len(str(raised.value)) < MAX_LINE


def test_a_message_of_another_kind_is_cut_in_the_middle() -> None:
    assert shorten("Unrecognized arguments: a b", {}) == "Unrecognized arguments: a b"
    cut = shorten("x" * 300 + "\n" + "y" * 300, {})
    assert len(cut) == MAX_LINE and cut.startswith("xxx") and cut.endswith("yyy") and "..." in cut


def test_an_error_of_ours_inside_of_the_parser_is_said_alone() -> None:
    with pytest.raises(InputError, match=r"^stocks must be at least 2$"), parser_errors("fit"):
        try:
            raise InputError("stocks must be at least 2")
        except InputError as error:
            raise ValueError("Parser key 'stocks': ...") from error


def test_a_bug_keeps_its_own_error() -> None:
    with pytest.raises(TypeError, match="no input"), parser_errors("fit"):
        raise TypeError("no input of a user's")


def test_types_in_words() -> None:
    assert kinds_of(int | None) == "a whole number or null"
    assert (
        kinds_of(list[int] | dict[str, int] | str)
        == "a list of whole numbers or a mapping to whole numbers or a word"
    )
    assert kinds_of(type[Inner] | None) == "a class or null"
    assert kinds_of(tuple[float, float]) == "a list of 2 numbers" and kinds_of(list[Inner]) == "a list"


def test_a_wrong_value_of_an_argument_of_a_class_names_its_key_and_what_it_takes(
    tiny_run: Any, atft: Any
) -> None:
    for name, value, takes in (
        ("hidden_size", "wide", "a whole number, got 'wide'"),
        ("graph", "false", "one of gat, none, got 'false'"),
    ):
        outcome = atft("fit", "--config", tiny_run.config, f"--model.network.{name}", value)
        assert outcome.error_line == f"fit: model.network.init_args.{name} takes {takes}"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "--model.network.quantiles 0.5",
            "model.network.init_args.quantiles takes a list of numbers or null, got '0.5'",
        ),
        (
            "--model.network.quantiles [a]",
            "model.network.init_args.quantiles takes a list of numbers or null, got ",
        ),
        ("--model.optimizer.lr high", "model.optimizer.init_args.lr takes a number, got 'high'"),
        (
            "--model.optimizer.betas 0.5",
            "model.optimizer.init_args.betas takes a list of 2 numbers, got '0.5'",
        ),
        (
            "--model.optimizer.betas [a,b]",
            "model.optimizer.init_args.betas takes a list of 2 numbers, got 'a'",
        ),
        (
            "--model.network torch.nn.Linear",
            "model.network: torch.nn.Linear needs out_features; write it under its ",
        ),
        ("--curriculum.phases [{epochs: 1}]", "curriculum.phases: name is missing; write it"),
        (
            "--model.scheduler torch.optim.lr_scheduler.StepLR",
            "model.scheduler: torch.optim.lr_scheduler.StepLR needs step_size; write it under its init",
        ),
        (
            "--trainer.callbacks [{class_path: lightning.pytorch.callbacks.ModelPruning}]",
            "trainer.callbacks: lightning.pytorch.callbacks.ModelPruning needs pruning_fn; write it under its ",
        ),
        (
            "--trainer.callbacks "
            "[{class_path: lightning.pytorch.callbacks.ModelSummary, init_args: {max_depth: two}}]",
            "trainer.callbacks: init_args.max_depth of lightning.pytorch.callbacks.ModelSummary takes a whole "
            "number, got 'two'",
        ),
    ],
)
def test_an_argument_of_a_class_that_takes_one_of_several_types_or_is_absent_is_named(
    fit_parser: Any, words: str, line: str
) -> None:
    name, value = words.split(" ", 1)
    market = ["--data.panel.simulate", "{stocks: 40}"]
    given = [*market, "--model.optimizer", "torch.optim.AdamW", name, value]
    with pytest.raises(InputError) as raised:
        parse(fit_parser, given, "fit")
    assert str(raised.value).startswith(f"fit: {line}"), str(raised.value)
