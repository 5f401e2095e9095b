"""Links, names of files, samples of YAML and Python, and commands in the documentation are right."""

import ast
import re
import shlex
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import torch
import yaml

from atft.batch import DayBatch
from atft.losses.objective import DayObjective
from atft.losses.options import ObjectiveOptions
from tests.support.networks import inputs_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TRAINING = ("fit", "pretrain", "validate", "test", "predict", "export", "cache", "baseline")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"(?<![\w./-])(?:atft|benchmarks|configs|docs|examples|hpo|tests)/[\w./-]*\w")


class Sample(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def samples(language: str) -> list[Sample]:
    """The fenced blocks of a language on all pages."""
    found = []
    for page in PAGES:
        text = page.read_text()
        found += [
            Sample(page, text.count("\n", 0, match.start()) + 1, match[2])
            for match in FENCE.finditer(text)
            if match[1] == language
        ]
    return found


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^(?: {4}.*)$", "", FENCE.sub("", text), flags=re.M)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """Command lines of a page's indented blocks as words, without what is written beside them."""
    joined = re.sub(r" *\\\n +", " ", FENCE.sub("", text))
    for line in re.findall(r"^ {4}(\S.*)$", joined, re.M):
        words = re.split(r" {3,}| {2,}#", line)[0]
        if re.match(r"(\.venv/bin/)?python |atft |pip ", words):
            # `--a | --b` and `fit | test` stand for one command each; the first is checked.
            yield shlex.split(words.replace(" | ", "|"))


@cache
def training_parser(command: str) -> Any:
    """The parser of a training command."""
    from atft.completion import KeysOnly
    from atft.runs.third_parties import silence_third_parties

    silence_third_parties()
    return KeysOnly(command, []).parser


@cache
def option_names(command: str) -> set[str]:
    """Options of a command of `python -m atft`, those of a sweep's own commands as ``sweep best``."""
    from atft.commands import compare, evaluate, explain, flat, from_prices, report
    from atft.commands.file_arguments import file_parser
    from atft.commands.probe import probe_parser
    from atft.crossval import options as crossval
    from atft.daily import retrain
    from atft.daily.options import list_parser
    from atft.features.options import FeatureOptions
    from atft.search.show.arguments import OPTIONS, add_study_arguments
    from atft.search.workers.start import add_run_arguments

    first, _, part = command.partition(" ")
    parser = ArgumentParser()
    if first in TRAINING:
        parser = training_parser(first)
    elif first == "probe":
        parser = probe_parser()
    elif first == "explain":
        return {*explain.OPTION_NAMES, "--help", "--debug", "--data.panel.path"}
    elif first in flat.COMMANDS:
        parser = flat.flat_parser(first)
    elif first in ("compare", "evaluate", "report"):
        parser = file_parser({"compare": compare, "evaluate": evaluate, "report": report}[first].COMMAND)
    elif first in ("crossval", "retrain"):
        parser = training_parser("fit")
    elif first == "update":
        parser = list_parser(first)
    elif part in OPTIONS:
        add_study_arguments(parser, part)
    elif first == "sweep":
        add_run_arguments(parser)
    names = {name for action in parser._actions for name in action.option_strings}
    if first in ("fit", "crossval", "retrain"):
        names |= set((retrain if first == "retrain" else crossval).OPTION_NAMES)
    if first in from_prices.COMMANDS:
        names |= {
            "--prices",
            *(f"--{from_prices.PREFIX}{name}" for name in FeatureOptions.__dataclass_fields__),
        }
    if first == "predict":
        names |= {"--last", *(name for a in list_parser(first)._actions for name in a.option_strings)}
    if first == "cache":
        names |= {"--prune", "--dry_run", "--runs"}
    if first == "baseline":
        names |= {"--model", "--seeds"}
    return names | {"--help", "--help-all", "--debug", "--version"}


@cache
def training_keys(command: str) -> Any:
    """The tree of keys of a training command."""
    from atft.commands.config_keys import KeyWalk

    return KeyWalk(training_parser(command), command)


def check_command(words: list[str]) -> None:
    """Check that a command line's program, command and options exist."""
    from atft.cli import COMMANDS
    from atft.search.cli import COMMANDS as PARTS

    sweep = words[1].endswith("hpo/sweep.py")
    if words[1:3] == ["-m", "atft"] or sweep:
        rest = ["sweep", *words[2:]] if sweep else words[3:]
        if not rest or rest[0] == "COMMAND" or rest[0].startswith("-"):
            return
        command = rest.pop(0).split("|")[0]
        assert command in COMMANDS, words
        if command == "sweep" and rest and not rest[0].startswith("-"):
            part = rest.pop(0).split("|")[0]
            assert part in PARTS, words
            command = f"sweep {part}"
        for word, value in zip(rest, [*rest[1:], None], strict=True):
            name = word.partition("=")[0]
            if (
                command in ("crossval", "retrain")
                and name.startswith("--")
                and name not in option_names(command)
            ):
                training_keys("fit").follow_word(name, value)
            elif command in TRAINING and name.startswith("--") and name not in option_names(command):
                training_keys(command).follow_word(name, value)
            elif name.startswith("--"):
                assert name in option_names(command), (name, words)
    elif words[1] == "-m":
        place = ROOT / words[2].replace(".", "/")
        there = place.exists() or place.with_suffix(".py").exists()
        assert there or words[2] in ("http.server", "pytest", "venv"), words
    elif words[1].endswith(".py"):
        source = (ROOT / words[1]).read_text()
        for name in words[2:]:
            assert not name.startswith("--") or "." in name or f'"{name}"' in source, (name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_an_anchor_to_a_heading(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_that_a_page_names_exists_or_is_written_by_a_command_of_the_page(page: Path) -> None:
    text = page.read_text()
    written = set(re.findall(r"--out ([\w./-]+)", text))
    named = set(FILE.findall(text)) - written
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_command_on_a_page_and_its_options_exist(page: Path) -> None:
    for words in commands(page.read_text()):
        if words[0] in ("atft", "pip"):
            continue
        check_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_target_of_make_on_a_page_exists(page: Path) -> None:
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.M)
    named = re.findall(r"(?:^ {4}|`)make ([\w./-]+)", page.read_text(), re.M)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("sample", samples("python"), ids=str)
def test_a_python_sample_compiles(sample: Sample) -> None:
    ast.parse(sample.text)


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path with the files that samples open with: ``# mypkg/nets.py``."""
    for sample in samples("python"):
        name = re.match(r"# (mypkg/\w+\.py)\n", sample.text)
        if name:
            path = tmp_path / name[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(sample.text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("sample", samples("yaml"), ids=str)
def test_a_yaml_sample_has_keys_and_classes_that_exist(sample: Sample, own_package: Path) -> None:
    config = yaml.safe_load(sample.text)
    if "study" in config:
        from atft.search.question.options import read_sweep

        path = own_package / "sweep.yaml"
        path.write_text(sample.text)
        assert read_sweep(path).study == config["study"]
    else:
        training_keys("fit").follow(config, f"{sample}: ")
        objective = config.get("model", {}).get("objective", {})
        if any("." in name for name in objective.get("terms", {})):
            DayObjective(ObjectiveOptions(**objective), [1, 5])  # tries the user's functions


def test_the_network_of_the_extending_page_that_reads_history_reads_the_rows_of_its_window(
    own_package: Path, make_batch: Callable[..., DayBatch]
) -> None:
    network = import_module("mypkg.history").RecentMean(inputs_of(), rows=2)
    batch = make_batch()
    score, lookback = network(batch).score, batch.lookback
    assert score.shape == batch.target.shape
    for day in range(len(batch.day)):
        read = slice(day + lookback - 2, day + lookback)
        noise = torch.randn_like(batch.features)
        noise[read] = batch.features[read]
        assert torch.equal(network(batch._replace(features=noise)).score[day], score[day])


def test_the_metric_of_the_extending_page_has_no_value_on_a_day_of_four_valid_stocks(
    own_package: Path,
) -> None:
    top_hit = import_module("mypkg.metrics").top_hit
    score, target = torch.arange(8.0).expand(2, 8), torch.ones(2, 8)
    valid = torch.arange(8) < torch.tensor([[4], [5]])
    assert top_hit(score, target, valid).nan_to_num(-1).tolist() == [-1, 1]


def test_the_samples_of_the_extending_page_train_together(
    own_package: Path,
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
) -> None:
    words: list[Any] = ["--config", tiny_config(own_package, make_panel())]
    for number, sample in enumerate(samples("yaml")):
        if sample.page.name == "extending.md" and "WandbLogger" not in sample.text:  # not installed here
            path = own_package / f"{number}.yaml"
            path.write_text(sample.text)
            words += ["--config", path]
    outcome = atft("fit", *words)
    assert outcome.code == 0, outcome
    (run,) = own_package.glob("logs/*/version_0")
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["network"]["class_path"] == "mypkg.nets.TwoLayers"
    logged = (own_package / "lines.jsonl").read_text()
    for name in ("train/term/mypkg.loss.tail", "val/top_hit", "health/largest_weight"):
        assert name in logged, name


def panel_of_the_readme(path: Path, stocks: int = 25) -> None:
    """Write a panel with the columns that the table of roles in the README shows."""
    days = np.arange(np.datetime64("2015-01-05"), np.datetime64("2015-08-01"))
    days = days[np.is_busday(days)]
    rng, rows = np.random.default_rng(0), len(days) * stocks
    noise = {
        name: 0.01 * rng.standard_normal(rows).astype(np.float32)
        for name in ("feat_size", "feat_value", "ret_1d", "ret_5d", "return_1d")
    }
    code = [f"{1301 + stock}" for stock in range(stocks)] * len(days)
    sector = [f"{50 + stock % 3}" for stock in range(stocks)] * len(days)
    pl.DataFrame({"Date": np.repeat(days, stocks), "Code": code, "sector33": sector, **noise}).write_parquet(
        path
    )


def test_the_readmes_config_trains_on_a_panel_as_its_table_of_roles_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atft: Callable[..., Any]
) -> None:
    (text,) = (s.text for s in samples("yaml") if s.page.name == "README.md")
    described = (ROOT / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "panels").mkdir()
    panel_of_the_readme(tmp_path / "panels" / "mine.parquet")
    (tmp_path / "mine.yaml").write_text(text)
    for column in pl.read_parquet_schema(tmp_path / "panels" / "mine.parquet"):
        assert f"`{column}`" in described
    # The same config over the dates of a smaller panel.
    dates = {
        "train": "2015-01-05, 2015-04-10",
        "val": "2015-04-13, 2015-05-29",
        "test": "2015-06-01, 2015-07-31",
    }
    split = [word for name, ends in dates.items() for word in (f"--data.split.{name}", f"[{ends}]")]
    small = ["--model.network.hidden_size", "8", "--trainer.max_epochs", "1", "--baselines", "[ridge]"]
    configs = ["--config", "rows", "--config", "mine.yaml"]
    outcome = atft("fit", *configs, *split, *small, "--trainer.accelerator", "cpu")
    assert outcome.code == 0, outcome
    assert (tmp_path / "lightning_logs" / "mine" / "version_0" / "predictions.parquet").exists()


def test_the_samples_of_the_python_page_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for sample in samples("python"):
        if sample.page.name == "python.md":
            with warnings.catch_warnings():
                # Of a small market's scores, some of which are no better than chance.
                warnings.filterwarnings(
                    "ignore", ".*is (inside|beyond) the band of random scores", UserWarning
                )
                exec(compile(sample.text, str(sample), "exec"), names)
    assert {"network", "ridge", "reversal"} <= set(names["table"]["scorer"])


def test_every_page_is_reached_from_the_navigation_of_the_site() -> None:
    names = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text().split("nav:")[1]))
    assert names == {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}


def test_the_citation_names_the_version_and_the_licence_of_the_package() -> None:
    import atft

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (atft.__version__, "MIT")
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_readme_fits_on_two_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130
