"""The parser's keys as a tree, and what may stand inside of a value."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LambdaCallback
from torch.optim import SGD, Optimizer

from atft.commands.key_tree import (
    Linked,
    Option,
    alternatives,
    arguments_of,
    inside_of,
    node_at,
    paths_in,
    similarity,
    tree_of,
)


@dataclass
class Inner:
    """Options inside of options.

    Args:
        width: of it.
    """

    width: int = 1
    derived: int = field(init=False, default=2)


@dataclass
class Outer:
    """Options.

    Args:
        inner: a section.
        optional: a section, or null.
        many: a list of sections.
        terms: any keys.
        size: taken from ``inner``.
    """

    inner: Inner
    optional: Inner | None = None
    many: list[Inner] | None = None
    terms: dict[str, float] = field(default_factory=dict)
    size: int = 3


def small_parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("-c", "--config", action="config")
    parser.add_class_arguments(Outer, "outer")
    parser.add_argument("--flag", action="store_true")
    parser.link_arguments("outer.inner.width", "outer.size")
    return parser


def test_sections_options_and_linked_keys_are_distinguished() -> None:
    tree = tree_of(small_parser())
    assert set(tree) == {"outer", "flag"} and tree["flag"] == Option(bool)
    assert tree["outer"]["inner"] == {"width": Option(int)}
    assert tree["outer"]["size"] == Linked(("outer.inner.width",))
    assert node_at(tree, "outer.many.width") == Option(int) and node_at(tree, "outer.terms.ic") is None


def test_a_class_whose_arguments_stand_alone_is_no_key() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Inner, None)
    assert tree_of(parser) == {"width": Option(int)}


def test_what_may_stand_inside_of_a_value() -> None:
    assert inside_of(Inner | None).tree == arguments_of(Inner) == {"width": Option(int)}
    assert inside_of(list[Inner] | None).item is Inner
    assert inside_of(dict[str, float]).free and inside_of(Any).free
    factory = inside_of(Callable[[Iterable[Any]], Optimizer] | None)
    assert (factory.bases, factory.positional) == ((Optimizer,), 1)
    assert inside_of(Callable[..., Optimizer | Callback]).bases == (Optimizer, Callback)
    for plain in (int, str | None, Literal["a", "b"], Path | None, float | bool):
        assert inside_of(plain) == inside_of(int)
    assert alternatives(int | None) == [int, type(None)]
    functions = arguments_of(LambdaCallback)
    assert functions is not None and not inside_of(functions["setup"].hint).bases
    assert inside_of(Callback | list[Callback] | None)[1:3] == (Callback, (Callback,))
    assert inside_of(timedelta | dict[str, int] | None) == inside_of(dict)


def test_arguments_of_a_class_are_its_signature_without_what_the_program_gives() -> None:
    tree = arguments_of(SGD, positional=1)
    assert tree is not None and "momentum" in tree and "params" not in tree and "SGD" not in tree


def test_paths_hold_sections_options_and_arguments_of_chosen_classes() -> None:
    tree = {"model": {"optimizer": Option(Callable[[Iterable[Any]], Optimizer]), "seed": Linked(("a",))}}
    paths = list(paths_in(tree, {"model.optimizer": {"lr": Option(float)}}))
    assert paths == ["model", "model.optimizer", "model.optimizer.init_args.lr"]
    assert list(paths_in(tree_of(small_parser()), {}))[:3] == ["outer", "outer.inner", "outer.inner.width"]


def test_names_are_alike_by_letters_order_and_words() -> None:
    assert similarity("lr", "rl") > 0.9 and similarity("hidden", "hidden_size") >= 0.8
    assert similarity("lookback", "lokback") > 0.9 and similarity("path", "seed") < 0.6
