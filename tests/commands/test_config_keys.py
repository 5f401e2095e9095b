"""Every unknown key is an error at any depth, whatever its value, and the nearest key is named."""

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple, Protocol

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback

from atft.commands.class_paths import EXAMPLES
from atft.commands.config_keys import KeyWalk, checked_words, parse
from atft.commands.key_tree import Linked, Tree, arguments_of, inside_of, paths_in, tree_of
from atft.errors import InputError

VALUES: list[Any] = [{}, None, [], 3, "word", {"inside": 1}, [{"inside": 1}], True]
ADAMW = {"class_path": "torch.optim.AdamW", "init_args": {}}
COSINE = {"class_path": "atft.optim.schedules.WarmupCosine", "init_args": {}}
EMA = {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {}}
BASE: dict[str, Any] = {"model": {"optimizer": ADAMW, "scheduler": COSINE}, "trainer": {"callbacks": [EMA]}}


class Theirs(Callback):
    """A class of the user's own."""

    def __init__(self, anything: int = 0) -> None:
        self.anything = anything


@pytest.fixture(scope="module")
def parser(fit_parser: Any) -> Any:
    """The parser of ``fit``."""
    return fit_parser


class Place(NamedTuple):
    """A key of the tree: its mapping's path (numbers for places of a list), and its name."""

    inside: tuple[str | int, ...]
    key: str
    siblings: Tree

    def path(self) -> str:
        text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in (*self.inside, self.key))
        return text.removeprefix(".")

    def config(self, key: str, value: Any) -> dict[str, Any]:
        """A configuration in which ``key`` stands where this key would."""
        config: Any = deepcopy(BASE)
        node = config
        for place, following in pairwise((*self.inside, "")):
            if isinstance(place, int):
                node.extend({} for _ in range(place + 1 - len(node)))
                node = node[place]
            else:
                node = node.setdefault(place, [] if isinstance(following, int) else {})
        node[key] = value
        return config


def places(tree: Tree, config: Any, inside: tuple[str | int, ...] = ()) -> Iterator[Place]:
    """Every key of the tree: of sections, dataclasses in lists, and arguments of the classes of ``config``."""
    for key, node in tree.items():
        if isinstance(node, Linked):
            continue
        yield Place(inside, key, tree)
        given = config.get(key) if isinstance(config, dict) else None
        if isinstance(node, dict):
            yield from places(node, given, (*inside, key))
            continue
        found, where, item = inside_of(node.hint), (*inside, key), given
        if found.tree is None and found.item is not None and not found.bases:
            found, where = inside_of(found.item), (*where, 0)
        elif isinstance(given, list):
            where, item = (*where, 0), given[0]
        if found.tree is not None:
            yield from places(found.tree, item, where)
        elif found.bases and item:
            yield from places(
                arguments_of(resolve_name(item["class_path"]), found.positional) or {},
                None,
                (*where, "init_args"),
            )


def typo(name: str, rng: random.Random) -> str:
    """One letter deleted, two swapped, or one doubled."""
    at = rng.randrange(len(name))
    ways = [
        name[:at] + name[at + 1 :],
        name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
        name[:at] + name[at] + name[at:],
    ]
    changed = [way for way in ways if way not in ("", name)]
    return rng.choice(changed)


def check(parser: Any, given: Any) -> Any:
    """Check the words of a command line, or a nested mapping, as `parse` does before the parser; what it gets."""
    walk = KeyWalk(parser, "fit")
    return walk.follow(deepcopy(given)) if isinstance(given, dict) else checked_words(walk, given)


def error_line(parser: Any, given: Any) -> str:
    """The line of the error."""
    with pytest.raises(InputError) as raised:
        check(parser, given)
    line = str(raised.value)
    assert "\n" not in line and len(line) < 180, line  # and "atft: error: " before it
    return line


def test_every_mistyped_key_is_an_error_and_nine_in_ten_name_the_right_one(parser: Any) -> None:
    rng, every, values = random.Random(0), list(places(tree_of(parser), BASE)), cycle(VALUES)
    assert len(every) > 150 and {p.inside[-1] for p in every if p.inside} >= {
        0,
        "init_args",
        "simulate",
    }
    tried = right = 0
    for place in every:
        for _ in range(3):
            key = typo(place.key, rng)
            if key in place.siblings:
                continue
            line = error_line(parser, place.config(key, next(values)))
            assert line.startswith(f"unknown key {place._replace(key=key).path()!r}")
            tried += 1
            right += f"did you mean {place.path()!r}" in line
    assert tried > 450 and right > 0.9 * tried, (tried, right)


def test_every_mistyped_key_of_the_command_line_is_an_error_too(parser: Any) -> None:
    rng, paths = random.Random(1), list(paths_in(tree_of(parser), {}))
    right = 0
    for path in paths:
        above, _, last = path.rpartition(".")
        key = f"{above}.{typo(last, rng)}".lstrip(".")
        if key in paths:
            continue
        line = error_line(parser, rng.choice([[f"--{key}={{}}"], [f"--{key}", "3"], [f"--{key}"]]))
        assert line.startswith(f"unknown key {key!r}")
        right += f"did you mean {path!r}" in line
    assert right > 0.9 * len(paths) > 100


def test_a_file_is_no_section_and_no_class(
    parser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("more.yaml").write_text("class_path: torch.optim.AdamW")
    for given in ({"model": {"optimizer": "more.yaml"}}, ["--model.optimizer", "more.yaml"]):
        assert error_line(parser, given) == "model.optimizer names a file, 'more.yaml'; write its keys here"
    line = error_line(parser, ["--trainer.callbacks+", "more.yaml"])
    assert line == "trainer.callbacks+ names a file, 'more.yaml'; write its keys here"
    for given in ({"data": {"graph": "more.yaml"}}, ["--data.graph=more.yaml"]):
        assert error_line(parser, given).startswith("data.graph is a section of keys, got 'more.yaml'")


def test_every_section_is_a_mapping(parser: Any) -> None:
    sections = [p for p in places(tree_of(parser), BASE) if isinstance(p.siblings[p.key], dict)]
    assert len(sections) > 15
    for place in sections:
        for value, said in ((None, "null"), ([1], "a list"), (3, "3"), ("file.yaml", "'file.yaml'")):
            line = error_line(parser, place.config(place.key, value))
            assert line.startswith(f"{place.path()} is a section of keys, got {said}; ")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"dropout": 0.1}, "'model.network.init_args.dropout'"),
        ({"model": {"hidden": 3}}, "'model.network.init_args.hidden_size'"),
        ({"model": {"gradient_clip_val": 3}}, "'model.gradient_clip'"),
        ({"data": {"batch_size": 3}}, "'data.loader.batch_size'"),
        ({"seed": 3}, "'seed_everything'"),
        ({"trainer": {"epochs": 3}}, "'trainer.max_epochs'"),
        ({"lr": 1.0, "model": {"optimizer": ADAMW}}, "'model.optimizer.init_args.lr'"),
        ({"early_stopping": {"monitr": "val/ic"}}, "'early_stopping.monitor'"),
        ({"curriculum": {"phases": [{"epochs": 1, "lrfactor": 1.0}]}}, "'curriculum.phases[0].lr_factor'"),
        (["--modle.network.hidden_size", "4"], "'model'"),
        (["--model.network.hiden_size=4"], "'model.network.hidden_size'"),
        (["--data.graph", "{kk: 3}"], "'data.graph.k'"),
        (
            ["--model.optimizer", "torch.optim.AdamW", "--model.optimizer.init_args.weight_deccay=1"],
            "'model.optimizer.init_args.weight_decay'",
        ),
    ],
)
def test_a_key_that_stands_elsewhere_is_named_by_its_full_path(parser: Any, given: Any, meant: str) -> None:
    assert f"did you mean {meant}" in error_line(parser, given)


def test_a_key_like_no_other_is_answered_with_the_keys_beside_it(parser: Any) -> None:
    assert error_line(parser, {"data": {"qqq": {}}}) == (
        "unknown key 'data.qqq'; known: cache, graph, loader, panel, predict, split"
    )
    assert error_line(parser, {"zzz": 1}).endswith(" more)")
    assert "zzz...zzz" in error_line(parser, {"z" * 5000: 1})


@pytest.mark.parametrize(
    "given",
    [
        {"model.network.hidden_size": 4, "data": {"loader.lookback": 3}},
        {"trainer": {"callbacks+": [EMA], "logger": None}},
        {"trainer": {"callbacks": [{"class_path": f"{__name__}.Theirs", "init_args": {"anything": 1}}]}},
        {"model": {"objective": {"terms": {"ic": 1.0}, "regime_weights": {"any column": 2.0}}}},
        {"model": {"optimizer": {"init_args": {"lr": 0.1}}, "scheduler": None}},
        {"data": {"graph": None, "panel": {"simulate": {"stocks": 20}}}},
        {"coverage_guard": {}, "curriculum": {"phases": None}},
        ["--print_config", "--model.objective.terms.ic", "0.3", "--trainer.callbacks+", "EMAWeightAveraging"],
        [
            "--model.optimizer=SGD",
            "--model.optimizer.lr",
            "-1",
            "--data.graph.k",
            "4",
            "--trainer.max_epochs=-1",
        ],
        ["--trainer.callbacks.help=EarlyStopping", "--help"],
    ],
)
def test_keys_that_the_parser_takes_pass(parser: Any, given: Any) -> None:
    check(parser, given)


class Scores(Protocol):
    """What the nested class must have."""

    def score(self, days: int) -> float:
        """A number."""


@dataclass
class Sizes:
    """Options of `Linear`.

    Args:
        width: of it.
    """

    width: int = 4


class Linear:
    """Of the protocol."""

    def __init__(self, sizes: Sizes | None = None, depth: int = 1) -> None:
        self.sizes, self.depth = sizes, depth

    def score(self, days: int) -> float:
        """A number."""
        return float(days)


class Model:
    """What has a class inside.

    Args:
        network: chosen by its ``class_path``.
    """

    def __init__(self, network: Scores) -> None:
        self.network = network


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"init_args": {"depth": 2, "sizes": {"width": 3}}}, ""),
        ({"init_args": {"dept": 2}}, "unknown key 'model.network.init_args.dept'; did you mean "),
        (
            {"init_args": {"sizes": {"with": 2}}},
            "unknown key 'model.network.init_args.sizes.with'; did you mean "
            "'model.network.init_args.sizes.width'?",
        ),
        ({"class_path": "collections.Counter"}, "model.network: collections.Counter is no Scores; name a"),
    ],
)
def test_a_class_of_a_protocol_may_be_chosen_inside_of_a_section(chosen: dict[str, Any], line: str) -> None:
    nested = ArgumentParser(exit_on_error=False)
    nested.add_class_arguments(Model, "model")
    given = {"model": {"network": {"class_path": f"{__name__}.Linear", **chosen}}}
    if not line:
        assert parse(nested, given, "fit").model.network.init_args.sizes.width == 3
    else:
        assert error_line(nested, given).startswith(line)


def test_a_key_that_follows_from_others_says_which(parser: Any) -> None:
    assert (
        error_line(parser, {"data": {"seed": 3}}) == "data.seed is taken from seed_everything; leave it out"
    )


def test_a_value_is_no_section(parser: Any) -> None:
    line = error_line(parser, {"model": {"network": {"hidden_size": {}}}})
    assert line == "model.network.hidden_size takes a value, not a section of keys"


def test_the_file_is_named_and_every_file_is_checked(parser: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    (tmp_path / "b.yaml").write_text("nmae: a\n")
    with pytest.raises(InputError, match=r"b\.yaml: unknown key 'nmae'; did you mean 'name'\?"):
        check(parser, ["-c", str(tmp_path / "a.yaml"), f"--config={tmp_path / 'b.yaml'}"])


@pytest.mark.parametrize("value", ["{}", "null", "[1]", "3"])
def test_a_command_ends_with_2_and_one_line(
    value: str, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(f"model: {{network: {{hiden_size: {value}}}}}\n")
    outcome = atft("fit", "--config", tiny_run.config, "--config", tmp_path / "a.yaml")
    assert outcome.code == 2
    assert outcome.error_line.endswith(
        "unknown key 'model.network.hiden_size'; did you mean 'model.network.hidden_size'?"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"model": {"network": {"hidden_size": None}}},
            "model.network.hidden_size takes a whole number, got null",
        ),
        ({"data": {"graph": {"k": None}}}, "data.graph.k takes a whole number, got null"),
        (["--model.network.dropout", "null"], "model.network.dropout takes a number, got null"),
        ({"name": "a\0b"}, r"name holds a NUL character: 'a\x00b'"),
        ({"data": {"panel": {"schema": {"features": ["x\0"]}}}}, "data.panel.schema.features[0] holds a NUL"),
        (
            ["--model.objective.huber_delta", "1" + "0" * 400],
            "--model.objective.huber_delta: a whole number",
        ),
        (
            ["--data.panel.schema.sector="],
            "--data.panel.schema.sector is empty; write a value, or null for none",
        ),
        (["--data.graph", ""], "--data.graph is empty; write a value, or null for none"),
        (["--model.network", "&a {network: *a}"], "--model.network: &a contains itself"),
        (
            ["--model.network", "NoNetwork"],
            "model.network: 'NoNetwork' is no dotted path of a class; name a class such",
        ),
        ({"model": {"network": {"class_path": "NoNetwork"}}}, "model.network: 'NoNetwork' is no dotted path"),
        ({"trainer": {"callbacks": ["my timer"]}}, "trainer.callbacks[0]: 'my timer' is no dotted path"),
    ],
)
def test_values_that_no_option_takes_are_one_line(parser: Any, given: Any, said: str) -> None:
    assert error_line(parser, given).startswith(said)


@pytest.mark.parametrize(
    ("text", "number"), [("010", 10), ("0101", 101), ("1_000", 1000), ("0x10", None), ("12:30", None)]
)
def test_digits_mean_the_same_in_a_file_and_on_the_command_line(
    parser: Any, tmp_path: Path, text: str, number: int | None
) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(f"trainer: {{max_epochs: {text}}}\n")
    for of_key in (["--config", str(config)], [f"--trainer.max_epochs={text}"]):
        words = ["--config", "quickstart", *of_key]
        if number is None:
            with pytest.raises(InputError, match=f"takes a whole number or null, got '{text}'"):
                parse(parser, words, "fit")
        else:
            assert parse(parser, words, "fit").trainer.max_epochs == number


@pytest.mark.parametrize("name", ["0101", "2024_01", "1e3", "5e10", "2015-01-05"])
def test_a_name_of_digits_is_read_again_from_the_config_that_a_run_leaves(
    parser: Any, tmp_path: Path, name: str
) -> None:
    config = tmp_path / "config.yaml"
    parsed = parse(parser, ["--config", "quickstart", "--name", name], "fit")
    config.write_text(parser.dump(parsed, skip_validation=True))
    assert parse(parser, ["--config", str(config)], "fit").name == name


@pytest.mark.parametrize(
    "words",
    [
        ["--model.optimizer", "os.system"],
        ["--model.optimizer=os.system"],
        ["--model.optimizer.class_path", "os.system"],
        ["--model", "{optimizer: os.system}"],
        ["--trainer.callbacks+=os.system"],
        ["--trainer.callbacks", "[{class_path: os.system}]"],
        ["--name", "x", "--trainer.logger.class_path=os.system"],
    ],
)
def test_a_function_on_the_command_line_is_no_class(parser: Any, words: list[str]) -> None:
    with pytest.raises(InputError, match=r"os.system is a builtin_function_or_method, not a class"):
        check(parser, words)


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_takes_classes_of_its_kind_and_an_error_names_an_example(parser: Any, key: str) -> None:
    section, last = key.split(".")
    check(parser, {section: {last: {"class_path": EXAMPLES[key]}}})
    for path in ("collections.Counter", "os.system", "../evil.py", 3):
        line = error_line(parser, {section: {last: {"class_path": path}}})
        assert line.startswith(f"{key}: ") and line.endswith(f"name a class such as {EXAMPLES[key]}")


@pytest.mark.parametrize(
    "given",
    [
        {"model": {"optimizer": "os.system"}},
        {"model": {"scheduler": {"class_path": "torch.optim.AdamW"}}},
        {"trainer": {"callbacks": ["os.system"]}},
        {"trainer": {"callbacks": {"class_path": "os.system"}}},
        {"trainer": {"logger": [{"class_path": "lightning.pytorch.callbacks.Timer"}]}},
        {"trainer": {"strategy": "os.system"}},
    ],
)
def test_a_class_of_another_kind_is_found_in_lists_and_words(parser: Any, given: Any) -> None:
    assert ": os.system is a" in (line := error_line(parser, given)) or " is no L" in line


@pytest.mark.parametrize(
    "given",
    [
        {"model": {"optimizer": "Adam"}},  # the parser looks a bare name up among the classes of the kind
        {"trainer": {"strategy": "ddp", "profiler": "simple", "accelerator": "cpu", "logger": True}},
        {"trainer": {"logger": False, "plugins": None, "precision": "16-mixed", "default_root_dir": "a.b"}},
        {"trainer": {"max_time": {"hours": 1}, "val_check_interval": {"minutes": 5}}},
    ],
)
def test_words_of_the_trainer_and_names_of_classes_pass(parser: Any, given: Any) -> None:
    check(parser, given)


def test_words_that_name_no_class_pass(parser: Any) -> None:
    words = ["--ckpt_path=os.system", "--name", "os.system"]
    assert check(parser, words) == words
