"""The short help: the keys that matter, with the parser's own defaults, before anything heavy is imported."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from jsonargparse import Namespace

from atft.commands.key_help import EXAMPLES, KEYS, short_help
from atft.commands.train import build
from atft.data.build import CacheOptions

SECTIONS = {"cache": CacheOptions()}
"""A section that is null by default, which stands for its defaults."""


def test_the_defaults_are_those_of_the_parser(tiny_run: Any) -> None:
    cli = build("fit", ["--config", str(tiny_run.config)])
    defaults = cli.parser.get_defaults(skip_validation=True)
    for key in KEYS:
        value: Any = defaults
        for part in key.name.split("."):
            value = getattr(value, part)
            value = SECTIONS[part] if value is None and part in SECTIONS else value
        if key.default == "none, give one":
            assert value is None, key.name
        else:
            value = value.as_dict() if isinstance(value, Namespace) else value
            assert yaml.safe_load(key.default) == value, key.name


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_has_a_sentence_a_key_an_example_and_the_way_to_the_rest(command: str) -> None:
    text = short_help(command)
    assert len(text.splitlines()) < 64 and max(map(len, text.splitlines())) < 116
    assert f"python -m atft {command} --" in text and "--help-all" in text and "--print_config" in text
    assert ("--model.network.hidden_size (default: 64)" in text) == (command == "fit")
    assert "--data.panel.path" in text


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from atft.cli import main; main(['fit', '--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--help-all" in out and not {"'torch'", "'lightning'", "'numpy'"} & set(out.split(", "))


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict", "cache"])
def test_help_all_shows_every_key_with_the_sentence_of_its_docstring(
    command: str, atft: Callable[..., Any]
) -> None:
    outcome = atft(command, "--help-all")
    assert outcome.code == 0 and "--model.network.hidden_size" in outcome.out
    assert "width of every state" in outcome.out
    assert ("--out" in outcome.out) == (command == "predict")
