"""The parser's keys as a tree, and what may stand inside of a value."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser
from lightning.pytorch import Callback
from torch.optim import Optimizer

from atft.commands.key_tree import (
    Linked,
    Option,
    alternatives,
    arguments_of,
    classes_in,
    fields_of,
    inside_of,
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
    assert tree["outer"]["many"].appends and not tree["outer"]["terms"].appends


def test_what_may_stand_inside_of_a_value() -> None:
    assert inside_of(Inner | None).tree == fields_of(Inner) == {"width": Option(int)}
    assert inside_of(list[Inner] | None).item is Inner
    assert inside_of(dict[str, float]).free and inside_of(Any).free
    factory = inside_of(Callable[[Iterable[Any]], Optimizer] | None)
    assert (factory.base, factory.positional) == (Optimizer, 1)
    for plain in (int, str | None, Literal["a", "b"], Path | None, float | bool):
        assert inside_of(plain) == inside_of(int)
    assert alternatives(int | None) == [int, type(None)]
    functions = arguments_of("lightning.pytorch.callbacks.LambdaCallback", inside_of(Callback))
    assert functions is not None and inside_of(functions["setup"].hint).base is None


def test_arguments_of_a_class_are_its_signature_without_what_the_program_gives() -> None:
    factory = inside_of(Callable[[Iterable[Any]], Optimizer])
    for name in ("torch.optim.SGD", "SGD"):
        found = arguments_of(name, factory)
        assert found is not None and "momentum" in found and "params" not in found and "SGD" not in found
    assert arguments_of("their.own.Optimizer", factory) is None
    assert arguments_of("torch.optim.Nothing", factory) is None
    assert arguments_of("torch.nowhere.Adam", factory) is None


def test_paths_hold_sections_options_and_arguments_of_chosen_classes() -> None:
    tree = {"model": {"optimizer": Option(Callable[[Iterable[Any]], Optimizer]), "seed": Linked(("a",))}}
    config = {"model": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1}}}}
    assert dict(classes_in(config)) == {"model.optimizer": "torch.optim.SGD"}
    paths = list(paths_in(tree, dict(classes_in(config))))
    assert paths[:2] == ["model", "model.optimizer"] and "model.optimizer.init_args.lr" in paths
    assert "model.seed" not in paths
    assert list(paths_in(tree_of(small_parser()), {}))[:3] == ["outer", "outer.inner", "outer.inner.width"]


def test_names_are_alike_by_letters_order_and_words() -> None:
    assert similarity("lr", "rl") > 0.9 and similarity("hidden", "hidden_size") >= 0.8
    assert similarity("lookback", "lokback") > 0.9 and similarity("path", "seed") < 0.6
