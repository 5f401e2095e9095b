"""The short help: the keys that matter, with the parser's own defaults, before anything heavy is imported."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import Namespace

from atft import cli
from atft.commands.checkpoint_config import TAKEN
from atft.commands.key_help import COMMANDS, GROUPS, KEYS, OF_CHECKPOINT, short_help
from atft.commands.shipped_configs import shipped_configs
from atft.commands.train import build
from atft.data.build import CacheOptions
from atft.files.yaml_text import is_inside

SECTIONS = {"cache": CacheOptions()}
"""A section that is null by default, which stands for its defaults."""


def test_the_defaults_are_those_of_the_parser(tiny_run: Any) -> None:
    cli = build("fit", ["--config", str(tiny_run.config)])
    defaults = cli.parser.get_defaults(skip_validation=True)
    for key in (k for k in KEYS if "fit" in k.commands):
        value: Any = defaults
        for part in key.name.split("."):
            value = getattr(value, "init_args", value)  # a class stands for its arguments
            value = getattr(value, part)
            value = SECTIONS[part] if value is None and part in SECTIONS else value
        if key.name == "model.network":
            assert key.default == value["class_path"]
        elif key.default == "none, give one":
            assert value is None, key.name
        else:
            value = value.as_dict() if isinstance(value, Namespace) else value
            value = list(value) if isinstance(value, tuple) else value
            assert yaml.safe_load(key.default) == value, key.name


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_sentence_a_key_an_example_and_the_way_to_the_rest(command: str) -> None:
    text = short_help(command)
    assert len(text.splitlines()) < 70 and max(map(len, text.splitlines())) < 116
    assert f"python -m atft {command} --" in text and "--help-all" in text and "--print_config" in text
    assert ("--model.network.hidden_size width of every state; " in text) == (command == "fit")
    assert "--data.panel.path" in text
    described = [line.split()[0] for line in text.splitlines() if line.startswith("  --")]
    assert len(set(described)) == len(described)


def test_every_key_is_in_one_group_and_what_a_checkpoint_gives_is_not_asked_for() -> None:
    for key in KEYS:
        assert sum(key.name.startswith(starts) for starts in GROUPS.values()) == 1, key.name
        for command in COMMANDS:
            assert (f"  --{key.name} " in short_help(command)) == (command in key.commands), key.name
    required = [line for line in short_help("fit").splitlines() if line.endswith("; required")]
    assert [line.split()[0] for line in required] == [
        "--data.split.train",
        "--data.split.val",
        "--model.optimizer",
    ]
    evaluation = short_help("predict")
    assert evaluation.count("default: the checkpoint's") == 5 and evaluation.count("; required") == 1
    taken = {key.name for key in KEYS if "predict" in key.commands and is_inside(key.name, TAKEN)}
    assert taken == {
        key.name for key in KEYS if "predict" in key.commands and key.name.startswith(OF_CHECKPOINT)
    }
    assert {"--out", "--data.predict", "--model.network"} < set(evaluation.split())
    assert "--model.metrics" in short_help("test") and "--model.metrics" not in evaluation


def test_the_examples_of_help_are_accepted_and_the_commands_that_come_next_exist(
    atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = short_help("fit").splitlines()
    lines = [line.split("python -m atft ")[1] for line in text if "python -m atft " in line]
    assert {shlex.split(line)[0] for line in lines} <= set(cli.COMMANDS)
    (tmp_path / "mine.yaml").write_text(shipped_configs("fit")["quickstart"].read_text())
    for words in COMMANDS["fit"].examples:
        if "--data.panel.path" not in words and "--ckpt_path" not in words:
            assert atft("fit", *shlex.split(words), "--print_config").code == 0, words


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from atft.cli import main; main(['fit', '--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--help-all" in out and not {"'torch'", "'lightning'", "'numpy'"} & set(out.split(", "))


@pytest.mark.parametrize(
    "command", ["fit", "pretrain", "validate", "test", "predict", "export", "cache", "baseline"]
)
def test_help_all_shows_every_key_with_the_sentence_of_its_docstring(
    command: str, atft: Callable[..., Any]
) -> None:
    outcome = atft(command, "--help-all")
    assert (
        outcome.code == 0
        and "--model.network.help" in outcome.out
        and "--data.loader.lookback" in outcome.out
    )
    assert "one score each" in outcome.out
    assert ("--out" in outcome.out) == (command in ("predict", "export"))
    assert ("--seeds" in outcome.out) == (command in ("fit", "baseline"))
    headings = [line for line in outcome.out.splitlines()[1:] if re.match(r"\w.*:$", line)]
    assert "Terms, weights and target transform of the loss of a day:" in headings
    assert all(heading[0].isupper() for heading in headings)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fit", "--data.cache.help"), "folder of all caches"),
        (("fit", "--model.network.help", "atft.nn.tabm.TabM"), "members of the ensemble"),
        (("predict", "--data.graph.help"), "the k most correlated stocks"),
    ],
)
def test_the_help_of_a_section_or_a_class_needs_no_config(
    words: tuple[str, ...], sentence: str, atft: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["atft/__main__.py"])
    outcome = atft(*words)
    assert outcome.code == 0 and sentence in " ".join(outcome.out.split())
    assert outcome.out.startswith(f"usage: python -m atft {words[0]} ")
